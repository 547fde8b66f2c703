"""DynamoDB Local, the engine that Amazon makes for tests: fetched once, and started around a command.

  python3 localstack/dynamodb_local.py check              fetches it; status 3 and a reason when it cannot run here
  python3 localstack/dynamodb_local.py run COMMAND...     runs the command with DYNAMODB_LOCAL, the engine's address
"""

import contextlib
import fcntl
import hashlib
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error

import servers
from console import tail

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SOURCES = os.path.join(ROOT, "localstack", "dynamodblocal")
FOLDER = os.path.join(ROOT, ".venv", "dynamodb-local")
LOG = os.path.join(ROOT, "build", "dynamodb-local.log")

LOWEST_JAVA = 17
# It brings the native library that it needs for these only.
MACHINES = (("Linux", "x86_64"), ("Darwin", "x86_64"))
# Tests come in short bursts: a compiler that soon has something to show, and a
# collector without threads of its own, leave the processor to them.
OPTIONS = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx1g"]
HEALTHY_WITHIN_SECONDS = 60
CANNOT_RUN = 3


class CannotRun(Exception):
    """Something that this machine lacks; what it says is a line for the person."""


class Damaged(Exception):
    """What was fetched is not what was pinned."""


def main(arguments):
    try:
        if arguments == ["check"]:
            ensure()
            return 0
        if len(arguments) > 1 and arguments[0] == "run":
            return run(ensure(), arguments[1:])
    except CannotRun as missing:
        print(missing)
        return CANNOT_RUN
    except Damaged as damaged:
        print(damaged)
        return 1
    print(__doc__, file=sys.stderr)
    return 2


# -- Fetching -----------------------------------------------------------------

def ensure(folder=FOLDER):
    """Fetches the engine if it is missing or out of date; answers the Java to run it with."""
    java = find_java()
    machine = (platform.system(), platform.machine())
    if machine not in MACHINES:
        raise CannotRun("DynamoDB Local brings no native library for %s on %s" % machine)
    os.makedirs(folder, exist_ok=True)
    with open(folder + ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        pinned = pins()
        try:
            verify(folder, pinned)
        except Damaged:
            fetch(folder)
            verify(folder, pinned)
    return java


def find_java():
    home = os.environ.get("JAVA_HOME")
    java = os.path.join(home, "bin", "java") if home else shutil.which("java")
    if not java or not os.access(java, os.X_OK):
        raise CannotRun("there is no Java; DynamoDB Local needs a JDK %d or newer" % LOWEST_JAVA)
    # It is started from source, for which a runtime without a compiler is too little.
    told = subprocess.run([java, "--list-modules"], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
    version = re.search(r"^jdk\.compiler@(\d+)", told, re.MULTILINE)
    if version is None or int(version[1]) < LOWEST_JAVA:
        raise CannotRun("%s is no JDK %d or newer, which DynamoDB Local needs" % (java, LOWEST_JAVA))
    return java


def fetch(folder):
    maven = shutil.which("mvn")
    if maven is None:
        raise CannotRun("there is no Maven (mvn) to fetch DynamoDB Local with")
    print("Fetching DynamoDB Local into %s (once)" % os.path.relpath(folder, ROOT), file=sys.stderr, flush=True)
    shutil.rmtree(folder)
    done = subprocess.run(
        [maven, "--quiet", "--batch-mode", "--file", os.path.join(SOURCES, "pom.xml"), "dependency:copy-dependencies",
         "-DincludeScope=runtime", "-DoutputDirectory=" + folder],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    if done.returncode != 0:
        print(done.stdout, file=sys.stderr)
        raise CannotRun("Maven could not fetch DynamoDB Local (what it says is above)")


def pins():
    """The digest of every file, by its name."""
    with open(os.path.join(SOURCES, "checksums.txt"), encoding="utf-8") as file:
        return {name: digest for digest, name in (line.split() for line in file)}


def verify(folder, pinned):
    """Refuses a folder with another file in it, without one of them, or with one that is not as it was."""
    found = {}
    for name in os.listdir(folder) if os.path.isdir(folder) else []:
        with open(os.path.join(folder, name), "rb") as file:
            found[name] = hashlib.file_digest(file, "sha256").hexdigest()
    wrong = sorted(name for name in found.keys() | pinned.keys() if found.get(name) != pinned.get(name))
    if wrong:
        raise Damaged("%s is not what localstack/dynamodblocal/checksums.txt pins: %s" % (folder, ", ".join(wrong)))


# -- Running ------------------------------------------------------------------

def run(java, command):
    """Runs the command beside an engine, in one process group, so that who ends that ends both."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    port = servers.find_ports()
    url = "http://127.0.0.1:%d" % port
    os.makedirs(os.path.dirname(LOG), exist_ok=True)
    with open(LOG, "wb") as log, started(
            [java, *OPTIONS, "-Djava.library.path=" + FOLDER, "-cp", os.path.join(FOLDER, "*"),
             os.path.join(SOURCES, "Loopback.java"), "-inMemory", "-disableTelemetry", "-port", str(port)],
            stdout=log, stderr=subprocess.STDOUT) as engine:
        if not is_healthy(engine, url):
            print("DynamoDB Local did not start. The end of its log:\n%s" % tail(LOG))
            return 1
        with started(command, env={**os.environ, "DYNAMODB_LOCAL": url}) as child:
            return child.wait()


@contextlib.contextmanager
def started(command, **options):
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, **options)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def is_healthy(engine, url):
    deadline = time.monotonic() + HEALTHY_WITHIN_SECONDS
    while engine.poll() is None and time.monotonic() < deadline:
        try:
            servers.direct.open(url, timeout=2).close()
        except urllib.error.HTTPError:
            return True  # it refuses a request that is not signed
        except OSError:
            time.sleep(0.05)
    return False


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
