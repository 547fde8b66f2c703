"""Processes that outlive the command that started them, found again by more than their number.

A process number is given again to strangers, so a record of a process also
holds the instant it was started, which only the same process can answer with.
Every server leads a process group of its own; what it starts (the workers of
the functions) is in that group and is stopped with it.
"""

import os
import signal
import subprocess
import time

# How long a server may take to end by itself before it is killed.
GRACE_SECONDS = 3.0

# Linux has it; elsewhere (macOS) the ps command is asked.
HAS_PROC = os.path.isdir("/proc/self")


def start(arguments, env, log_path):
    """Starts a server in a session of its own, so that Ctrl-C does not reach it."""
    with open(log_path, "wb") as log:
        return subprocess.Popen(
            arguments,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def record(pid):
    """What is_running and stop need to know a process again."""
    return {"pid": pid, "started": _started(pid)}


def is_running(process):
    return process["started"] is not None and _started(process["pid"]) == process["started"]


def stop(process, folder, grace=GRACE_SECONDS):
    """Ends a server and everything in its group.

    When the server is gone, what is left in its group is ours if its command
    line names the stack's folder; anything else is left alone.
    """
    group = process["pid"]
    if not is_running(process) and not _workers_of(group, folder):
        return
    for number, seconds in ((signal.SIGTERM, grace), (signal.SIGKILL, GRACE_SECONDS)):
        try:
            os.killpg(group, number)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            _reap(group)
            if not _members(group):
                return
            time.sleep(0.02)


def _workers_of(group, folder):
    return any(os.path.realpath(folder) in command for command in _members(group))


def _reap(pid):
    """Lets go of a child that has ended; without this it stays listed for ever."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        pass  # started by another command


def _started(pid):
    """The instant a process was started, in the system's own words; None when it has ended."""
    if HAS_PROC:
        state = _proc_stat(pid)
        # Ticks since boot, so the boot belongs to it.
        return None if state is None else "%s/%s" % (_boot_id(), state[19])
    answer = _ps("-o", "stat=", "-o", "lstart=", "-p", str(pid))
    if not answer or answer[0].startswith("Z"):
        return None
    return answer[0].split(None, 1)[1].strip()


def _members(group):
    """The command lines of the processes in a group that have not ended."""
    commands = []
    if HAS_PROC:
        for pid in filter(str.isdigit, os.listdir("/proc")):
            state = _proc_stat(pid)
            if state is not None and state[2] == str(group):
                commands.append(_proc_command(pid))
        return commands
    for line in _ps("-A", "-ww", "-o", "pgid=", "-o", "stat=", "-o", "command="):
        pgid, state, command = (line.split(None, 2) + [""])[:3]
        if pgid == str(group) and not state.startswith("Z"):
            commands.append(command)
    return commands


def _proc_stat(pid):
    """The fields of /proc/<pid>/stat from the third (state) on; None when the process has ended."""
    try:
        with open("/proc/%s/stat" % pid, errors="replace") as stat:
            # The second field is the program's name in brackets and may hold anything.
            fields = stat.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if not fields or fields[0] in "ZX" else fields


def _proc_command(pid):
    try:
        with open("/proc/%s/cmdline" % pid, errors="replace") as command:
            return command.read().replace("\0", " ")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _boot_id():
    with open("/proc/sys/kernel/random/boot_id") as boot:
        return boot.read().strip()


def _ps(*options):
    """The lines that ps prints, with dates in one spelling."""
    answer = subprocess.run(
        ["ps", *options],
        env={**os.environ, "LC_ALL": "C", "TZ": "UTC"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    return [line.strip() for line in answer.stdout.splitlines() if line.strip()]
