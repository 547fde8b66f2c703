"""A stack's folder: its lock, and the record of what runs in it."""

import contextlib
import fcntl
import json
import os
import shutil
import time

from console import Failure

RECORD = "stack.json"


class StackFolder:
    """Everything one stack keeps on disk; removing it leaves nothing of the stack behind."""

    def __init__(self, path):
        self.path = os.path.abspath(path)
        self._lock_path = self.path + ".lock"
        self._record_path = os.path.join(self.path, RECORD)
        self._lock = None

    def file(self, name):
        return os.path.join(self.path, name)

    def exists(self):
        """Whether there may be something to stop or to remove."""
        return os.path.isdir(self.path) or os.path.exists(self._lock_path)

    def make(self, *folders):
        """Makes folders inside it, and answers their paths."""
        paths = [self.file(name) for name in folders]
        for path in paths:
            os.makedirs(path, exist_ok=True)
        return paths

    # -- One command at a time ------------------------------------------------

    def lock(self, patience):
        """Waits for its turn, at most that many seconds; answers whether it has come."""
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        deadline = time.monotonic() + patience
        while not self._try_lock():
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.1)
        return True

    def unlock(self):
        """Ends the turn. The lock's file stays only as long as there is a stack to guard."""
        if self._lock is None:
            return
        if not os.path.exists(self._record_path):
            os.remove(self._lock_path)
        self._lock.close()
        self._lock = None

    def _try_lock(self):
        file = open(self._lock_path, "a")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The holder before may have removed the file after it was opened
            # here; such a lock guards nothing.
            if os.path.samestat(os.fstat(file.fileno()), os.stat(self._lock_path)):
                self._lock = file
                return True
        except (BlockingIOError, FileNotFoundError):
            pass
        file.close()
        return False

    # -- What runs in it ------------------------------------------------------

    def read(self):
        """The record of the running stack, or None."""
        try:
            with open(self._record_path) as file:
                return json.load(file)
        except FileNotFoundError:
            return None
        except ValueError:
            raise Failure(
                "%s is not readable, so nothing is known of the processes it names; "
                "end them by hand and remove %s." % (self._record_path, self.path)
            )

    def write(self, record):
        """Replaces the record as one step, so that a reader never sees half of it."""
        os.makedirs(self.path, exist_ok=True)
        draft = self._record_path + ".new"
        with open(draft, "w") as file:
            json.dump(record, file, indent=2)
        os.replace(draft, self._record_path)

    def remove(self):
        """Removes the folder, the record last: without it, it is nobody's to remove."""
        if not os.path.isdir(self.path):
            return
        # A process of the stack that is just ending may still write into it.
        for _ in range(20):
            others = self._all_but_record()
            if others and not os.path.exists(self._record_path):
                raise Failure("%s is not the folder of a local stack; it is left as it is." % self.path)
            for name in others:
                shutil.rmtree(self.file(name), ignore_errors=True)
                with contextlib.suppress(OSError):
                    os.remove(self.file(name))
            if not self._all_but_record():
                shutil.rmtree(self.path)
                return
            time.sleep(0.1)
        raise Failure("%s could not be removed." % self.path)

    def _all_but_record(self):
        return [name for name in os.listdir(self.path) if not name.startswith(RECORD)]
