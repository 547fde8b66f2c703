"""What the commands of the local stack tell the person who runs them."""

import contextlib
import os
import sys
import time


class Failure(Exception):
    """Something the person can understand and act on; printed without a traceback."""


def say(text=""):
    """Prints a line and goes on when nobody can read it any more.

    A closed terminal must not keep a command from cleaning up.
    """
    write(text + "\n")


def write(text):
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError:
        # From here on, output goes nowhere; the interpreter's own flush at
        # exit must not fail either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextlib.contextmanager
def step(text):
    """One line for one step: its name when it starts, its seconds when it is done."""
    started = time.monotonic()
    write("  %-58s " % (text + " ..."))
    try:
        yield
    except Exception:
        say("failed")
        raise
    except BaseException:
        say("stopped")
        raise
    say("%5.1f s" % (time.monotonic() - started))


def tail(path, lines=25):
    """The last lines of a log, indented, for a message about what failed."""
    try:
        with open(path, errors="replace") as log:
            last = log.read().splitlines()[-lines:]
    except FileNotFoundError:
        last = []
    return "\n".join("    " + line for line in last) or "    (the log is empty)"
