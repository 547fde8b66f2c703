import contextlib
import glob
import http.server
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import types
import unittest
from unittest import mock

import invoke
from console import Failure
from deployed import ROOT, Deployed


def all_events():
    """What functions are invoked with; events/notices is what the service sends."""
    found = glob.glob(os.path.join(ROOT, "events", "**", "*.json"), recursive=True)
    return [path for path in found if os.path.basename(os.path.dirname(path)) != "notices"]


class Issuer(http.server.BaseHTTPRequestHandler):
    """Answers every request with the server's answer, and keeps what it was asked."""

    def do_POST(self):
        self.server.asked = self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.server.answer)

    def log_message(self, *_arguments):
        pass


class FakeLambda:
    def __init__(self, payload, error=None):
        self.payload, self.error = payload, error
        self.invoked = []

    def invoke(self, FunctionName, Payload):
        self.invoked.append((FunctionName, json.loads(Payload)))
        answer = {"Payload": io.BytesIO(self.payload)}
        return {**answer, "FunctionError": self.error} if self.error else answer


class InvokeTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.issuer = http.server.HTTPServer(("127.0.0.1", 0), Issuer)
        self.issuer.answer = b'{"access_token": "fresh.token.of-issuer"}'
        self.issuer.asked = None
        thread = threading.Thread(target=self.issuer.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        self.addCleanup(self.issuer.server_close)
        self.addCleanup(thread.join)
        self.addCleanup(self.issuer.shutdown)
        self.local = self.write("local.env", "AWS_ENDPOINT_URL=http://127.0.0.1:1\nISSUER_URL=http://127.0.0.1:%d\n"
                                "VIEW_FUNCTION=stack-view\nODD_FUNCTION=stack-odd\n" % self.issuer.server_port)
        self.on_aws = self.write("aws.env", "AWS_REGION=eu-central-1\nVIEW_FUNCTION=aws-view\nISSUER_URL=https://issuer.example\n")
        self.event = self.write("event.json", '{"headers": {"Authorization": "Bearer JOB_RUNNER_TOKEN"}, "name": "MY_TOKEN"}')
        self.client = FakeLambda(b'{"statusCode": 200, "body": "{\\"revision\\": 1}"}')
        self.told = []

    def write(self, name, content):
        path = os.path.join(self.folder, name)
        with open(path, "w") as file:
            file.write(content)
        return path

    def run_it(self, function="view", event=None, env=None, token=None):
        """The exit status, and what was printed."""
        options = types.SimpleNamespace(function=function, event=event, env=env or self.local)
        environment = {"TOKEN": token} if token else {}
        out = io.StringIO()

        def client(_deployed, service, **settings):
            self.asked_for = service, settings
            return self.client

        with contextlib.ExitStack() as stack:
            stack.enter_context(mock.patch.dict(os.environ, environment))
            if not token:
                os.environ.pop("TOKEN", None)
            stack.enter_context(mock.patch.object(invoke, "run_in_environment"))
            stack.enter_context(mock.patch.object(Deployed, "client", client))
            stack.enter_context(mock.patch.object(Deployed, "reached", lambda _deployed: contextlib.nullcontext()))
            stack.enter_context(contextlib.redirect_stdout(out))
            return invoke.run(options, self.told.append), out.getvalue()

    def sent_token(self):
        return self.client.invoked[-1][1]["headers"]["Authorization"]

    # -- Events -------------------------------------------------------------------

    def test_every_event_is_listed_with_its_function(self):
        status, out = self.run_it(function=None)
        self.assertEqual(status, 0)
        self.assertIn("  make invoke-view EVENT=events/view.json\n", out)
        listed = sorted(re.findall("EVENT=(.*)", out))
        self.assertEqual(listed, sorted(os.path.relpath(path, ROOT) for path in all_events()))
        self.assertIn("  make invoke-authorizer EVENT=events/authorizer/direct-owner.json\n", out)

    def test_without_an_event_those_that_fit_are_named(self):
        status, _ = self.run_it("delete")
        self.assertEqual(status, 1)
        self.assertEqual(self.told[0].splitlines()[1:], [
            "  make invoke-delete EVENT=events/delete-all.json", "  make invoke-delete EVENT=events/delete-one.json",
            "  make invoke-delete EVENT=events/offboard.json", "  make invoke-delete EVENT=events/reinstate.json"])
        with self.assertRaisesRegex(Failure, "events/ has none"):
            self.run_it("odd")

    def test_an_event_that_cannot_be_sent_is_said_clearly(self):
        for path, told in ((os.path.join(self.folder, "none.json"), "none.json cannot be read: No such file"),
                           (self.folder, "Is a directory"), (self.write("bad.json", "{"), "bad.json is not JSON")):
            with self.subTest(told), self.assertRaisesRegex(Failure, told):
                self.run_it(event=path)
        self.assertEqual(self.client.invoked, [])

    def test_an_unknown_function_and_no_stack_are_said_clearly(self):
        with self.assertRaisesRegex(Failure, "has no function vew; it has: odd, view"):
            self.run_it("vew", self.event)
        with self.assertRaisesRegex(Failure, "no local stack is running"):
            self.run_it("view", self.event, env=os.path.join(self.folder, "none.env"))

    # -- Tokens -------------------------------------------------------------------

    def test_a_placeholder_gets_a_fresh_token_of_its_role(self):
        self.run_it(event=self.event)
        self.assertEqual(self.client.invoked, [
            ("stack-view", {"headers": {"Authorization": "Bearer fresh.token.of-issuer"}, "name": "MY_TOKEN"})])
        self.assertEqual(self.issuer.asked, ("/token", {
            "iam_id": "IBMid-5500SAMPLE", "account": {"bss": "0123456789abcdef0123456789abcdef"},
            "preferred_username": "jane.doe@example.com", "roles": ["JobRunner"]}))
        self.assertNotIn("fresh.token", "".join(self.told))

    def test_no_event_keeps_its_placeholder(self):
        for path in all_events():
            with self.subTest(path):
                text = invoke.with_tokens(invoke.read_event(path), lambda role: "token-of-" + role)
                self.assertNotIn("_TOKEN", text)
                self.assertLessEqual(set(re.findall("token-of-([A-Za-z]*)", text)), {"Administrator", "JobRunner"})

    def test_an_own_token_wins(self):
        for env in (self.local, self.on_aws):
            self.run_it(event=self.event, env=env, token="my.own-token")
            self.assertEqual(self.sent_token(), "Bearer my.own-token")
        self.assertIsNone(self.issuer.asked)

    def test_an_own_token_cannot_change_the_event(self):
        for token in ('a", "role": "x', "a b", "a\\u0022"):
            with self.subTest(token), self.assertRaisesRegex(Failure, "not a bearer token"):
                self.run_it(event=self.event, token=token)

    def test_on_aws_nobody_else_gives_a_token(self):
        with self.assertRaisesRegex(Failure, "JobRunner; give one with TOKEN="):
            self.run_it(event=self.event, env=self.on_aws)
        plain = self.write("plain.json", '{"jobId": "j"}')
        self.assertEqual(self.run_it(event=plain, env=self.on_aws)[0], 0)
        self.assertEqual(self.client.invoked, [("aws-view", {"jobId": "j"})])

    def test_an_issuer_without_a_token_is_said_clearly(self):
        for answer in (b'{"error": "no"}', b"<html>", b"[]"):
            self.issuer.answer = answer
            with self.subTest(answer), self.assertRaisesRegex(Failure, "gives no token"):
                self.run_it(event=self.event)
        gone = self.write("gone.env", "AWS_ENDPOINT_URL=x\nISSUER_URL=http://127.0.0.1:1\nVIEW_FUNCTION=v\n")
        with self.assertRaisesRegex(Failure, "has the stack ended"):
            self.run_it(event=self.event, env=gone)

    # -- Answers ------------------------------------------------------------------

    def test_the_answer_is_shown_with_its_body_opened(self):
        status, out = self.run_it(event=self.event)
        self.assertEqual((status, json.loads(out)), (0, {"statusCode": 200, "body": {"revision": 1}}))
        for payload, shown in ((b'{"allowed": true}', {"allowed": True}), (b'{"body": "text"}', {"body": "text"}),
                               (b"null", None), (b"no \xff JSON", "no \ufffd JSON")):
            self.client = FakeLambda(payload)
            self.assertEqual(json.loads(self.run_it(event=self.event)[1]), shown)

    def test_a_terminal_has_nothing_to_obey_in_an_answer(self):
        self.client = FakeLambda(json.dumps({"body": '{"name": "\\u001b[2J\\u009b2J\\u202e"}'}).encode())
        _, out = self.run_it(event=self.event)
        self.assertTrue(out.replace("\n", "").isprintable(), repr(out))
        self.assertEqual(json.loads(out)["body"]["name"], "\x1b[2J\x9b2J\u202e")

    def test_a_function_that_fails_is_a_failure(self):
        self.client = FakeLambda(b'{"errorMessage": "boom"}', error="Unhandled")
        status, out = self.run_it(event=self.event)
        self.assertEqual((status, json.loads(out)), (1, {"errorMessage": "boom"}))
        self.assertIn("make logs FUNCTION=view", self.told[-1])

    def test_an_event_is_sent_once(self):
        self.run_it(event=self.event)
        service, settings = self.asked_for
        self.assertEqual((service, settings["retries"]), ("lambda", {"total_max_attempts": 1}))

    def test_whoever_has_read_enough_sees_no_traceback(self):
        reader, writer = os.pipe()
        os.close(reader)
        listing = subprocess.run([sys.executable, "-B", invoke.__file__], stdout=writer, stderr=subprocess.PIPE, text=True)
        os.close(writer)
        self.assertEqual((listing.returncode, listing.stderr), (0, ""))

    def test_a_failure_is_a_line_and_a_status(self):
        errors = io.StringIO()
        with mock.patch("sys.argv", ["invoke.py", "--env", "none.env", "view", self.event]), contextlib.redirect_stderr(errors):
            self.assertEqual(invoke.main(), 1)
        self.assertRegex(errors.getvalue(), r"\AThere is no .*\n\Z")


if __name__ == "__main__":
    unittest.main()
