import contextlib
import io
import json
import os
import shutil
import tempfile
import types
import unittest
from unittest import mock

import redrive
from console import Failure
from deployed import Deployed

QUEUE_URL = "http://127.0.0.1:1/dead-letters"


class FakeQueue:
    """Answers as SQS does: what was received is hidden for a while, and gives another receipt each time."""

    def __init__(self):
        self.now = 0
        self.messages = {}  # by id: body, hidden until, receipt
        self.reasons = {}
        self.receipts = 0
        self.hidden_for = []
        self.undeletable = set()

    def add(self, content):
        name = "m%d" % (len(self.messages) + 1)
        self.messages[name] = [content if isinstance(content, str) else json.dumps(content), 0, None]
        return name

    def visible(self):
        return [name for name, (_, until, _) in self.messages.items() if until <= self.now]

    def receive_message(self, QueueUrl, MaxNumberOfMessages, WaitTimeSeconds, VisibilityTimeout, MessageAttributeNames):
        assert QueueUrl == QUEUE_URL and MaxNumberOfMessages <= 10 and WaitTimeSeconds > 0 and MessageAttributeNames == ["reason"]
        names = self.visible()[:MaxNumberOfMessages]
        if not names:
            return {}
        for name in names:
            self.receipts += 1
            self.messages[name][1:] = self.now + VisibilityTimeout, "receipt-%d" % self.receipts
        return {"Messages": [{
            "MessageId": name, "ReceiptHandle": self.messages[name][2], "Body": self.messages[name][0],
            **({"MessageAttributes": {"reason": {"StringValue": self.reasons[name]}}} if name in self.reasons else {}),
        } for name in names]}

    def delete_message_batch(self, QueueUrl, Entries):
        failed = []
        for entry in self.checked(Entries):
            name = self.named(entry)
            if name in self.undeletable:
                failed.append({"Id": entry["Id"]})
            else:
                del self.messages[name]
        return {"Failed": failed} if failed else {}

    def change_message_visibility_batch(self, QueueUrl, Entries):
        for entry in self.checked(Entries):
            self.messages[self.named(entry)][1] = self.now + entry["VisibilityTimeout"]
            self.hidden_for.append((self.named(entry), entry["VisibilityTimeout"]))
        return {}

    def checked(self, entries):
        assert 0 < len(entries) <= 10 and len({entry["Id"] for entry in entries}) == len(entries)
        return entries

    def named(self, entry):
        return next(name for name, (_, _, receipt) in self.messages.items() if receipt == entry["ReceiptHandle"])


class FakeRelay:
    """The function relay: answers the next answer, or that all was announced."""

    def __init__(self):
        self.asked = []
        self.answers = []
        self.before = lambda: None

    def get_function_configuration(self, FunctionName):
        return {"Environment": {"Variables": {"DEAD_LETTER_QUEUE_URL": QUEUE_URL}}}

    def invoke(self, FunctionName, Payload):
        self.before()
        self.asked.append(json.loads(Payload)["redrive"])
        answer = self.answers.pop(0) if self.answers else done(1)
        if isinstance(answer, str):
            return {"Payload": io.BytesIO(json.dumps({"errorMessage": answer}).encode()), "FunctionError": "Unhandled"}
        return {"Payload": io.BytesIO(json.dumps(answer).encode())}


def done(relayed, failed=0, unreadable=0, cursor=None):
    return {"relayed": relayed, "failed": failed, "unreadable": unreadable, "nextCursor": cursor}


def batch(first, last=None):
    """What Lambda puts into the queue about a batch of the stream."""
    return {"requestContext": {"condition": "RetryAttemptsExhausted"}, "version": "1.0", "DDBStreamBatchInfo": {
        "shardId": "shard", "startSequenceNumber": "1", "endSequenceNumber": "2", "batchSize": 2, "streamArn": "arn",
        "approximateArrivalOfFirstRecord": first, "approximateArrivalOfLastRecord": last or first}}


def record(sk):
    """What the relay puts there: a record that it cannot read."""
    return {"eventName": "INSERT", "dynamodb": {"Keys": {"pk": {"S": "OWNER#1"}, "sk": {"S": sk}}, "SequenceNumber": "1"}}


class RedriveTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.env = os.path.join(self.folder, "aws.env")
        with open(self.env, "w") as file:
            file.write("AWS_REGION=eu-central-1\nRELAY_FUNCTION=aws-relay\n")
        self.queue, self.relay, self.told = FakeQueue(), FakeRelay(), []

    def run_it(self, forget=None, env=None):
        clients = {"sqs": self.queue, "lambda": self.relay}
        with contextlib.ExitStack() as stack:
            stack.enter_context(mock.patch.object(redrive, "run_in_environment"))
            stack.enter_context(mock.patch.object(Deployed, "client", lambda _deployed, service, **_settings: clients[service]))
            stack.enter_context(mock.patch.object(Deployed, "reached", lambda _deployed: contextlib.nullcontext()))
            stack.enter_context(mock.patch.object(redrive.time, "monotonic", lambda: self.queue.now))
            stack.enter_context(mock.patch.object(redrive.Queue.__init__, "__defaults__", (lambda: self.queue.now,)))
            return redrive.run(types.SimpleNamespace(env=env or self.env, forget=forget), self.told.append)

    # -- What is asked ------------------------------------------------------------

    def test_a_batch_is_redriven_with_a_margin_around_its_time_and_deleted(self):
        self.queue.add(batch("2026-11-24T10:00:00Z", "2026-11-24T10:01:30Z"))
        self.assertEqual(self.run_it(), 0)
        self.assertEqual(self.relay.asked, [{"since": "2026-11-24T09:45:00.000Z", "until": "2026-11-24T10:16:30.000Z"}])
        self.assertEqual(self.queue.messages, {})
        self.assertEqual(self.told[-1], "1 announced again, 1 message(s) deleted, 0 left.")

    def test_batches_of_one_time_are_redriven_together(self):
        for at in ("2026-11-24T10:20:00Z", "2026-11-24T18:00:00Z", "2026-11-24T10:00:00Z", "2026-11-24T10:40:00.500Z"):
            self.queue.add(batch(at))
        self.assertEqual(self.run_it(), 0)
        self.assertEqual(self.relay.asked, [
            {"since": "2026-11-24T09:45:00.000Z", "until": "2026-11-24T10:55:00.500Z"},
            {"since": "2026-11-24T17:45:00.000Z", "until": "2026-11-24T18:15:00.000Z"}])
        self.assertEqual(self.queue.messages, {})

    def test_a_record_that_was_set_aside_is_redriven_by_its_item(self):
        self.queue.add(record("EVENT#0000000001"))
        self.assertEqual(self.run_it(), 0)
        self.assertEqual(self.relay.asked, [{"item": {"pk": "OWNER#1", "sk": "EVENT#0000000001"}}])
        self.assertEqual(self.queue.messages, {})

    def test_the_relay_is_asked_until_nothing_remains(self):
        self.queue.add(batch("2026-11-24T10:00:00Z"))
        self.relay.answers = [done(100, cursor="c1"), done(0, cursor="c2"), done(7)]
        self.assertEqual(self.run_it(), 0)
        self.assertEqual([request.get("cursor") for request in self.relay.asked], [None, "c1", "c2"])
        self.assertEqual(len({(request["since"], request["until"]) for request in self.relay.asked}), 1)
        self.assertEqual(self.told[-1], "107 announced again, 1 message(s) deleted, 0 left.")

    # -- What is kept -------------------------------------------------------------

    def test_only_what_succeeded_is_deleted(self):
        for name, answers in {
            "some failed": [done(5, failed=1)], "failed on an earlier page": [done(1, failed=1, cursor="c"), done(5)],
            "unreadable": [done(5, unreadable=1)], "not there": [done(0)], "the function failed": ["boom"],
            "the function failed on a later page": [done(5, cursor="c"), "boom"],
        }.items():
            for letter in (batch("2026-11-24T10:00:00Z"), record("DUE#1")):
                with self.subTest(name, letter=letter):
                    self.setUp()
                    first = self.queue.add(letter)
                    second = self.queue.add(batch("2026-11-24T20:00:00Z"))
                    third = self.queue.add(record("EVENT#0000000002"))
                    in_turn = answers + [done(1), done(1)] if "DDBStreamBatchInfo" in letter else [done(1), *answers, done(1)]
                    self.relay.answers = in_turn
                    self.assertEqual(self.run_it(), 1)
                    self.assertEqual(list(self.queue.messages), [first])
                    self.assertIn("Kept: " + first, "\n".join(self.told))
                    self.assertIn("2 message(s) deleted, 1 left.", self.told[-1])
                    self.assertNotIn(second, "".join(self.told))
                    self.assertNotIn(third, "".join(self.told))

    def test_what_is_not_understood_is_kept(self):
        kept = [self.queue.add(content) for content in (
            "no JSON", "[]", "7", "null", {"x": 1}, batch("yesterday"), batch(None), {"dynamodb": {"Keys": {"pk": {"N": "1"}}}})]
        self.assertEqual(self.run_it(), 1)
        self.assertEqual((self.relay.asked, list(self.queue.messages)), ([], kept))
        self.assertEqual(sum("not understood" in text for text in self.told), len(kept))

    def test_a_terminal_has_nothing_to_obey_in_a_message(self):
        self.queue.add("\x1b[2J")
        self.queue.add(record("EVENT#\x1b[2J\u202e"))
        self.relay.answers = ["\x1b[2J"]
        self.run_it()
        self.assertTrue("".join(self.told).isprintable(), self.told)

    def test_why_the_relay_set_it_aside_is_told_with_what_is_kept(self):
        self.queue.reasons[self.queue.add(record("EVENT#1"))] = "the item \x1b carries no notice"
        self.relay.answers = [done(0, unreadable=1)]
        self.run_it()
        self.assertIn('Kept: m1 (set aside: "the item \\u001b carries no notice")', "\n".join(self.told))

    def test_what_is_kept_is_there_for_the_next_time_at_once(self):
        self.queue.add("no JSON")
        self.run_it()
        self.assertEqual(self.queue.visible(), ["m1"])

    def test_what_was_not_done_is_there_at_once_when_the_person_ends_it(self):
        for _ in range(25):
            self.queue.add(batch("2026-11-24T10:00:00Z"))

        def end():
            raise KeyboardInterrupt

        self.relay.before = end
        with self.assertRaises(KeyboardInterrupt):
            self.run_it()
        self.assertEqual(len(self.queue.visible()), 25)

    def test_a_message_that_is_not_deleted_counts_as_left(self):
        self.queue.undeletable.add(self.queue.add(batch("2026-11-24T10:00:00Z")))
        self.assertEqual(self.run_it(), 1)
        self.assertEqual(self.told[-1], "1 announced again, 0 message(s) deleted, 1 left.")

    # -- The queue ----------------------------------------------------------------

    def test_the_whole_queue_is_emptied(self):
        for i in range(37):
            self.queue.add(record("EVENT#%010d" % i))
        self.assertEqual(self.run_it(), 0)
        self.assertEqual((len(self.relay.asked), self.queue.messages), (37, {}))

    def test_messages_stay_hidden_however_long_it_takes(self):
        for i in range(40):
            self.queue.add(record("EVENT#%010d" % i))

        def minute_passes():
            self.queue.now += 60
            self.assertEqual(self.queue.visible(), [])

        self.relay.before = minute_passes
        self.assertEqual(self.run_it(), 0)
        self.assertLess(len(self.queue.hidden_for), 400)

    # -- One message --------------------------------------------------------------

    def test_one_message_is_forgotten_and_shown_before(self):
        for content in ("first\x1b", "second", "third"):
            self.queue.add(content)
        self.assertEqual(self.run_it(forget="m1"), 0)
        self.assertEqual((self.told, list(self.queue.messages), self.queue.visible(), self.relay.asked),
                         (['"first\\u001b"', "Deleted."], ["m2", "m3"], ["m2", "m3"], []))
        self.assertEqual(self.run_it(forget="m1"), 1)
        self.assertEqual(list(self.queue.messages), ["m2", "m3"])

    # -- The person ---------------------------------------------------------------

    def test_no_stack_and_no_relay_are_said_clearly(self):
        with self.assertRaisesRegex(Failure, "no local stack is running"):
            self.run_it(env=os.path.join(self.folder, "none.env"))
        other = os.path.join(self.folder, "other.env")
        with open(other, "w") as file:
            file.write("VIEW_FUNCTION=view\n")
        with self.assertRaisesRegex(Failure, "has no function relay"):
            self.run_it(env=other)

    def test_a_failure_is_a_line_and_a_status(self):
        errors = io.StringIO()
        with mock.patch("sys.argv", ["redrive.py", "--env", "none.env"]), contextlib.redirect_stderr(errors):
            self.assertEqual(redrive.main(), 1)
        self.assertRegex(errors.getvalue(), r"\AThere is no .*\n\Z")


if __name__ == "__main__":
    unittest.main()
