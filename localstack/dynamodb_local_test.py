import contextlib
import io
import os
import stat
import tempfile
import unittest
from unittest import mock

import dynamodb_local as local
import servers


class PinsTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        # The digest of the text "a".
        self.pins = {"a.jar": "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"}
        self.write("a.jar", "a")

    def write(self, name, text):
        with open(os.path.join(self.folder.name, name), "w") as file:
            file.write(text)

    def assert_damaged(self, name):
        with self.assertRaises(local.Damaged) as caught:
            local.verify(self.folder.name, self.pins)
        self.assertIn(name, str(caught.exception))

    def test_what_is_pinned_is_accepted(self):
        local.verify(self.folder.name, self.pins)

    def test_another_content_is_refused(self):
        self.write("a.jar", "b")
        self.assert_damaged("a.jar")

    def test_a_file_that_is_not_pinned_is_refused(self):
        self.write("b.jar", "a")
        self.assert_damaged("b.jar")

    def test_a_missing_file_is_refused(self):
        self.pins["c.jar"] = self.pins["a.jar"]
        self.assert_damaged("c.jar")

    def test_every_file_that_is_started_is_pinned(self):
        self.assertIn("DynamoDBLocal-2.6.1.jar", local.pins())
        for name, digest in local.pins().items():
            self.assertRegex(digest, "^[0-9a-f]{64}$", name)

    def test_what_was_fetched_otherwise_is_a_failure_and_no_skip(self):
        def fetch(folder):
            self.write("a.jar", "tampered")

        with mock.patch.object(local, "find_java"), mock.patch.object(local, "fetch", fetch), \
                mock.patch.object(local, "MACHINES", [(local.platform.system(), local.platform.machine())]):
            with self.assertRaises(local.Damaged):
                local.ensure(self.folder.name)


class JavaTest(unittest.TestCase):
    """A machine without what it needs is told in one line, and by a status of its own."""

    def check(self, modules):
        with tempfile.TemporaryDirectory() as folder:
            if modules is not None:
                java = os.path.join(folder, "java")
                with open(java, "w") as file:
                    file.write("#!/bin/sh\ncat <<'END'\n%s\nEND\n" % modules)
                os.chmod(java, stat.S_IRWXU)
            told = io.StringIO()
            with mock.patch.dict(os.environ, {"PATH": folder + ":/usr/bin:/bin" if modules else folder}), \
                    contextlib.redirect_stdout(told):
                os.environ.pop("JAVA_HOME", None)
                return local.main(["check"]), told.getvalue()

    def assert_cannot_run(self, modules):
        status, told = self.check(modules)
        self.assertEqual(status, local.CANNOT_RUN)
        self.assertRegex(told, r"^[^\n]*JDK 17 or newer[^\n]*\n$")

    def test_no_java(self):
        self.assert_cannot_run(None)

    def test_an_old_java(self):
        self.assert_cannot_run("java.base@11.0.2\njdk.compiler@11.0.2")

    def test_a_java_without_a_compiler(self):
        self.assert_cannot_run("java.base@21.0.2")

    def test_a_processor_without_the_native_library(self):
        with mock.patch.object(local, "MACHINES", []):
            status, told = self.check("jdk.compiler@17.0.15")
        self.assertEqual(status, local.CANNOT_RUN)
        self.assertIn("no native library", told)


class RunTest(unittest.TestCase):
    def run_beside(self, engine, command):
        """Runs the command beside a stand-in for the engine."""
        with tempfile.TemporaryDirectory() as folder, mock.patch.object(local, "OPTIONS", ["-c", engine]), \
                mock.patch.object(local, "LOG", os.path.join(folder, "log")), contextlib.redirect_stdout(io.StringIO()) as told:
            return local.run(local.sys.executable, command), told.getvalue()

    def test_an_engine_that_does_not_start_is_a_failure_with_its_log(self):
        status, told = self.run_beside("raise SystemExit('no native library')", ["true"])
        self.assertEqual(status, 1)
        self.assertIn("no native library", told)

    def test_the_status_is_the_commands_and_the_engine_is_gone(self):
        serve = ("import http.server, sys\n"
                 "class Refuse(http.server.BaseHTTPRequestHandler):\n"
                 "    def do_GET(self): self.send_error(400)\n"
                 "http.server.HTTPServer(('127.0.0.1', int(sys.argv[-1])), Refuse).serve_forever()\n")
        with tempfile.TemporaryDirectory() as folder:
            address = os.path.join(folder, "address")
            status, _ = self.run_beside(serve, ["sh", "-c", 'echo "$DYNAMODB_LOCAL" >%s; exit 7' % address])
            with open(address) as file:
                url = file.read().strip()
        self.assertEqual(status, 7)
        self.assertRegex(url, r"^http://127\.0\.0\.1:\d+$")
        with self.assertRaises(OSError):
            servers.direct.open(url, timeout=2)


if __name__ == "__main__":
    unittest.main()
