"""Starts and stops the two servers of a stack: MiniStack and the issuer of tokens."""

import os
import random
import socket
import time
import urllib.error
import urllib.request

import processes
from console import Failure, step, tail

REGION = "us-east-1"
# MiniStack takes this key for its administrator (root), whatever the secret;
# functions get keys of their role's session.
ADMINISTRATOR_KEY = "test"
ADMINISTRATOR_SECRET = "test"

HEALTHY_WITHIN_SECONDS = 60

# Below the ports that systems give to outgoing connections (32768 and up on
# Linux), which could take one between the search and the start.
SEARCHED_PORTS = range(15000, 32000)

# Requests to this machine go there straight, whatever proxy is configured.
direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def gateway_url(port):
    return "http://127.0.0.1:%d" % port


def issuer_url(port):
    return "http://127.0.0.1:%d" % (port + 1)


def check_ports(port):
    """Refuses a port, or the one after it, that something already listens on."""
    for number in (port, port + 1):
        if not is_free(number):
            raise Failure(
                "Port %d is already in use; choose another pair of ports with PORT=, "
                "for example PORT=%d (MiniStack gets that one, the issuer the next)." % (number, port + 100)
            )


def find_ports():
    """A free port whose successor is free as well."""
    for port in random.sample(SEARCHED_PORTS, 200):
        if is_free(port) and is_free(port + 1):
            return port
    raise Failure("No two free ports next to each other were found.")


def is_free(port):
    with socket.socket() as probe:
        # On macOS an address can be bound that another listens on through all interfaces.
        probe.settimeout(1)
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            return False
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def start_ministack(folder, port, python, launcher):
    state, buckets, temporary, home = folder.make("state", "buckets", "tmp", "home")
    # Nothing but this: functions inherit it, and on AWS they would not see
    # the settings of the person who starts them either.
    env = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": home,
        "TMPDIR": temporary,
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_REGION": REGION,
        "AWS_ENDPOINT_URL": gateway_url(port),
        "AWS_ACCESS_KEY_ID": ADMINISTRATOR_KEY,
        "AWS_SECRET_ACCESS_KEY": ADMINISTRATOR_SECRET,
        "AUTH": "true",  # each function may do what its role allows, and no more
        "LAMBDA_EXECUTOR": "local",
        "IOT_MTLS_ENABLED": "0",  # else it listens on every interface
        "STATE_DIR": state,
        "S3_DATA_DIR": buckets,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
    }
    # The folder is an argument only to tell this process from other stacks'.
    command = [python, launcher, "--stack", folder.path]
    return processes.start(command, env, folder.file("ministack.log"))


def start_issuer(folder, port, binary):
    if not os.access(binary, os.X_OK):
        raise Failure("%s is missing; build it with `make build-local`." % binary)
    command = [binary, "-listen", "127.0.0.1:%d" % (port + 1)]
    return processes.start(command, {"PATH": os.environ.get("PATH", os.defpath)}, folder.file("issuer.log"))


def wait_for(child, name, url, log):
    """Waits until a server answers, or says why it does not."""
    with step("Starting %s" % name):
        deadline = time.monotonic() + HEALTHY_WITHIN_SECONDS
        while not _answers(url):
            ended = child.poll() is not None
            if ended or time.monotonic() >= deadline:
                why = "ended by itself" if ended else "did not answer within %d s" % HEALTHY_WITHIN_SECONDS
                raise Failure("%s %s. The end of its log:\n%s" % (name, why, tail(log)))
            time.sleep(0.05)


def _answers(url):
    try:
        with direct.open(url, timeout=2) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError, ValueError):
        return False
