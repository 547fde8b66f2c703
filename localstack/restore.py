"""Brings keys to what their secrets show, after the table was restored to an instant.

A restored table has keys as they were at that instant: what was rotated away or
deleted later is back in it. The function sweep compares every user's keys with the
secrets, deletes those that the secrets contradict, and phases out those that are
not shown to be current. Without --apply it only tells how many that would be.

It has to run before anything else does on the restored table (docs/deploy.md), and
may run again. The deployment is what the env file describes: the local stack, or,
when the file has no AWS_ENDPOINT_URL, one on AWS (AWS_REGION and SWEEP_FUNCTION are
enough).
"""

import sys

# The checkout stays as it is, without __pycache__.
sys.dont_write_bytecode = True

import argparse
import datetime
import json

from console import Failure
from deployed import Deployed, run_in_environment


def instant(text):
    """An instant in RFC 3339, with its zone: one without it would be hours off."""
    try:
        at = datetime.datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise Failure("TO= has to be the instant that the table was restored to, such as 2026-11-02T16:45:00Z; %r is none." % text)
    return at.astimezone(datetime.timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def ask(lambdas, sweep, request):
    answer = lambdas.invoke(FunctionName=sweep, Payload=json.dumps({"restore": request}).encode())
    decoded = json.loads(answer["Payload"].read())
    if answer.get("FunctionError"):
        raise Failure("The sweep failed: %s. Run the command again; what was done stays done." % json.dumps(
            decoded.get("errorMessage") if isinstance(decoded, dict) else decoded))
    return decoded


def restore(lambdas, sweep, to, apply, tell):
    """Asks until all rings were looked at; answers how many failed."""
    done = {"rings": 0, "phasedOut": 0, "deleted": 0, "failed": 0}
    request = {"to": to, "apply": apply}
    while True:
        answer = ask(lambdas, sweep, request)
        for count in done:
            done[count] += answer[count]
        if not answer["nextCursor"]:
            break
        request = {**request, "cursor": answer["nextCursor"]}
        tell("  %d users looked at so far" % done["rings"])
    tell("%d users looked at: %d key(s) %s, %d %s." % (
        done["rings"], done["deleted"], "deleted" if apply else "to delete",
        done["phasedOut"], "phased out" if apply else "to phase out"))
    if done["failed"]:
        tell("%d user(s) could not be compared; `make logs FUNCTION=sweep` shows why. Run the command again." % done["failed"])
    elif not apply:
        tell("Nothing was changed; APPLY=1 does it.")
    return done["failed"]


def run(options, tell):
    to = instant(options.to)
    deployed = Deployed(options.env)
    sweep = deployed.function("sweep")
    run_in_environment(deployed)
    with deployed.reached():
        # The function's own time limit is 15 minutes. Not tried again here: the person does.
        lambdas = deployed.client("lambda", read_timeout=930, retries={"mode": "standard", "total_max_attempts": 1})
        return 1 if restore(lambdas, sweep, to, options.apply, tell) else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--env", default="build/local.env", metavar="file", help="what describes the deployment (%(default)s)")
    parser.add_argument("--to", required=True, metavar="instant", help="what the table was restored to, such as 2026-11-02T16:45:00Z")
    parser.add_argument("--apply", action="store_true", help="make the changes; without it, they are only counted")
    try:
        return run(parser.parse_args(), lambda text: print(text, flush=True))
    except Failure as failure:
        print(failure, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130  # what was done stays done; the command may be run again


if __name__ == "__main__":
    sys.exit(main())
