"""Sends an API on a local stack of its own what the contract allows and what it does not, and checks every answer.

  python3 tools/fuzz_api.py [SEED]
"""

import os
import signal
import subprocess
import sys

sys.dont_write_bytecode = True

import run_tests
from test_events import Part

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FOLDER = os.path.join(ROOT, "infra", "fuzz")
# The person of the contract's examples, who may ask for everything.
CALLER = ["-iam-id", "IBMid-5500SAMPLE", "-account", "0123456789abcdef0123456789abcdef",
          "-username", "jane.doe@example.com", "-role", "Administrator,JobRunner"]


def main(seed):
    for number in run_tests.SIGNALS:
        signal.signal(number, run_tests.stop)
    part = Part("contract")
    try:
        with run_tests.local_stack(part) as settings:
            if settings is None:
                return 1
            status = fuzz({**os.environ, **settings}, seed)
    except run_tests.Stopped as stopped:
        return 128 + stopped.args[0]
    return status or part.failed


def fuzz(env, seed):
    token = subprocess.run([os.path.join(ROOT, "build", "token"), *CALLER], env=env, check=True,
                           stdout=subprocess.PIPE, text=True).stdout.strip()
    # Hypothesis writes beside it whatever it likes.
    place = os.path.join(ROOT, "build", "fuzz-api")
    os.makedirs(place, exist_ok=True)
    env = {name: value for name, value in env.items() if not name.lower().endswith("_proxy")}
    env.update(FUZZ_TOKEN=token, PYTHONPATH=FOLDER, PYTHONDONTWRITEBYTECODE="1")
    command = [os.path.join(ROOT, ".venv", "schemathesis", "bin", "schemathesis"),
               "--config-file", os.path.join(FOLDER, "schemathesis.toml"),
               "run", os.path.join(ROOT, "infra", "openapi.yaml"), "--url", env["API_URL"], "--checks", "all"]
    process = subprocess.Popen([*command, *(["--seed", seed] if seed else [])], cwd=place, env=env,
                               stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        return process.wait()
    finally:
        run_tests.end_group(process)


if __name__ == "__main__":
    sys.exit(main(*(sys.argv[1:] or [""])))
