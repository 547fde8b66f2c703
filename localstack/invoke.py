"""Invokes a deployed function directly with an event, and prints its answer.

Without an event it lists those of events/ that fit the function, without a
function those of all. The deployment is what the env file describes: the local
stack, or, when the file has no AWS_ENDPOINT_URL, one on AWS (AWS_REGION and
VIEW_FUNCTION, … are enough).

An event with a placeholder for a bearer token, such as ADMINISTRATOR_TOKEN,
gets a fresh one of the local issuer in its place: of the user whom events/ is
about, with that role. The variable TOKEN, when it is set, is used instead; on
AWS it has to be.
"""

import sys

# The checkout stays as it is, without __pycache__.
sys.dont_write_bytecode = True

import argparse
import glob
import json
import os
import re
import urllib.error
import urllib.request

import servers
from console import Failure, say
from deployed import ROOT, Deployed, run_in_environment

PLACEHOLDER = re.compile(r"(?<=Bearer )([A-Z][A-Z_]*)_TOKEN\b")
# The user whom events/ is about.
ACCOUNT_ID, IAM_ID, USERNAME = "0123456789abcdef0123456789abcdef", "IBMid-5500SAMPLE", "jane.doe@example.com"


def events_of(function, root=ROOT):
    """The events of a function: those whose answers its tests have on record."""
    records = glob.glob(os.path.join(root, "functions", function, "testdata", "*.golden"))
    names = [os.path.basename(record).removesuffix(".golden") + ".json" for record in records]
    # A function with many events has a folder of its own.
    paths = ["events/%s/%s" % (function, name) for name in names] + ["events/" + name for name in names]
    return sorted(path for path in paths if os.path.exists(os.path.join(root, path)))


def read_event(path):
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
        json.loads(text)
    except OSError as error:
        raise Failure("%s cannot be read: %s." % (path, error.strerror))
    except ValueError as error:
        raise Failure("%s is not JSON: %s." % (path, error))
    return text


def with_tokens(text, get_token):
    """The event with a token of its role for each placeholder."""
    tokens = {placeholder: get_token(role_of(placeholder)) for placeholder in sorted(set(PLACEHOLDER.findall(text)))}
    return PLACEHOLDER.sub(lambda match: tokens[match[1]], text)


def role_of(placeholder):
    """JOB_RUNNER is the role JobRunner."""
    return placeholder.title().replace("_", "")


def token_for(deployed, role, own_token, tell):
    if own_token:
        if not re.fullmatch(r"[A-Za-z0-9._~+/=-]+", own_token):
            raise Failure("TOKEN is not a bearer token.")
        tell("The event's placeholder for a token of the role %s is replaced by TOKEN." % role)
        return own_token
    issuer = deployed.settings.get("ISSUER_URL")
    if not deployed.is_local or not issuer:
        raise Failure("The event needs a token of the role %s; give one with TOKEN=." % role)
    tell("The event's placeholder is replaced by a fresh token of %s: %s (%s) in account %s, role %s." % (
        issuer, USERNAME, IAM_ID, ACCOUNT_ID, role))
    return fetch_token(issuer, role)


def fetch_token(issuer, role):
    claims = {"iam_id": IAM_ID, "account": {"bss": ACCOUNT_ID}, "preferred_username": USERNAME, "roles": [role]}
    request = urllib.request.Request(issuer.rstrip("/") + "/token", json.dumps(claims).encode(),
                                     {"Content-Type": "application/json"})
    try:
        with servers.direct.open(request, timeout=10) as answer:
            return json.load(answer)["access_token"]
    except (urllib.error.URLError, OSError, ValueError, KeyError, TypeError) as error:
        raise Failure("The local issuer at %s gives no token (%s); has the stack ended? `make up` starts it." % (issuer, error))


def invoke(client, function, event):
    """The answer, decoded, and what kind of failure it is, if it is one."""
    answer = client.invoke(FunctionName=function, Payload=event.encode())
    payload = answer["Payload"].read()
    try:
        decoded = json.loads(payload)
    except ValueError:
        decoded = payload.decode(errors="replace")
    return opened(decoded), answer.get("FunctionError")


def opened(answer):
    """The answer with the body of an HTTP answer, a text that holds JSON, as what it holds."""
    if isinstance(answer, dict) and isinstance(answer.get("body"), str):
        try:
            return {**answer, "body": json.loads(answer["body"])}
        except ValueError:
            pass
    return answer


def lines_of(*functions):
    return ["  make invoke-%s EVENT=%s" % (name, event) for name in functions for event in events_of(name)]


def run(options, tell):
    if not options.function:
        say("\n".join(lines_of(*sorted(os.listdir(os.path.join(ROOT, "functions"))))))
        return 0
    fitting = lines_of(options.function)
    if not options.event and fitting:
        tell("\n".join(["Say which EVENT; these fit:", *fitting]))
        return 1
    deployed = Deployed(options.env)
    name = deployed.function(options.function)
    if not options.event:
        raise Failure("Say which EVENT; events/ has none for this function.")
    event = read_event(options.event)
    run_in_environment(deployed)
    event = with_tokens(event, lambda role: token_for(deployed, role, os.environ.get("TOKEN"), tell))
    with deployed.reached():
        # Not tried again: an event may change something.
        client = deployed.client("lambda", read_timeout=60, retries={"total_max_attempts": 1})
        answer, failure = invoke(client, name, event)
    # In ASCII: some of it comes from clients, and a terminal obeys some characters.
    say(json.dumps(answer, indent=2))
    if failure:
        tell("The function failed (%s); `make logs FUNCTION=%s` shows its log." % (failure, options.function))
        return 1
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("function", nargs="?", help="such as view")
    parser.add_argument("event", nargs="?", help="a file, such as events/view.json")
    parser.add_argument("--env", default="build/local.env", metavar="file", help="what describes the deployment (%(default)s)")
    try:
        return run(parser.parse_args(), lambda text: print(text, file=sys.stderr, flush=True))
    except Failure as failure:
        print(failure, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
