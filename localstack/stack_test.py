import os
import shutil
import socket
import tempfile
import types
import unittest
from unittest import mock

import python_environment
import stack
from console import Failure
from stack_folder import StackFolder


class CheckTest(unittest.TestCase):
    def setUp(self):
        root = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, root)
        self.folder = StackFolder(os.path.join(root, "stack"))
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(self.listener.close)

    def check(self):
        stack.check(types.SimpleNamespace(dir=self.folder.path, port=self.listener.getsockname()[1]))

    def test_a_port_that_another_program_has_is_refused(self):
        with self.assertRaisesRegex(Failure, "already in use.*PORT="):
            self.check()

    def test_what_a_killed_command_left_on_the_port_is_no_hindrance(self):
        self.folder.write({"mode": "run", "runner": {"pid": 0, "started": None}, "processes": {}})
        self.check()

    def test_a_python_that_is_too_old_is_named(self):
        with mock.patch.object(python_environment.sys, "version_info", (3, 9, 6)):
            with self.assertRaisesRegex(Failure, "needs Python 3.11 or newer; this is Python 3.9 .*PYTHON="):
                self.check()


if __name__ == "__main__":
    unittest.main()
