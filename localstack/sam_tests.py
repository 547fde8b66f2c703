"""What `make sam-local-test` runs through SAM local: the walk-through, the events, the end-to-end suite."""

import os
import re
import subprocess
import sys

import processes
import sam_events
from console import Failure, say

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tools"))

from test_events import Part  # noqa: E402  (the tools have no package)

# Tests of the end-to-end suite, by their whole names, that ask for what SAM local
# or LocalStack has not.
LEFT_OUT = {
    "TestRolesAreEnforced": "neither of them enforces roles",
    "TestFunctionsAreSmall": "SAM local does not tell how a function is configured",
    "TestTheAPIAnswersInTimeWhateverBecomesOf.*": "SAM local does not let a function be configured while it serves",
    "TestWhatCouldNotBeAnnouncedIsRedrivenOnce": "`make redrive` asks Lambda for the relay's queue, and SAM local does not tell",
    "TestTheClockComesRoundByItselfAndRotatesWhatIsDue": "SAM local has no schedules; the walk-through invokes the sweep",
    "TestNoCredentialIsToldByTheDeployedFunctions": "SAM local keeps no logs in CloudWatch",
    "TestProtectedAPI.*": "SAM local serves one template",
    "(?!TestZeroStale).*OnTheEmulator.*": "they are about MiniStack, or do not go through SAM local",
}
# The same of cases.
CASES_LEFT_OUT = {
    "TestBadBodiesChangeNothing/invalid_UTF-8.*": "SAM local answers it itself, with 502",
}
# By itself at the end: its rings have secrets that never were, for which the relay
# waits some minutes, and all notices of later changes wait behind them.
LAST = "TestStoreOnTheDeployedTable"
SUITE = "./localstack/e2e/..."


def run(local, settings):
    """The exit status: 0 when all of it passed."""
    failed = []
    say("\n== walk-through: relay and sweep by invocation")
    if walk_through(local) != 0:
        failed.append("the walk-through")
    local.watch()
    say("\n== sam local invoke, each event of events/")
    failed += sam_events.run(local, settings)
    local.watch()
    say("\n== end-to-end suite")
    if not end_to_end(local):
        failed.append("the end-to-end suite")
    say("\nFailed: %s" % ", ".join(failed) if failed else "\nAll of it passed.")
    return 1 if failed else 0


def walk_through(local):
    """Shown only when it fails: `make run` is there to be read."""
    done = subprocess.run([os.path.join(ROOT, "build", "walkthrough"), "-env", local.options.env_file],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    lines = done.stdout.strip().splitlines()
    say("\n".join(lines if done.returncode else lines[-1:]))
    return done.returncode


def end_to_end(local):
    go = os.environ.get("GO", "go")
    env = {**os.environ, "LOCAL_ENV": local.options.env_file}
    listing = subprocess.run([go, "test", "-list", "^Test", SUITE], cwd=ROOT, env=env, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, text=True)
    if listing.returncode != 0:
        raise Failure("The suite does not build:\n%s" % listing.stdout)
    listed = listing.stdout.split()
    for name, reason in {**LEFT_OUT, **CASES_LEFT_OUT}.items():
        say("Left out, for %s: %s" % (reason, ", ".join(fitting(name, listed)) if name in LEFT_OUT else name))
    part = Part("end to end")
    for run in (wanted(listed), "^%s$" % LAST):
        go_test(local, part, go, env, ["-count=1", "-timeout=30m", "-shuffle=on", "-run=" + run, "-skip=" + skipped(), SUITE])
    return not part.failed


def go_test(local, part, go, env, arguments):
    tests = subprocess.Popen([go, "test", "-json", *arguments], cwd=ROOT, env=env, text=True, errors="replace",
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True)
    record = processes.record(tests.pid)
    try:
        for line in tests.stdout:
            part.take(line)
        part.end(tests.wait())
    finally:
        processes.stop(record, local.folder.path)


def fitting(pattern, listed):
    """The tests that a pattern of LEFT_OUT means; one that means none is out of date."""
    names = [name for name in listed if name.startswith("Test") and re.fullmatch(pattern, name)]
    if not names:
        raise Failure("The suite has no %s to leave out; put localstack/sam_tests.py right." % pattern)
    return names


def wanted(listed):
    """The pattern of go test for all others."""
    left_out = {LAST} | {name for pattern in LEFT_OUT for name in fitting(pattern, listed)}
    return "^(%s)$" % "|".join(name for name in listed if name.startswith("Test") and name not in left_out)


def skipped():
    """The one for cases: alternatives, each with a part for each part of a name."""
    return "|".join("/".join("^%s$" % part for part in name.split("/")) for name in CASES_LEFT_OUT)
