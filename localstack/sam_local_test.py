import contextlib
import io
import json
import os
import re
import shutil
import signal
import stat
import tempfile
import types
import unittest
from unittest import mock

import deploy
import ending
import sam_local
import sam_template
import sam_tests
from console import Failure
from stack_folder import StackFolder

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class SamLocalTest(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.root)
        self.folder = StackFolder(os.path.join(self.root, "sam-local"))
        self.folder.write({"processes": {}, "composed": False})

    def local(self, *arguments):
        return sam_local.SamLocal(sam_local.parse(["serve", "--sam", "/bin/sam", *arguments]), self.folder)

    def read(self, name):
        with open(self.folder.file(name), encoding="utf-8") as file:
            return json.load(file)

    def test_localstack_is_started_unless_one_is_named(self):
        own, named = self.local(), self.local("--endpoint", "http://10.0.0.1:4566/")
        self.assertEqual((own.composed, own.endpoint, own.inner_endpoint), (True, "http://127.0.0.1:4566", "http://localstack:4566"))
        self.assertEqual((named.composed, named.endpoint, named.inner_endpoint), (False, "http://10.0.0.1:4566", "http://10.0.0.1:4566"))
        both = self.local("--endpoint", "http://127.0.0.1:4566", "--endpoint-in-container", "http://172.17.0.1:4566")
        self.assertEqual(both.inner_endpoint, "http://172.17.0.1:4566")

    def test_containers_join_the_network_of_the_localstack_that_is_started(self):
        with open(sam_local.COMPOSE, encoding="utf-8") as file:
            compose = file.read()
        self.assertIn("name: %s\n" % sam_local.NETWORK, compose)
        self.assertIn("  %s:\n" % sam_local.COMPOSED_ENDPOINT.split("//")[1].split(":")[0], compose)
        with mock.patch.object(sam_local.SamLocal, "_has_image", lambda _self: False):
            self.assertIn(sam_local.NETWORK, self.local().sam("invoke"))
            self.assertNotIn(sam_local.NETWORK, self.local("--endpoint", "http://127.0.0.1:1").sam("invoke"))

    def test_localstack_is_pinned_and_on_loopback_only(self):
        with open(sam_local.COMPOSE, encoding="utf-8") as file:
            compose = file.read()
        self.assertEqual(re.findall(r"image: (.*)", compose), ["localstack/localstack:4.14.0"])
        self.assertEqual(re.findall(r"ports: (.*)", compose), ['["127.0.0.1:${LOCALSTACK_PORT:-4566}:4566"]'])

    def test_an_image_that_is_there_is_not_asked_for_again(self):
        for there in (True, False):
            with mock.patch.object(sam_local.SamLocal, "_has_image", lambda _self, there=there: there):
                self.assertEqual("--skip-pull-image" in self.local().sam("invoke"), there)

    def test_variables_are_overrides_too_and_the_issuer_is_beside_each_function(self):
        template = deploy.read_template(os.path.join(ROOT, "template.yaml"), "template.yaml")
        names = sam_template.functions(template)
        for properties in names.values():
            path = os.path.join(self.root, "build", "sam", os.path.basename(properties["CodeUri"]), "bootstrap")
            os.makedirs(os.path.dirname(path))
            with open(path, "w") as file:
                os.chmod(file.fileno(), stat.S_IRWXU)
        outputs = {name: "x" for name in sam_template.data_template(template)["Outputs"]}
        documents = mock.MagicMock()
        documents.open.return_value.__enter__.return_value.read.return_value = b"{}"
        with mock.patch("sam_local.BUILD", os.path.join(self.root, "build")), mock.patch("servers.direct", documents):
            self.local()._write_served(template, outputs)
        variables = self.read("variables.json")
        for name, properties in sam_template.functions(self.read("template.json")).items():
            own = variables[name]
            self.assertEqual(own, properties["Environment"]["Variables"])
            self.assertEqual(own["AWS_ENDPOINT_URL"], "http://localstack:4566")
            for path in (".well-known/openid-configuration", "jwks"):
                self.assertTrue(os.path.exists(os.path.join(properties["CodeUri"], "issuer", path)))

    def test_what_localstack_left_out_is_not_taken_for_made(self):
        made = {"Table": ("AWS::DynamoDB::Table", "keys"), "Cluster": ("AWS::DAX::Cluster", "unknown")}
        data = types.SimpleNamespace(run=lambda: made, outputs=dict)
        template = deploy.read_template(os.path.join(ROOT, "template.yaml"), "template.yaml")
        with mock.patch("deploy.Deployment", lambda *_arguments, **_options: data):
            with self.assertRaisesRegex(Failure, r"does not know AWS::DAX::Cluster \(Cluster\)"):
                self.local()._deploy(template)

    def test_a_localstack_that_could_not_be_stopped_stays_on_record(self):
        self.folder.write({"processes": {}, "composed": True})
        options = sam_local.parse(["serve", "--env-file", os.path.join(self.root, "env")])
        for status, told, left in ((1, "could not be stopped.*tries again:\nno engine", True), (0, "^$", False)):
            done, said = types.SimpleNamespace(returncode=status, stdout="no engine\n"), io.StringIO()
            with mock.patch.object(sam_local, "compose", lambda *_arguments, done=done: done), contextlib.redirect_stdout(said):
                sam_local.clear(self.folder, options)
            self.assertRegex(said.getvalue(), told)
            self.assertEqual(self.folder.read() is not None, left)

    def test_a_signal_waits_until_what_is_started_is_on_record(self):
        local, process = self.local(), types.SimpleNamespace(pid=os.getpid())

        def launch():
            os.kill(os.getpid(), signal.SIGTERM)
            return process

        handlers = {number: signal.getsignal(number) for number in ending.SIGNALS}
        self.addCleanup(lambda: [signal.signal(*each) for each in handlers.items()])
        ending.listen()
        with self.assertRaises(ending.Stopped):
            local._start("api", launch)
        self.assertEqual(self.folder.read()["processes"]["api"]["pid"], process.pid)

    def test_a_part_that_ended_is_told_with_the_end_of_its_log(self):
        local = self.local()
        with open(self.folder.file("api.log"), "w") as log:
            log.write("the reason\n")
        local.children["api"] = types.SimpleNamespace(poll=lambda: 1)
        with self.assertRaisesRegex(Failure, "api ended by itself(?s:.*)the reason"):
            local.watch()
        local.children, local.stream = {}, types.SimpleNamespace(error=OSError("gone"))
        with self.assertRaisesRegex(Failure, "stream cannot be followed any more: gone"):
            local.watch()


class SuiteTest(unittest.TestCase):
    def setUp(self):
        self.names = []
        for name in os.listdir(os.path.join(ROOT, "localstack", "e2e")):
            with open(os.path.join(ROOT, "localstack", "e2e", name), encoding="utf-8") as file:
                self.names += re.findall(r"^func (Test\w+)\(t ", file.read(), re.MULTILINE)

    def test_the_suite_runs_but_for_what_is_left_out(self):
        run = sam_tests.wanted([*self.names, "ok"])
        for name in ("TestLifecycle", "TestDirectInvocation", "TestZeroStaleOnTheEmulator"):
            self.assertRegex(name, run)
        for name in ("TestRolesAreEnforced", "TestFaultMatrixOnTheEmulator", "TestProtectedAPIWantsAKey", sam_tests.LAST, "ok"):
            self.assertNotRegex(name, run)
        self.assertEqual(sam_tests.skipped(), "^TestBadBodiesChangeNothing$/^invalid_UTF-8.*$")

    def test_what_is_left_out_is_there(self):
        for pattern in sam_tests.LEFT_OUT:
            self.assertTrue(sam_tests.fitting(pattern, self.names))
        self.assertIn(sam_tests.LAST, self.names)
        self.assertLessEqual({name.partition("/")[0] for name in sam_tests.CASES_LEFT_OUT}, set(self.names))
        with self.assertRaisesRegex(Failure, "no TestGone to leave out"):
            sam_tests.fitting("TestGone", self.names)


if __name__ == "__main__":
    unittest.main()
