"""Sends an API on a local stack of its own what the contract allows and what it does not, and checks every answer.

  python3 tools/fuzz_api.py [SEED]
"""

import contextlib
import os
import re
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True

import run_tests
from run_tests import ROOT, ending
from test_events import Part

FOLDER = os.path.join(ROOT, "infra", "fuzz")
CONTRACT = os.path.join(ROOT, "infra", "openapi.yaml")


def main(seed):
    ending.listen()
    part = Part("contract")
    try:
        with run_tests.local_stack(part) as settings:
            if settings is None:
                return 1
            status = fuzz({**os.environ, **settings}, seed)
    except ending.Stopped as stopped:
        return 128 + stopped.args[0]
    return status or part.failed


def fuzz(env, seed):
    # Hypothesis writes beside it whatever it likes.
    place = os.path.join(ROOT, "build", "fuzz-api")
    shutil.rmtree(place, ignore_errors=True)
    os.makedirs(place)
    env = {name: value for name, value in env.items() if not name.lower().endswith("_proxy")}
    env.update(FUZZ_PEOPLE=os.path.join(place, "people.json"), FUZZ_REACHED=os.path.join(place, "reached"),
               PYTHONPATH=FOLDER, PYTHONDONTWRITEBYTECODE="1")
    subprocess.run([sys.executable, os.path.join(FOLDER, "people.py"), env["FUZZ_PEOPLE"]], env=env, check=True)
    seeds = ["--seed", seed] if seed else []
    status = schemathesis(env, place, seeds)
    # Hypothesis ends the walks early when the same requests get other answers
    # than before, as they do while an index lags: others may get further.
    if status == 0 and unreached(env):
        status = schemathesis(env, place, ["--phases", "stateful", "--seed", "2"])
    if missing := unreached(env):
        print("FAIL  no walk along the contract's links has been answered with success by " + ", ".join(missing))
        return status or 1
    return status


def schemathesis(env, place, options):
    command = [os.path.join(ROOT, ".venv", "schemathesis", "bin", "schemathesis"),
               "--config-file", os.path.join(FOLDER, "schemathesis.toml"),
               "run", CONTRACT, "--url", env["API_URL"], "--checks", "all", *options]
    process = subprocess.Popen(command, cwd=place, env=env, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        return process.wait()
    finally:
        run_tests.end_group(process)


def unreached(env):
    """The contract's operations that no walk has been answered by with success."""
    with open(CONTRACT, encoding="utf-8") as file:
        # A link has the same field, deeper.
        operations = re.findall(r"^ {6}operationId: (\w+)$", file.read(), re.MULTILINE)
    reached = set()
    with contextlib.suppress(FileNotFoundError), open(env["FUZZ_REACHED"], encoding="utf-8") as file:
        reached.update(file.read().split())
    return [operation for operation in operations if operation not in reached]


if __name__ == "__main__":
    sys.exit(main(*(sys.argv[1:] or [""])))
