"""What the contract says in words because no schema can: an answer that it then
gives is no failure. Everything else that a check complains about is one.
"""

import schemathesis

ACCEPTED = "ST201"  # what breaks the contract was accepted
REFUSED = "ST202"  # what fits the contract was refused

# Whether a cursor is the caller's and the listing's, whether a credential's
# checksum is right, and which of two numbers is less.
BEYOND_SCHEMAS = ("cursor", "credential", "noticeDays")


@schemathesis.hook
def filter_failure(context, failure, case, response):
    if failure.code == ACCEPTED:
        return not (holds(case.body, counts_as_left_out) or told_in_decisions(case, response))
    if failure.code == REFUSED and response.status_code == 400:
        return not (response.json()["field"] in BEYOND_SCHEMAS or holds(case.body, is_written_with_a_point))
    return True


def holds(value, condition):
    """Whether a body has such a value at any depth."""
    if isinstance(value, dict):
        return any(holds(inner, condition) for inner in value.values())
    if isinstance(value, list):
        return any(holds(inner, condition) for inner in value)
    return condition(value)


def counts_as_left_out(value):
    return value is None or value == ""


def is_written_with_a_point(value):
    """5.0 is a whole number to a schema, and not written as one."""
    return isinstance(value, float) and value.is_integer()


def told_in_decisions(case, response):
    """A batch is answered all the same when some of its requests are malformed, each of these by itself."""
    return case.operation.definition.raw["operationId"] == "authorizeJobs" and any(
        decision["reason"] == "invalid_request" for decision in response.json()["decisions"])
