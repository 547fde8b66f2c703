"""Runs MiniStack with two of its waits shortened; its environment has MiniStack's settings.

Both waits are on the path of every request to a function: a delayed
acknowledgement on the connection between runtime and function (40 ms, gone
without Nagle's algorithm), and the time it waits for log lines after an
answer (50 ms when there is none). Without them a request takes 5 ms, not 100.
Lines that come later are kept and reported with the next request.
"""

import inspect
import socketserver
import sys

from ministack import app
from ministack.core import lambda_runtime

# What _drain_stderr_bounded of the pinned version takes after self, in order,
# and the values it is given here, in seconds.
LOG_WAITS = {"first_line_wait": 0.002, "idle_confirm": 0.001, "hard_cap": 0.050}


def shorten_waits():
    drain = lambda_runtime.Worker._drain_stderr_bounded
    if list(inspect.signature(drain).parameters) != ["self", *LOG_WAITS]:
        raise AttributeError("Worker._drain_stderr_bounded takes other parameters")
    drain.__defaults__ = tuple(LOG_WAITS.values())
    if not hasattr(socketserver.StreamRequestHandler, "disable_nagle_algorithm"):
        raise AttributeError("StreamRequestHandler has no disable_nagle_algorithm")
    socketserver.StreamRequestHandler.disable_nagle_algorithm = True


if __name__ == "__main__":
    try:
        shorten_waits()
    except AttributeError as changed:
        sys.exit(
            "This MiniStack is not built as ministack_launcher.py expects (%s); "
            "use the version in requirements.txt or adapt the launcher." % changed
        )
    # MiniStack reads the command line, which has only this launcher's own marks.
    sys.argv = ["ministack"]
    app.main()
