"""Says what is missing for SAM local with LocalStack, before anything is built.

  python3 localstack/sam_prerequisites.py --port PORT --localstack-port PORT
      [--endpoint URL [--endpoint-in-container URL]] [--sam PROGRAM]
"""

import argparse
import os
import shutil
import subprocess
import sys
import urllib.parse

sys.dont_write_bytecode = True

import python_environment
import servers
from console import Failure
from stack_folder import StackFolder

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DEFAULT_DIR = os.path.join(ROOT, "build", "sam-local")

WITHOUT_DOCKER = "Without Docker, `make run` and `make test` use MiniStack, which is one process."
ANSWER_SECONDS = 30
LOOPBACK = ("localhost", "127.0.0.1", "::1")


def check(endpoint, inner_endpoint, sam):
    """endpoint is that of a LocalStack which runs already; without one Docker has to start it."""
    python_environment.check()
    if shutil.which("docker") is None:
        raise Failure("Docker is missing: SAM CLI runs every function in a container. Install it from "
                      "https://docs.docker.com/get-docker. %s" % WITHOUT_DOCKER)
    refusal = _refusal("docker", "ps", "--quiet")
    if refusal is not None:
        raise Failure("Docker's engine does not answer (%s). Start it, or set DOCKER_HOST to one that runs. %s" % (
            refusal, WITHOUT_DOCKER))
    if not endpoint and _refusal("docker", "compose", "version") is not None:
        raise Failure("Docker has no `compose`, which starts LocalStack (https://docs.docker.com/compose/install). "
                      "Or start LocalStack yourself and name it with LOCALSTACK_ENDPOINT=.")
    for variable, address in (("LOCALSTACK_ENDPOINT", endpoint), ("LOCALSTACK_ENDPOINT_IN_CONTAINER", inner_endpoint)):
        if address and not _is_address(address):
            raise Failure("%s is %r, and not http://HOST:PORT." % (variable, address))
    if endpoint and not inner_endpoint and urllib.parse.urlsplit(endpoint).hostname in LOOPBACK:
        raise Failure("%s is on this machine's loopback, and containers have one of their own. Give its address for them "
                      "with LOCALSTACK_ENDPOINT_IN_CONTAINER= (with Docker Desktop host.docker.internal, else that of "
                      "Docker's bridge)." % endpoint)
    if sam and shutil.which(sam) is None:
        raise Failure("SAM CLI is missing: %s is no program. Without SAM= it is installed into .venv/sam." % sam)


def check_ports(port, localstack_port):
    """localstack_port is that of the LocalStack which is to be started, or None when one runs already."""
    for number in ports(port):
        if not servers.is_free(number):
            raise Failure("Port %d is already in use; choose three others with SAM_PORT=, for example SAM_PORT=%d." % (
                number, port + 100))
    if localstack_port is not None and not servers.is_free(localstack_port):
        raise Failure("Port %d is already in use, perhaps by `make run`; choose another for LocalStack with LOCALSTACK_PORT=. "
                      "Or name a LocalStack that runs there with LOCALSTACK_ENDPOINT=." % localstack_port)


def ports(port):
    """The API's, the issuer's, and that of functions invoked directly."""
    return port, port + 1, port + 2


def _is_address(text):
    try:
        url = urllib.parse.urlsplit(text)
        return url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        return False


def _refusal(*command):
    """Why a command does not work, or None when it does."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, errors="replace", timeout=ANSWER_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode == 0:
        return None
    said = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    return said[-1] if said else "status %d" % done.returncode


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--endpoint", default="")
    parser.add_argument("--endpoint-in-container", default="")
    parser.add_argument("--sam", default="")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--localstack-port", type=int, required=True)
    options = parser.parse_args()
    try:
        check(options.endpoint, options.endpoint_in_container, options.sam)
        # What a killed command left on them is stopped first, and then they are checked again.
        if StackFolder(DEFAULT_DIR).read() is None:
            check_ports(options.port, None if options.endpoint else options.localstack_port)
    except Failure as failure:
        sys.exit(str(failure))


if __name__ == "__main__":
    main()
