"""Runs every test: of each module named on the command line, then on DynamoDB Local, then end to end on a local
stack of its own.

  python3 tools/run_tests.py MODULE...
  python3 tools/run_tests.py --prove     the long form of the proofs instead, without the race detector

Failures are shown when they happen, and everything is counted at the end.
"""

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.append(os.path.join(ROOT, "localstack"))

import ending  # noqa: E402  (the local stack's scripts have no package)
from test_events import Part  # noqa: E402

GO = os.environ.get("GO", "go")
STACK = ["--dir", "build/test-stack"]
ENV_FILE = os.path.abspath("build/test.env")
E2E = "./localstack/e2e/..."
PROOF = "./proof"
DYNAMODB_LOCAL = [sys.executable, "-B", "localstack/dynamodb_local.py"]
CANNOT_RUN = 3  # its status when this machine lacks something
# A test waits for the clock to come round by itself.
QUICK_CLOCK = ["--parameter", "SweepSchedule=rate(1 minute)"]
GRACE_SECONDS = 5


def main(modules):
    ending.listen()
    # A stack that somebody else started is not the one to test.
    env = {name: value for name, value in os.environ.items() if name != "LOCAL_ENV"}
    parts = []
    try:
        if modules == ["--prove"]:
            prove(parts, {**env, "PROOF": "full"})
        else:
            test(parts, modules, env)
    except ending.Stopped as stopped:
        print("Stopped; what has run until now:")
        return 128 + stopped.args[0]
    finally:
        summarize(parts)
    return 1 if any(part.failed for part in parts) else 0


def test(parts, modules, env):
    flags = [*race_flag(env), "-shuffle=on", "-timeout=15m"]
    for module in modules:
        parts.append(Part("unit" if module == "." else "unit, " + module))
        run_tests(parts[-1], module, [*flags, *packages_of(module, env)], env)
    # Thousands of cases of what the others run with the race detector, which
    # would make them four times as long.
    parts.append(Part("proofs"))
    run_tests(parts[-1], ".", ["-shuffle=on", "-timeout=15m", PROOF], env)
    # The race detector has seen the same code by then, and takes longer than the engine.
    run_on_dynamodb_local(parts, ["-shuffle=on", "-timeout=15m"], env)
    run_on_stack(parts, "end to end", flags, env)


def packages_of(module, env):
    """All packages of the module but the proofs."""
    listed = subprocess.run([GO, "list", "-f", "{{.Dir}}", "./..."], cwd=module, env=env, stdout=subprocess.PIPE, text=True, check=True)
    root, proofs = os.path.abspath(module), os.path.abspath(PROOF)
    return ["./" + os.path.relpath(folder, root) for folder in listed.stdout.splitlines() if folder != proofs]


def prove(parts, env):
    # These have one form only, which is part of the tests.
    flags = ["-shuffle=on", "-timeout=30m", "-skip=FaultMatrix|Deaths"]
    parts.append(Part("proofs"))
    run_tests(parts[-1], ".", [*flags, "-count=1", PROOF, "./functions/sweep"], env)
    run_on_stack(parts, "proofs on the stack", [*flags, "-run=OnTheEmulator"], env)


def run_on_dynamodb_local(parts, flags, env):
    """Skipped where it cannot run, unless the environment demands every test (.ci/run does)."""
    part = Part("on DynamoDB Local")
    parts.append(part)
    check = subprocess.run([*DYNAMODB_LOCAL, "check"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    why = check.stdout.strip()
    if check.returncode == 0:
        run_tests(part, ".", [*flags, "-count=1", "./localstack/dynamodblocal"], env, [*DYNAMODB_LOCAL, "run"])
    elif check.returncode == CANNOT_RUN and env.get("EVERY_TEST") != "1":
        part.skip("not run: " + why)
    else:
        part.fail("cannot run: " + why)


def run_on_stack(parts, name, flags, env):
    parts.append(Part(name))
    with local_stack(parts[-1]) as settings:
        if settings is not None:
            # Tests that run side by side wait for the stack most of the time, not for a processor.
            run_tests(parts[-1], ".", [*flags, "-count=1", "-parallel=64", E2E], {**env, **settings})


def race_flag(env):
    """The race detector needs a C compiler, which nothing else here does."""
    probe = subprocess.run([GO, "build", "-race", "runtime/cgo"], env=env,
                           stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if probe.returncode == 0:
        return ["-race"]
    print("The race detector is off: it needs a C compiler (%s)." % probe.stderr.strip().splitlines()[-1], flush=True)
    return []


def run_tests(part, module, arguments, env, wrapper=()):
    print("\n== %s: go test %s" % (part.name, " ".join(arguments)), flush=True)
    began = time.monotonic()
    # In a group of its own, which can be ended whole.
    tests = subprocess.Popen([*wrapper, GO, "test", "-json", *arguments], cwd=module, env=env, text=True, errors="replace",
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True)
    try:
        for line in tests.stdout:
            part.take(line)
        part.end(tests.wait())
    finally:
        end_group(tests)
        part.seconds += time.monotonic() - began


def end_group(process):
    # After an interrupt the go command removes its temporary files.
    for number in (signal.SIGINT, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_SECONDS)


# -- The local stack ----------------------------------------------------------

@contextlib.contextmanager
def local_stack(part):
    """A stack for these tests only; answers the variables that lead to it, or None when it does not start."""
    os.makedirs("build", exist_ok=True)
    began = time.monotonic()
    with open("build/test.lock", "w") as lock:
        print("\n== %s: starting a local stack" % part.name, flush=True)
        take_turn(lock)
        stack("down", stdout=subprocess.DEVNULL)  # of a run that was killed
        try:
            up = stack("up", "--port", "0", "--env-file", ENV_FILE, "--protected-api", *QUICK_CLOCK)
            part.seconds += time.monotonic() - began
            if up == 0:
                yield settings()
            else:
                part.fail("the local stack did not start")
                yield None
        finally:
            ending.ignore_signals()
            if stack("down", stdout=subprocess.DEVNULL) != 0:
                part.fail("the local stack did not stop")


def take_turn(lock):
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("Waiting for another run of these tests in this checkout.", flush=True)
        fcntl.flock(lock, fcntl.LOCK_EX)


def stack(command, *arguments, **options):
    """Runs a command of the stack to its end; one that is to stop gets the time to clean up."""
    process = subprocess.Popen([sys.executable, "localstack/stack.py", command, *STACK, *arguments],
                               stdin=subprocess.DEVNULL, start_new_session=True, **options)
    try:
        return process.wait()
    except ending.Stopped:
        process.terminate()
        process.wait()
        raise


def settings():
    with open(ENV_FILE, encoding="utf-8") as file:
        pairs = dict(line.rstrip("\n").split("=", 1) for line in file if "=" in line)
    return {**pairs, "LOCAL_ENV": ENV_FILE}


# -- The end ------------------------------------------------------------------

def summarize(parts):
    skipped = [line for part in parts for line in part.skip_reasons]
    failed = [line for part in parts for line in part.failures]
    for title, lines in (("Skipped", skipped), ("Failed", failed)):
        if lines:
            print("\n%s:\n  %s" % (title, "\n  ".join(lines)))
    width = max([len(part.name) for part in parts], default=0)
    print("\n%-*s  passed  failed  skipped  seconds" % (width, ""))
    for part in parts:
        print("%-*s  %6d  %6d  %7d  %7.1f" % (width, part.name, part.passed, part.failed, part.skipped, part.seconds))
    print("%d passed, %d failed, %d skipped" % tuple(
        sum(getattr(part, name) for part in parts) for name in ("passed", "failed", "skipped")), flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
