"""Follows the logs of a deployment's functions until Ctrl-C, one line for each event.

The deployment is what the env file describes: the local stack, or, when the
file has no AWS_ENDPOINT_URL, functions on AWS, for which a region and names
are enough:

  AWS_REGION=eu-central-1
  VIEW_FUNCTION=user-api-key-view
  AUTHORIZER_FUNCTION=user-api-key-authorizer

Times are in UTC. The beginnings and ends of invocations are left out; what an
invocation took stands in its REPORT.
"""

import sys

# The checkout stays as it is, without __pycache__.
sys.dont_write_bytecode = True

import argparse
import collections
import datetime
import json
import os
import re
import time

from console import Failure
from deployed import Deployed, run_in_environment

# Where Lambda and template.yaml put a function's log.
GROUP = "/aws/lambda/%s"
# MiniStack answers so many events at most, and has no pages.
MOST_EVENTS = 10_000
# How long to wait between two rounds, and how much later than its successors an
# event may turn up, in seconds. AWS allows 5 requests a second in a region.
LOCAL_PACE = (0.5, 1)
AWS_PACE = (2, 15)

SKIPPED_WORDS = ("START ", "END ", "INIT_START ")
SKIPPED_TYPES = ("platform.initStart", "platform.initRuntimeDone", "platform.start", "platform.runtimeDone")

# RFC 3339, in UTC.
TOLD_TIME = re.compile(r"\d{4}-\d\d-\d\dT(\d\d:\d\d:\d\d)(\.\d+)?Z")


class Follower:
    """Finds the new events of one function's log."""

    def __init__(self, logs, function, name, since, overlap):
        """From the instant since on; like overlap it is in milliseconds."""
        self.logs = logs
        self.function = function
        self.group = GROUP % name
        self.since = since
        self.overlap = overlap
        self.seen = set()

    def new_events(self):
        """(timestamp, function, message) of each event that was not there before."""
        found = {}
        counts = collections.Counter()
        for event in self._events():
            # MiniStack's events have no id. Equal ones are told apart by their number.
            same = (event["logStreamName"], event["timestamp"], event["message"])
            counts[same] += 1
            found[event.get("eventId") or (*same, counts[same])] = event
        new = [(event["timestamp"], self.function, event["message"]) for key, event in found.items() if key not in self.seen]
        # The next round looks back a little: events do not turn up in order.
        newest = max((event["timestamp"] for event in found.values()), default=0)
        self.since = max(self.since, newest - self.overlap)
        self.seen = {key for key, event in found.items() if event["timestamp"] >= self.since}
        return new

    def _events(self):
        """Every event since then, page by page."""
        request = {"logGroupName": self.group, "startTime": self.since}
        while True:
            answer = self.logs.filter_log_events(**request)
            events = answer["events"]
            if "nextToken" in answer:
                yield from events
                request["nextToken"] = answer["nextToken"]
            elif len(events) < MOST_EVENTS or "nextToken" in request:
                yield from events
                return
            else:
                # There may be more. The last instant's events come again, all of them.
                last = events[-1]["timestamp"]
                earlier = [event for event in events if event["timestamp"] < last]
                yield from earlier or events
                request["startTime"] = last if earlier else last + 1


def line(timestamp, function, width, message):
    """An event as it is shown; None when it tells nothing."""
    try:
        fields = json.loads(message)
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        if message.startswith(SKIPPED_WORDS):
            return None
        return "%s  %-*s  %s" % (clock(timestamp), width, function, plain("  ".join(message.split("\t")).strip()))
    if fields.get("type") in SKIPPED_TYPES:
        return None
    at = fields.pop("time", None)
    words = [str(fields.pop(name)) for name in ("level", "type", "msg") if name in fields]
    fields.pop("_aws", None)  # tells CloudWatch which of the fields are metrics
    words += ["%s=%s" % (name, value) for name, value in flat("", fields)]
    return "%s  %-*s  %s" % (clock(timestamp, at), width, function, plain(" ".join(words)))


def clock(timestamp, at=None):
    """The time of day: what the event itself says, else when it was taken in."""
    told = TOLD_TIME.fullmatch(at) if isinstance(at, str) else None
    if told:
        return told[1] + (told[2] or ".").ljust(4, "0")[:4]
    instant = datetime.datetime.fromtimestamp(timestamp / 1000, datetime.timezone.utc)
    return instant.strftime("%H:%M:%S.") + "%03d" % (timestamp % 1000)


def flat(prefix, fields):
    for name, value in fields.items():
        if isinstance(value, dict):
            yield from flat(prefix + name + ".", value)
        elif isinstance(value, str) and value and not any(c.isspace() or c in "\"=" for c in value):
            yield prefix + name, value
        else:
            yield prefix + name, json.dumps(value, ensure_ascii=False)


def plain(text):
    """One line, with nothing in it that a terminal would obey: some of it comes from clients."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def follow(deployed, names, since_seconds, out, pause=time.sleep, now=time.time):
    """Prints what the functions log until something ends it."""
    pace, overlap = LOCAL_PACE if deployed.is_local else AWS_PACE
    since = int((now() - since_seconds) * 1000)
    width = max(map(len, names))
    with deployed.reached():
        logs = deployed.client("logs", read_timeout=30, retries={"mode": "standard", "total_max_attempts": 2 if deployed.is_local else 8})
        followers = [Follower(logs, name, deployed.function(name), since, overlap * 1000) for name in names]
        while True:
            events = [event for follower in followers for event in follower.new_events()]
            for timestamp, function, message in sorted(events, key=lambda event: event[0]):
                shown = line(timestamp, function, width, message)
                if shown is not None:
                    out.write(shown + "\n")
            out.flush()
            pause(pace)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("functions", nargs="*", metavar="function", help="such as view; all when none is named")
    parser.add_argument("--env", default="build/local.env", metavar="file", help="what describes the deployment (%(default)s)")
    parser.add_argument("--since", type=int, default=60, metavar="seconds", help="begin with what is so old (%(default)s)")
    options = parser.parse_args()
    try:
        deployed = Deployed(options.env)
        names = options.functions or sorted(deployed.functions)
        if not names:
            raise Failure("%s names no function, such as VIEW_FUNCTION=user-api-key-view." % deployed.path)
        for name in names:
            deployed.function(name)
        run_in_environment(deployed)
        follow(deployed, names, options.since, sys.stdout)
    except Failure as failure:
        print(failure, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0  # followed until told to end, which is all that was asked
    except BrokenPipeError:
        # Whoever read this has seen enough; the flush at exit must not fail.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


if __name__ == "__main__":
    sys.exit(main())
