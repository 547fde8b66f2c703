"""What the contract says in words because no schema can.

A request that is made up to fit the contract is brought to fit the words too
(obey). What no request can be brought to, and what the words allow beyond the
schemas, is no failure of the API (is_told). Everything else that a check
complains about is one.
"""

import hashlib
import re
import unicodedata
import uuid
import zlib

import jsonschema_rs
from schemathesis.core.parameters import ParameterLocation as Location

# Codes of schemathesis.
ACCEPTED = "ST201"  # what breaks the contract was accepted
REFUSED = "ST202"  # what fits the contract was refused
STILL_THERE = "ST301"  # what was deleted can be read
ANOTHERS = "ST402"  # what is somebody's was shown to somebody else

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
LIKE_A_CREDENTIAL = re.compile("^cpdk_[0-9A-Za-z]{43}_[0-9A-Za-z]{49}$")


# -- Requests -----------------------------------------------------------------

def obey(case, cursors):
    """Brings what is to fit the contract to fit its words; cursors are those that the API gave."""
    if case.meta is None:
        return
    # Nothing else is a cursor, whatever it looks like.
    if not case.meta.is_negative_at(Location.QUERY) and case.query and case.query.get("cursor") not in cursors:
        case.query.pop("cursor", None)
    if isinstance(case.body, (dict, list)) and not case.meta.is_negative_at(Location.BODY):
        case.body = each(case.body, proper)


def proper(value):
    # A whole number is written with digits alone: 5, not 5.0.
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and LIKE_A_CREDENTIAL.match(value) and value[-6:] != checksum(value[:-6]):
        return credential(value)
    return value


def credential(seed):
    """A credential that nobody was given (shared/apikey/credential.go has the form)."""
    random = hashlib.sha512(seed.encode()).digest()
    key = bytearray(random[:16])
    key[6], key[8] = key[6] & 0x0F | 0x70, key[8] & 0x3F | 0x80  # a UUID of version 7
    text = "cpdk_%s_%s" % (base62(random[16:32] + uuid.UUID(bytes=bytes(key)).bytes, 43), base62(random[32:], 43))
    return text + checksum(text)


def checksum(text):
    return base62(zlib.crc32(text.encode()).to_bytes(4, "big"), 6)


def base62(data, width):
    number, text = int.from_bytes(data, "big"), ""
    for _ in range(width):
        number, digit = divmod(number, 62)
        text = DIGITS[digit] + text
    return text


def each(value, change):
    """The body with every value in it, at any depth, changed."""
    if isinstance(value, dict):
        return {name: each(inner, change) for name, inner in value.items()}
    if isinstance(value, list):
        return [each(inner, change) for inner in value]
    return change(value)


# -- Answers ------------------------------------------------------------------

def is_told(failure, case, response):
    """Whether the contract's words tell that the answer is right."""
    operation = case.operation.definition.raw["operationId"]
    if failure.code == ACCEPTED and only_the_body_breaks(case):
        return is_left_out(case, operation) or operation == "authorizeJobs" and is_told_in_decisions(case, response)
    if failure.code == REFUSED and response.status_code == 400:
        problem = response.json()
        return (operation == "setRotationPolicy" and problem["field"] == "noticeDays" and is_no_less(case.body)
                or problem["detail"].endswith("contains a character that cannot be printed.") and is_unprintable(case.body))
    if operation == "viewUserHistory":
        # What was done to a user stays in the history, which every administrator of the account may read.
        return (failure.code == STILL_THERE and failure.free.startswith("DELETE /v1/account/")
                or failure.code == ANOTHERS and failure.peer == "colleague")
    return False


def only_the_body_breaks(case):
    return case.meta is not None and [location for location in case.meta.components if case.meta.is_negative_at(location)] == [Location.BODY]


def is_left_out(case, operation):
    """Null, and an empty text where it is not refused, count as left out: without them the body fits."""
    # A job's may be any text, and is what names the key.
    kept = ("credential", "scheduleRef") if operation in ("authorizeJob", "authorizeJobs") else ()
    rest = without_empty(case.body, kept)
    return rest != case.body and fits(case, rest)


def without_empty(value, kept):
    if isinstance(value, dict):
        return {name: without_empty(inner, kept) for name, inner in value.items()
                if inner is not None and (inner != "" or name in kept)}
    if isinstance(value, list):
        return [without_empty(inner, kept) for inner in value]
    return value


def fits(case, body):
    contract = case.operation.schema.raw_schema
    schema = case.operation.definition.raw["requestBody"]
    if "$ref" in schema:
        schema = contract["components"]["requestBodies"][schema["$ref"].rpartition("/")[2]]
    schema = schema["content"]["application/json"]["schema"]
    return jsonschema_rs.Draft202012Validator({**schema, "components": contract["components"]}).is_valid(body)


def is_told_in_decisions(case, response):
    """A batch is answered all the same when some of its requests are malformed, each of these by itself."""
    return (set(case.body) == {"requests"} and len(case.body["requests"]) == len(response.json()["decisions"])
            and any(decision["reason"] == "invalid_request" for decision in response.json()["decisions"]))


def is_no_less(policy):
    """Schemas do not compare two numbers."""
    return policy["noticeDays"] >= policy["maxAgeDays"]


def is_unprintable(body):
    """Made-up texts have characters, not assigned yet, that the contract's patterns do not have."""
    found = []
    each(body, lambda value: found.extend(c for c in value if unicodedata.category(c) == "Cn") if isinstance(value, str) else value)
    return bool(found)
