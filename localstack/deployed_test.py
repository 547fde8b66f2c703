import contextlib
import os
import shutil
import sys
import tempfile
import types
import unittest
from unittest import mock

import deployed
import python_environment
from console import Failure
from deployed import Deployed

LOCAL = """API_URL=http://127.0.0.1:1/live?a=b
AWS_ENDPOINT_URL=http://127.0.0.1:1
AWS_REGION=us-east-1

VIEW_FUNCTION=stack-view
COLD_START_FUNCTION=stack-cold
"""
ON_AWS = "AWS_REGION=eu-central-1\nVIEW_FUNCTION=user-api-key-view\n"


class BotoCoreError(Exception):
    pass


class HTTPClientError(BotoCoreError):
    pass


class EndpointError(BotoCoreError):
    """botocore's ConnectionError."""


class ClientError(Exception):
    pass


def fake_boto3():
    """boto3 and what is used of botocore, as far as they go; the client is what it was made with."""
    return mock.patch.dict(sys.modules, {
        "boto3": types.SimpleNamespace(client=lambda service, **made_with: {"service": service, **made_with}),
        "botocore": types.ModuleType("botocore"),
        "botocore.config": types.SimpleNamespace(Config=dict),
        "botocore.exceptions": types.SimpleNamespace(
            BotoCoreError=BotoCoreError, ClientError=ClientError, ConnectionError=EndpointError, HTTPClientError=HTTPClientError),
    })


class DeployedTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder, True)
        boto3 = fake_boto3()
        boto3.start()
        self.addCleanup(boto3.stop)

    def deployed(self, content):
        path = os.path.join(self.folder, "some.env")
        with open(path, "w") as file:
            file.write(content)
        return Deployed(path)

    def test_functions_have_the_names_of_their_folders(self):
        found = self.deployed(LOCAL)
        self.assertEqual(found.functions, {"view": "stack-view", "cold-start": "stack-cold"})
        self.assertEqual(found.function("cold-start"), "stack-cold")
        self.assertEqual(found.settings["API_URL"], "http://127.0.0.1:1/live?a=b")

    def test_an_unknown_function_is_said_clearly(self):
        with self.assertRaisesRegex(Failure, "some.env has no function vew; it has: cold-start, view"):
            self.deployed(LOCAL).function("vew")
        with self.assertRaisesRegex(Failure, "it has: none"):
            self.deployed("AWS_REGION=eu-central-1\n").function("view")

    def test_no_running_stack_is_said_clearly(self):
        with self.assertRaisesRegex(Failure, "There is no .*none.env, so no local stack is running: .*make up"):
            Deployed(os.path.join(self.folder, "none.env"))

    def test_what_is_no_env_file_is_said_clearly(self):
        with self.assertRaisesRegex(Failure, "Is a directory"):
            Deployed(self.folder)
        path = os.path.join(self.folder, "binary")
        with open(path, "wb") as file:
            file.write(b"\x7fELF\xff=\xfe")
        with self.assertRaisesRegex(Failure, "it is no text"):
            Deployed(path)

    def test_the_local_stack_is_reached_with_its_own_key(self):
        client = self.deployed(LOCAL).client("logs", read_timeout=30)
        self.assertEqual((client["service"], client["endpoint_url"], client["region_name"], client["aws_access_key_id"]),
                         ("logs", "http://127.0.0.1:1", "us-east-1", "test"))
        self.assertEqual(client["config"]["read_timeout"], 30)

    def test_a_service_with_an_endpoint_of_its_own_is_reached_there(self):
        found = self.deployed(LOCAL + "AWS_ENDPOINT_URL_LAMBDA=http://127.0.0.1:2\n")
        self.assertEqual(found.client("lambda")["endpoint_url"], "http://127.0.0.1:2")
        self.assertEqual(found.client("logs")["endpoint_url"], "http://127.0.0.1:1")

    def test_aws_is_reached_with_the_persons_own_credentials_and_never_this_machine(self):
        for content in (ON_AWS, ON_AWS + "AWS_ENDPOINT_URL=\n"):
            found = self.deployed(content)
            # As after `set -a; . build/local.env`.
            with mock.patch.dict(os.environ, {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_REGION": "us-east-1"}):
                client = found.client("lambda")
            self.assertFalse(found.is_local)
            self.assertEqual(client.pop("config")["ignore_configured_endpoint_urls"], True)
            self.assertEqual(client, {"service": "lambda", "region_name": "eu-central-1"})

    def test_what_keeps_from_an_answer_is_said_clearly(self):
        for content, error, told in (
            (LOCAL, HTTPClientError("refused"), "does not answer at http://127.0.0.1:1; has it ended"),
            (LOCAL, EndpointError("refused"), "does not answer at http://127.0.0.1:1; has it ended"),
            (LOCAL, ClientError("no such group"), "The local stack of .* refused: no such group"),
            (ON_AWS, HTTPClientError("no such host"), "AWS does not answer: no such host"),
            (ON_AWS, ClientError("AccessDenied"), "AWS refused: AccessDenied"),
            (ON_AWS, BotoCoreError("Unable to locate credentials"), "AWS cannot be asked: Unable to locate"),
        ):
            with self.subTest(told), self.assertRaisesRegex(Failure, told):
                with self.deployed(content).reached():
                    raise error

    def test_a_mistake_of_our_own_is_not_hidden(self):
        with self.assertRaises(KeyError), self.deployed(LOCAL).reached():
            raise KeyError


class RunInEnvironmentTest(unittest.TestCase):
    """The environment that the tools run in, as a person with an account and a proxy starts them."""

    PERSONS = {"AWS_PROFILE": "work", "AWS_CONFIG_FILE": "/home/ada/aws", "HTTPS_PROXY": "http://proxy:8080",
               "http_proxy": "http://proxy:8080", "PYTHONPATH": "/home/ada/lib", "TOKEN": "t"}

    def environment(self, is_local):
        with contextlib.ExitStack() as stack:
            stack.enter_context(mock.patch.dict(os.environ, self.PERSONS))
            stack.enter_context(mock.patch.object(python_environment, "ensure", lambda root: "/venv/bin/python"))
            execve = stack.enter_context(mock.patch.object(os, "execve"))
            stack.enter_context(mock.patch.object(sys, "prefix", "/usr"))
            deployed.run_in_environment(types.SimpleNamespace(is_local=is_local))
        python, command, env = execve.call_args.args
        self.assertEqual((python, command), ("/venv/bin/python", [python, "-B", *sys.argv]))
        return {name: env.get(name) for name in self.PERSONS}

    def test_on_aws_the_persons_settings_count(self):
        self.assertEqual(self.environment(is_local=False), {**self.PERSONS, "PYTHONPATH": None})

    def test_a_local_stack_is_not_reached_with_them(self):
        self.assertEqual(self.environment(is_local=True), {
            **dict.fromkeys(self.PERSONS), "AWS_CONFIG_FILE": os.devnull, "TOKEN": "t"})

    def test_in_the_environment_it_just_goes_on(self):
        with mock.patch.object(sys, "prefix", os.path.join(deployed.ROOT, ".venv", "ministack")), \
                mock.patch.object(os, "execve") as execve:
            deployed.run_in_environment(types.SimpleNamespace(is_local=True))
        execve.assert_not_called()


if __name__ == "__main__":
    unittest.main()
