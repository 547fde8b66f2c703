import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from unittest import mock

import processes

# A server with a worker in its group, which the second argument's folder is named to.
SERVER = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", sys.argv[1]])
print("ready", flush=True)
time.sleep(60)
"""


class ProcessesTest(unittest.TestCase):
    def setUp(self):
        self.folder = os.path.realpath(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder, True)

    def start(self, worker_mark=""):
        log = os.path.join(self.folder, "log")
        child = processes.start([sys.executable, "-c", SERVER, worker_mark], dict(os.environ), log)
        self.addCleanup(self.kill_group, child)
        wait_until(lambda: os.path.getsize(log) > 0)
        return child

    def kill_group(self, child):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()

    def test_stop_ends_the_server_and_its_workers(self):
        child = self.start()
        process = processes.record(child.pid)
        self.assertTrue(processes.is_running(process))
        self.assertEqual(len(processes._members(child.pid)), 2)
        processes.stop(process, self.folder)
        self.assertFalse(processes.is_running(process))
        self.assertEqual(processes._members(child.pid), [])

    def test_stop_leaves_a_stranger_with_the_same_number_alone(self):
        child = self.start()
        earlier = {"pid": child.pid, "started": "some other instant"}
        self.assertFalse(processes.is_running(earlier))
        processes.stop(earlier, self.folder)
        self.assertEqual(len(processes._members(child.pid)), 2)

    def test_stop_ends_workers_that_outlived_their_server(self):
        child = self.start(worker_mark=self.folder)
        process = processes.record(child.pid)
        child.kill()
        child.wait()
        self.assertEqual(len(processes._members(child.pid)), 1)
        processes.stop(process, self.folder)
        self.assertEqual(processes._members(child.pid), [])

    def test_a_process_that_ended_before_it_was_recorded_is_not_running(self):
        child = subprocess.Popen([sys.executable, "-c", ""])
        child.wait()
        self.assertFalse(processes.is_running(processes.record(child.pid)))


@unittest.skipUnless(shutil.which("ps"), "there is no ps")
class ProcessesWithoutProcTest(ProcessesTest):
    """The same where there is no /proc, in a terminal that the command lines do not fit in."""

    def setUp(self):
        super().setUp()
        for patch in (mock.patch.object(processes, "HAS_PROC", False), mock.patch.dict(os.environ, COLUMNS="40")):
            patch.start()
            self.addCleanup(patch.stop)


def wait_until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("it did not happen within 30 s")
        time.sleep(0.01)


if __name__ == "__main__":
    unittest.main()
