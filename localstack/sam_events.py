"""`sam local invoke` with the files of events/, on the data in LocalStack."""

import glob
import json
import os
import subprocess

import invoke
import processes
from console import say, step, tail

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# What is asked about runs that are not there fails, when it is asked directly.
NOT_THERE = "run_not_found"
# The statuses of requests that got through to their function, and there to the
# data: not those of a bad token, role or form.
ANSWERED = {200, 201, 204, 404, 409, 412}
# Of a user whose life begins with these.
PROMISED = {"events/delete-all.json": 200, "events/create.json": 201, "events/view.json": 200}
# What tells the kind of an answer, and what an answer of the kind must be.
KINDS = {
    "statusCode": lambda answer: answer["statusCode"] in ANSWERED,
    "decisions": lambda answer: all(each["reason"] != "unavailable" for each in answer["decisions"]),
    "allowed": lambda answer: answer["reason"] in ("key_unknown", "no_active_key", "schedule_unknown", "key_active"),
    "policyDocument": lambda answer: answer["policyDocument"]["Statement"][0]["Effect"] == "Deny",
    "isAuthorized": lambda answer: answer["isAuthorized"] is False,
    "batchItemFailures": lambda answer: answer["batchItemFailures"] == [],
    # Of all that ever happened on the stack, rings included that the store's tests
    # wrote with secrets which never were: these fail.
    "relayed": lambda answer: answer["unreadable"] == 0 and answer["nextCursor"] is None,
    "rotated": lambda answer: answer["failed"] == 0,
}
INVOKED_WITHIN_SECONDS = 180
REMOVED_WITHIN_SECONDS = 60


class Unexpected(Exception):
    """An answer that is not as promised."""


def run(local, settings):
    """Invokes with every event; answers those whose answers were not as promised."""
    failed = []
    for function, path in stories():
        try:
            with step("%s %s" % (function, path)):
                check(path, recorded(function, path), send(local, settings, function, path))
        except Unexpected as problem:
            say("    %s" % problem)
            failed.append(path)
    return failed


def stories():
    """Each function and event: first those that begin a user's life, so that it begins whatever went before."""
    folders = sorted(glob.glob(os.path.join(ROOT, "functions", "*", "testdata")))
    every = [(name, path) for name in (os.path.basename(os.path.dirname(folder)) for folder in folders) for path in invoke.events_of(name)]
    first = ["events/reinstate.json", "events/delete-all.json", "events/create.json", "events/view.json", "events/sweep.json"]
    return sorted(every, key=lambda each: first.index(each[1]) if each[1] in first else len(first))


def recorded(function, path):
    """The answer that the function's own tests have on record."""
    name = os.path.basename(path).removesuffix(".json") + ".golden"
    with open(os.path.join(ROOT, "functions", function, "testdata", name), encoding="utf-8") as file:
        return json.load(file)


def check(path, record, answer):
    """Whether an answer is of the recorded one's kind, from a function that reached its data.

    It is not the same: the keys, schedules and runs of events/ are those of
    made-up users.
    """
    if path.startswith("events/authorizer/direct-") and isinstance(answer, dict) and answer.get("errorType") == NOT_THERE:
        return
    for kind, is_promised in KINDS.items():
        if kind in record:
            if not isinstance(answer, dict) or kind not in answer or not is_promised(answer):
                break
            if kind == "statusCode" and answer[kind] != PROMISED.get(path, answer[kind]):
                break
            return
    else:
        if answer == record:
            return
    raise Unexpected("answered: %s" % json.dumps(answer)[:600])


def send(local, settings, function, path):
    """The function's answer, decoded."""
    event = invoke.with_tokens(invoke.read_event(os.path.join(ROOT, path)),
                               lambda role: invoke.fetch_token(settings["ISSUER_URL"], role))
    file = local.folder.file("event.json")
    with open(file, "w", encoding="utf-8") as written:
        written.write(event)
    log = local.folder.file("invoke.log")
    with open(log, "wb") as errors:
        sam = subprocess.Popen(local.sam("invoke", settings[function.upper() + "_FUNCTION"], "--event", file),
                               env=local.sam_env(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors,
                               start_new_session=True)
    record = processes.record(sam.pid)
    try:
        answer, _ = sam.communicate(timeout=INVOKED_WITHIN_SECONDS)
    except subprocess.TimeoutExpired:
        raise Unexpected("SAM did not end within %d s:\n%s" % (INVOKED_WITHIN_SECONDS, tail(log)))
    finally:
        # Whatever comes between: killed at once it would leave its container.
        processes.stop(record, local.folder.path, grace=REMOVED_WITHIN_SECONDS)
    if sam.returncode != 0:
        raise Unexpected("SAM ended with status %d:\n%s" % (sam.returncode, tail(log)))
    try:
        return invoke.opened(json.loads(answer))
    except ValueError:
        raise Unexpected("no JSON was answered: %r\n%s" % (answer[:300], tail(log)))
