"""What `make fuzz-api` adds to schemathesis: people, the contract's words, and
walks along the contract's links.
"""

import os

import people
import schemathesis
import words
from schemathesis.generation.meta import TestPhase
from schemathesis.generation.stateful.state_machine import normalize_name

# Where walks begin.
START = "POST /v1/user-api-keys"

turn = people.Turn(os.environ["FUZZ_PEOPLE"])
cursors = set()
reached = set()


@schemathesis.hook
def before_load_schema(context, raw_schema):
    for path in raw_schema["paths"].values():
        for operation in path.values():
            for response in operation["responses"].values():
                for link in response.get("links", {}).values():
                    # The contract's bodies are whole: a made-up field beside them breaks them.
                    link["x-schemathesis"] = {"merge_body": False}


@schemathesis.hook
def after_load_schema(context, schema):
    build = schema.build_state_machine

    def build_state_machine(**options):
        machine = build(**options)

        class Walk(machine):
            _root_labels = frozenset([START])

            def after_call(self, response, case):
                super().after_call(response, case)
                if response.status_code < 300:
                    reach(case.operation.definition.raw["operationId"])

            def teardown(self):
                super().teardown()
                turn.pass_on()

        # Whoever has nothing yet begins with a key; no other request leads anywhere.
        for rule in machine.root_rules:
            if rule != normalize_name("RANDOM -> " + START):
                setattr(Walk, rule, None)
        return Walk

    schema.build_state_machine = build_state_machine


def reach(operation):
    """Notes what a walk has done, for the check that walks get everywhere."""
    if operation not in reached:
        reached.add(operation)
        with open(os.environ["FUZZ_REACHED"], "a", encoding="utf-8") as file:
            print(operation, file=file)


@schemathesis.hook
def map_case(context, case):
    """Walks are about what follows from what; the other phases try these."""
    if case.meta is not None and case.meta.phase.name == TestPhase.STATEFUL:
        case.headers.pop("Idempotency-Key", None)
        if case.headers.get("If-Match") != '"1"':
            case.headers.pop("If-Match", None)
        if "limit" in case.query:
            case.query["limit"] = 1  # so that there is another page
    return case


@schemathesis.hook
def before_call(context, case, kwargs):
    words.obey(case, cursors)
    turn.take(case.headers)


@schemathesis.hook
def after_call(context, case, response):
    if not response.content:
        return
    answer = response.json()
    if "nextCursor" in answer:
        cursors.add(answer["nextCursor"])
    # A walk is one person's to its end.
    if case.meta is not None and case.meta.phase.name != TestPhase.STATEFUL and answer.get("code") in people.EXHAUSTED:
        turn.pass_on()


@schemathesis.hook
def filter_failure(context, failure, case, response):
    return not words.is_told(failure, case, response)
