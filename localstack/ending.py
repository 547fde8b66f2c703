"""How a command ends that has something to clean up: once, whatever else arrives."""

import contextlib
import signal

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(BaseException):
    """The person, or the system, wants the command to end."""


def listen():
    """From here on, the first signal that ends the command is raised as Stopped."""
    for number in SIGNALS:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup
            signal.signal(number, stop)


def stop(number, _frame):
    # One is enough: what follows is cleaning up, which a second Ctrl-C must not break off.
    ignore_signals()
    raise Stopped(number)


@contextlib.contextmanager
def undisturbed():
    """Holds signals back until what is started is on record, and so will be stopped."""
    arrived = []
    handlers = {number: signal.signal(number, lambda each, _frame: arrived.append(each)) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    if arrived:
        stop(arrived[0], None)


def ignore_signals():
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
