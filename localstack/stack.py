"""The local stack: MiniStack, an issuer of tokens, and the service deployed to it.

  up     starts it in the background, or deploys to it again when it is up
  down   stops it and removes what it left
  run    starts it, walks through the service's main job, serves until Ctrl-C
  check  says what would keep it from starting, before anything is built
"""

import sys

# The checkout stays as it is, without __pycache__.
sys.dont_write_bytecode = True

import argparse
import os
import signal
import subprocess
import time

import ending
import processes
import python_environment
import servers
from console import Failure, say, tail
from stack_folder import StackFolder

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, "build")
DEFAULT_DIR = os.path.join(BUILD, "stack")

PATIENCE_SECONDS = 180


# -- Commands -------------------------------------------------------------------

def check(options):
    python_environment.check()
    # What a killed command left on them is stopped first, and then they are checked again.
    if options.port and StackFolder(options.dir).read() is None:
        servers.check_ports(options.port)


def up(options):
    folder = StackFolder(options.dir)
    take_turn(folder)
    try:
        record = running(folder)
        if record is not None and not python_environment.is_ready(ROOT):
            say("The Python packages have changed; starting the stack anew.")
            record = None
        if record is None:
            clear(folder)
            try:
                deploy(start(folder, options, "up"), options)
            except BaseException:
                ending.ignore_signals()
                clear(folder)
                raise
        else:
            if options.port not in (0, record["port"]):
                raise Failure("This stack is already up on port %d; stop it first (`make down`)." % record["port"])
            say("The stack is up; deploying to it again.")
            if options.env_file != record["env_file"]:
                remove_env(record)
                record["env_file"] = options.env_file
                folder.write(record)
            deploy(record, options)
        say("The API is at %s" % read_env(options.env_file)["API_URL"])
        say("Everything a client needs to know is in %s" % os.path.relpath(options.env_file))
    finally:
        folder.unlock()


def down(options):
    folder = StackFolder(options.dir)
    if not folder.exists():
        say("No local stack is running.")
        return
    deadline = time.monotonic() + PATIENCE_SECONDS
    asked = False
    while not folder.lock(patience=1):
        record = folder.read()
        if not asked and serves_in_foreground(record):
            say("Ending the `make run` that serves this stack (process %d)." % record["runner"]["pid"])
            os.kill(record["runner"]["pid"], signal.SIGTERM)
            asked = True
        if time.monotonic() >= deadline:
            raise Failure("Another command has been at work on this stack for %d s." % PATIENCE_SECONDS)
    try:
        clear(folder)
    finally:
        folder.unlock()
    say("The local stack is stopped and removed.")


def run(options):
    has_terminal = os.isatty(0)
    folder = StackFolder(options.dir)
    take_turn(folder)
    try:
        record = running(folder)
        if record is not None:
            raise Failure("This stack is already up on port %d; stop it first (`make down`)." % record["port"])
        try:
            clear(folder)
            record = start(folder, options, "run")
            deploy(record, options)
            status = walk_through(options)
            if options.once or status != 0:
                return status
            explain(record, options)
            try:
                serve(folder, record, has_terminal)
            except ending.Stopped:
                return 0  # served until it was told to end, which is all that was asked
        finally:
            ending.ignore_signals()
            say("\nStopping the local stack.")
            clear(folder)
    finally:
        folder.unlock()


# -- Steps ----------------------------------------------------------------------

def take_turn(folder):
    """Locks the folder, waiting for an up or down at work, but not for a run."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    told = False
    while not folder.lock(patience=1):
        record = folder.read()
        if serves_in_foreground(record):
            raise Failure("`make run` serves this stack in process %d; stop it first (`make down`)." % record["runner"]["pid"])
        if time.monotonic() >= deadline:
            raise Failure("Another command has been at work on this stack for %d s." % PATIENCE_SECONDS)
        if not told:
            say("Waiting for another command that is at work on this stack.")
            told = True


def serves_in_foreground(record):
    return record is not None and record["mode"] == "run" and processes.is_running(record["runner"])


def running(folder):
    """The record of the stack when both of its servers run and somebody looks after them."""
    record = folder.read()
    if record is None or len(record["processes"]) < 2:
        return None
    if record["mode"] == "run" and not processes.is_running(record["runner"]):
        return None
    return record if all(map(processes.is_running, record["processes"].values())) else None


def start(folder, options, mode):
    """Starts both servers; what was started is on record before it is waited for."""
    if options.port:
        servers.check_ports(options.port)
    python = python_environment.ensure(ROOT)
    attempts = 1 if options.port else 5
    while True:
        attempts -= 1
        port = options.port or servers.find_ports()
        try:
            return start_on(folder, options, mode, python, port)
        except Failure:
            # Another program may have taken the port that was free just now.
            if attempts == 0:
                raise
            clear(folder)


def start_on(folder, options, mode, python, port):
    record = {
        "mode": mode,
        "runner": processes.record(os.getpid()),
        "port": port,
        "env_file": options.env_file,
        "processes": {},
    }
    folder.write(record)
    launcher = os.path.join(ROOT, "localstack", "ministack_launcher.py")
    children = {}
    for name, launch in (
        ("ministack", lambda: servers.start_ministack(folder, port, python, launcher)),
        ("issuer", lambda: servers.start_issuer(folder, port, os.path.join(BUILD, "issuer"))),
    ):
        with ending.undisturbed():
            children[name] = launch()
            record["processes"][name] = processes.record(children[name].pid)
            folder.write(record)
    servers.wait_for(children["issuer"], "the issuer on %s" % servers.issuer_url(port),
                     servers.issuer_url(port) + "/.well-known/openid-configuration", folder.file("issuer.log"))
    servers.wait_for(children["ministack"], "MiniStack on %s" % servers.gateway_url(port),
                     servers.gateway_url(port) + "/_ministack/health", folder.file("ministack.log"))
    return record


def deploy(record, options):
    python = os.path.join(ROOT, ".venv", "ministack", "bin", "python")
    sample = ["--protected-api", os.path.join(ROOT, "infra", "protected-api.yaml")] if options.protected_api else []
    done = subprocess.run(
        [python, "-B", os.path.join(ROOT, "localstack", "deploy.py"),
         "--template", os.path.join(ROOT, "template.yaml"),
         "--code", os.path.join(BUILD, "local"),
         "--endpoint", servers.gateway_url(record["port"]),
         "--issuer", servers.issuer_url(record["port"]),
         "--env-file", options.env_file, *sample,
         *("--parameter=" + value for value in options.parameter)],
        env=python_environment.local_env(),
        stderr=subprocess.PIPE,
        text=True,
    )
    if done.returncode != 0:
        raise Failure(done.stderr.strip() or "The deployment ended with status %d." % done.returncode)


def walk_through(options):
    """Uses the service as a person and a job runner would; its exit status."""
    say()
    return subprocess.run(
        [os.path.join(BUILD, "walkthrough"), "-env", options.env_file, "-started-at", "%.3f" % options.started_at],
    ).returncode


def explain(record, options):
    env = read_env(options.env_file)
    say()
    say("The service is at  %s" % env["API_URL"])
    for role in ("Administrator", "JobRunner"):
        say()
        say("A token of the role %s, good for an hour (another: build/token -role %s):" % (role, role))
        say(token(record, role))
    say()
    say("In another terminal:")
    say("  set -a; . %s; set +a" % os.path.relpath(options.env_file))
    say('  curl -sS -H "Authorization: Bearer $(build/token)" "$API_URL/v1/user-api-keys"')
    say('  curl -sS -X POST -H "Authorization: Bearer $(build/token)" "$API_URL/v1/user-api-keys"')
    say('  curl -sS -X POST -H "Authorization: Bearer $(build/token -role JobRunner)" \\')
    say("       -H 'Content-Type: application/json' \"$API_URL/v1/job-authorizations\" \\")
    say("""       -d '{"jobId":"job-1","jobType":"model_training","trigger":"ad_hoc","credential":"cpdk_..."}'""")
    say()
    say("Ctrl-C ends it.")


def token(record, role):
    answer = subprocess.run(
        [os.path.join(BUILD, "token"), "-issuer", servers.issuer_url(record["port"]), "-role", role],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )
    if answer.returncode != 0:
        raise Failure(answer.stderr.strip())
    return answer.stdout.strip()


def serve(folder, record, has_terminal):
    """Waits for the end: a signal, a closed terminal, or a server that ends by itself."""
    # A terminal that closes tells only the first process in it, which may be a
    # make that does not pass it on.
    while os.isatty(0) == has_terminal:
        for name, process in record["processes"].items():
            if not processes.is_running(process):
                raise Failure("The %s ended by itself. The end of its log:\n%s" % (name, tail(folder.file(name + ".log"))))
        time.sleep(1)


def clear(folder):
    """Stops what the folder's record names, and removes all that the stack left."""
    record = folder.read()
    if record is not None:
        for process in record["processes"].values():
            processes.stop(process, folder.path)
        remove_env(record)
    folder.remove()


def remove_env(record):
    """Removes the stack's env file, unless another stack has written its own over it."""
    if read_env(record["env_file"]).get("AWS_ENDPOINT_URL") == servers.gateway_url(record["port"]):
        os.remove(record["env_file"])


def read_env(path):
    try:
        with open(path) as file:
            return dict(line.rstrip("\n").split("=", 1) for line in file if "=" in line)
    except FileNotFoundError:
        return {}


# -- Command line -----------------------------------------------------------------

def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for command in (up, down, run, check):
        sub = commands.add_parser(command.__name__)
        sub.set_defaults(action=command)
        sub.add_argument("--dir", default=DEFAULT_DIR, help="the stack's folder")
        if command is not down:
            sub.add_argument("--port", type=int, default=4566,
                             help="MiniStack's port, the issuer has the next; 0 looks for two free ones")
        if command in (up, run):
            sub.add_argument("--env-file",
                             help="where the stack's addresses and names go (default: build/local.env, or <dir>.env)")
            sub.add_argument("--protected-api", action="store_true",
                             help="deploy infra/protected-api.yaml too, the sample of an API that the service protects")
            sub.add_argument("--parameter", metavar="NAME=VALUE", action="append", default=[],
                             help="a value of a parameter of template.yaml, such as RotationMaxAgeDays=30; repeatable")
        if command is run:
            sub.add_argument("--once", action="store_true", help="end after the walk-through, with its status")
            sub.add_argument("--started-at", type=float, default=time.time(),
                             help="when the person started to wait, in Unix seconds")
    options = parser.parse_args(arguments)
    if "port" in options and options.port != 0 and not 1024 <= options.port <= 65534:
        parser.error("the port must be 0 or between 1024 and 65534")
    options.dir = os.path.abspath(options.dir)
    if "env_file" in options:
        # Stacks side by side must not overwrite each other's.
        default = os.path.join(BUILD, "local.env") if options.dir == DEFAULT_DIR else options.dir + ".env"
        options.env_file = os.path.abspath(options.env_file or default)
    return options


def main():
    options = parse(sys.argv[1:])
    ending.listen()
    try:
        return options.action(options) or 0
    except Failure as failure:
        sys.stdout.flush()
        print(failure, file=sys.stderr)
        return 1
    except ending.Stopped as stopped:
        return 128 + stopped.args[0]


if __name__ == "__main__":
    sys.exit(main())
