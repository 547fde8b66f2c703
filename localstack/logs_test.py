import collections
import contextlib
import io
import itertools
import json
import os
import random
import shutil
import tempfile
import types
import unittest
from unittest import mock

import logs
from console import Failure

START = 1_790_000_000_000  # an instant in milliseconds


class MiniStackLogs:
    """Answers as MiniStack does: no ids, no pages, and no more than so many events."""

    def __init__(self, most=logs.MOST_EVENTS):
        self.most = most
        self.events = []
        self.requests = []

    def add(self, after, message="m", stream="s"):
        self.events.append({"timestamp": START + after, "message": message, "logStreamName": stream})

    def filter_log_events(self, **request):
        self.requests.append(request)
        return {"events": self.since(request["startTime"])[:self.most]}

    def since(self, start):
        return sorted((event for event in self.events if event["timestamp"] >= start), key=lambda event: event["timestamp"])


class AWSLogs(MiniStackLogs):
    """Answers as CloudWatch Logs does: with ids, page by page; a page may be empty."""

    def __init__(self, page=2):
        super().__init__()
        self.page = page
        self.ids = itertools.count()

    def add(self, *event, **named):
        super().add(*event, **named)
        self.events[-1]["eventId"] = next(self.ids)

    def filter_log_events(self, logGroupName, startTime, nextToken=None):
        at = -self.page  # nothing is on the first page
        if nextToken:
            started, at = map(int, nextToken.split("@"))
            if started != startTime:
                raise AssertionError("the token is another request's")
        found = self.since(startTime)
        end = at + self.page
        answer = {"events": found[max(at, 0):end]}
        if end < len(found):
            answer["nextToken"] = "%d@%d" % (startTime, end)
        return answer


def follower(source, since=0, overlap=1000):
    return logs.Follower(source, "view", "stack-view", START + since, overlap)


def messages(events):
    return [message for _, _, message in events]


class FollowerTest(unittest.TestCase):
    def test_an_event_is_told_once(self):
        source = MiniStackLogs()
        source.add(0, "a")
        source.add(5, "b")
        following = follower(source)
        self.assertEqual(following.new_events(), [(START, "view", "a"), (START + 5, "view", "b")])
        self.assertEqual(following.new_events(), [])
        source.add(5000, "c")
        self.assertEqual(messages(following.new_events()), ["c"])
        source.add(5000, "d")
        self.assertEqual(messages(following.new_events()), ["d"])
        self.assertEqual(source.requests[0], {"logGroupName": "/aws/lambda/stack-view", "startTime": START})

    def test_what_is_older_than_asked_for_is_left_out(self):
        source = MiniStackLogs()
        source.add(-1, "old")
        source.add(0, "new")
        self.assertEqual(messages(follower(source).new_events()), ["new"])

    def test_equal_events_are_as_many_as_they_are(self):
        source = MiniStackLogs()
        following = follower(source)
        for stream in ("s", "s", "t"):
            source.add(0, "same", stream)
        self.assertEqual(messages(following.new_events()), ["same"] * 3)
        source.add(0, "same")
        self.assertEqual(messages(following.new_events()), ["same"])
        self.assertEqual(following.new_events(), [])

    def test_an_event_that_turns_up_after_a_later_one_is_told(self):
        for source in (MiniStackLogs(), AWSLogs()):
            following = follower(source)
            source.add(3000, "later")
            self.assertEqual(messages(following.new_events()), ["later"])
            source.add(2000, "late")
            self.assertEqual(messages(following.new_events()), ["late"])
            self.assertEqual(following.new_events(), [])

    def test_more_events_than_one_answer_holds_are_all_told(self):
        for most in (4, 5):
            with self.subTest(most), mock.patch.object(logs, "MOST_EVENTS", most):
                source = MiniStackLogs(most)
                for number in range(20):
                    source.add(number // 3, "m%d" % number)  # three at each instant
                following = follower(source)
                self.assertEqual(messages(following.new_events()), ["m%d" % number for number in range(20)])
                self.assertEqual(following.new_events(), [])

    def test_an_instant_with_more_events_than_an_answer_holds_is_no_dead_end(self):
        with mock.patch.object(logs, "MOST_EVENTS", 4):
            source = MiniStackLogs(most=4)
            for number in range(6):
                source.add(0, "same instant %d" % number)
            source.add(1, "next")
            self.assertEqual(messages(follower(source).new_events()), ["same instant %d" % number for number in range(4)] + ["next"])

    def test_pages_are_read_to_their_end(self):
        for page in (1, 2, 3):
            source = AWSLogs(page)
            for number in range(7):
                source.add(number, "m%d" % number)
            following = follower(source)
            self.assertEqual(messages(following.new_events()), ["m%d" % number for number in range(7)])
            self.assertEqual(following.new_events(), [])

    def test_a_full_last_page_is_the_last(self):
        with mock.patch.object(logs, "MOST_EVENTS", 3):
            source = AWSLogs(page=3)
            for number in range(6):
                source.add(number, "m%d" % number)
            self.assertEqual(len(follower(source).new_events()), 6)

    def test_no_event_is_told_twice_or_missed_whatever_comes_when(self):
        """Whatever is late by the overlap at most; equal events and full answers included."""
        for seed in range(150):
            chance = random.Random(seed)
            most = chance.choice([6, 1000])
            source = chance.choice([lambda: MiniStackLogs(most), AWSLogs])()
            following, told, newest = follower(source), collections.Counter(), 0
            with mock.patch.object(logs, "MOST_EVENTS", most):
                for _ in range(15):
                    at_instant = collections.Counter(event["timestamp"] for event in source.events)
                    for _ in range(chance.randrange(6)):
                        after = max(0, newest + chance.randrange(-1000, 1500))
                        at_instant[START + after] += 1
                        if at_instant[START + after] < most:  # more than that cannot be had
                            source.add(after, chance.choice("ab"), chance.choice("st"))
                    told.update((at, message) for at, _, message in following.new_events())
                    newest = max([event["timestamp"] - START for event in source.events], default=0)
            self.assertEqual(told, collections.Counter((event["timestamp"], event["message"]) for event in source.events), "seed %d" % seed)


class LineTest(unittest.TestCase):
    def line(self, message):
        return logs.line(START, "view", 6, message)

    def test_a_record_is_its_level_message_and_fields(self):
        record = {"time": "2026-11-24T16:44:37.65812Z", "level": "INFO", "msg": "answered", "status": 200, "who": {"id": "x", "name": "Ada L"}}
        self.assertEqual(self.line(json.dumps(record)), '16:44:37.658  view    INFO answered status=200 who.id=x who.name="Ada L"')

    def test_a_text_is_one_line(self):
        self.assertEqual(self.line("REPORT RequestId: 1\tDuration: 2 ms\t\n"), "14:13:20.000  view    REPORT RequestId: 1  Duration: 2 ms")
        self.assertEqual(self.line("[1, 2]"), "14:13:20.000  view    [1, 2]")

    def test_metrics_are_shown_without_their_description(self):
        self.assertEqual(self.line('{"_aws": {"Timestamp": 1}, "Decisions": 3}'), "14:13:20.000  view    Decisions=3")

    def test_what_tells_nothing_is_left_out(self):
        for message in ("START RequestId: 1 Version: $LATEST", "END RequestId: 1", "INIT_START Runtime Version: provided",
                        '{"time": "x", "type": "platform.start", "record": {}}', '{"type": "platform.runtimeDone"}'):
            self.assertIsNone(self.line(message), message)
        self.assertIn("platform.report", self.line('{"type": "platform.report", "record": {"requestId": "1"}}'))

    def test_times_are_the_events_own(self):
        for told, shown in (("2026-11-24T16:44:37Z", "16:44:37.000"), ("2026-11-24T16:44:37.1Z", "16:44:37.100"),
                            ("yesterday", "14:13:20.007"), (5, "14:13:20.007"), (None, "14:13:20.007")):
            self.assertEqual(logs.clock(START + 7, told), shown)

    def test_a_terminal_has_nothing_to_obey(self):
        bad = "\x1b]0;x\x07\x9b2J\u202e\u2028\r\n\x00\x7f\ud800"
        for message in (bad, json.dumps({bad: bad}), json.dumps({"level": bad, "msg": bad, "list": [bad]}),
                        json.dumps({"a": {bad: {bad: bad}}}), json.dumps({"time": bad}), json.dumps({"type": bad})):
            shown = self.line(message)
            self.assertTrue(shown.isprintable(), repr(shown))
        self.assertIn("\\x1b]0;x\\x07\\x9b2J\\u202e", self.line(bad))

    def test_a_field_cannot_pass_for_another(self):
        self.assertEqual(self.line('{"path": "x status=500", "empty": ""}'), '14:13:20.000  view    path="x status=500" empty=""')


class EndOfTest(BaseException):
    pass


class FollowTest(unittest.TestCase):
    def setUp(self):
        self.sources = {"stack-view": MiniStackLogs(), "stack-create": MiniStackLogs()}
        self.deployed = types.SimpleNamespace(
            is_local=True, function=lambda name: "stack-" + name, reached=contextlib.nullcontext, client=self.client)

    def client(self, service, **settings):
        self.assertEqual(service, "logs")
        return types.SimpleNamespace(filter_log_events=lambda **request: self.sources[
            request["logGroupName"].removeprefix("/aws/lambda/")].filter_log_events(**request))

    def follow(self, *between_rounds):
        """What is printed before, and after each of what happens between the rounds."""
        out, rounds = io.StringIO(), iter(between_rounds)

        def pause(_seconds):
            happens = next(rounds, None)
            if happens is None:
                raise EndOfTest
            happens()

        with self.assertRaises(EndOfTest):
            logs.follow(self.deployed, ["create", "view"], 60, out, pause, now=lambda: START / 1000 + 60)
        return out.getvalue()

    def test_functions_are_told_together_in_order(self):
        self.sources["stack-view"].add(2, "second")
        self.sources["stack-create"].add(1, "first")
        self.sources["stack-create"].add(3, "third")
        self.sources["stack-view"].add(-1, "before the begin")
        self.assertEqual(self.follow(lambda: self.sources["stack-view"].add(4000, "fourth"), lambda: None),
                         "14:13:20.001  create  first\n14:13:20.002  view    second\n"
                         "14:13:20.003  create  third\n14:13:24.000  view    fourth\n")

    def test_on_aws_it_asks_less_often_and_waits_longer_for_late_events(self):
        self.deployed.is_local = False
        paces = []
        with self.assertRaises(EndOfTest), mock.patch.object(logs, "Follower") as made:
            def pause(seconds):
                paces.append(seconds)
                raise EndOfTest
            made.return_value.new_events.return_value = []
            logs.follow(self.deployed, ["view"], 60, io.StringIO(), pause, now=lambda: START / 1000)
        self.assertEqual((paces, made.call_args.args[4]), ([2], 15_000))


class MainTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.env = os.path.join(self.folder, "some.env")
        with open(self.env, "w") as file:
            file.write("AWS_ENDPOINT_URL=x\nVIEW_FUNCTION=v\nCREATE_FUNCTION=c\n")

    def main(self, *arguments, follow=lambda *_: None):
        """The exit status, and what was said."""
        errors = io.StringIO()
        with mock.patch("sys.argv", ["logs.py", *arguments]), mock.patch.object(logs, "follow", side_effect=follow) as following, \
                mock.patch.object(logs, "run_in_environment"), contextlib.redirect_stderr(errors):
            status = logs.main()
        return status, errors.getvalue(), following

    def test_all_functions_are_followed_unless_some_are_named(self):
        for named, followed in (([], ["create", "view"]), (["view"], ["view"])):
            following = self.main("--env", self.env, *named)[2]
            self.assertEqual(following.call_args.args[1:3], (followed, 60))

    def test_what_cannot_be_followed_is_said_in_a_line(self):
        empty = os.path.join(self.folder, "empty.env")
        open(empty, "w").close()
        for arguments, told in ((["--env", os.path.join(self.folder, "none.env")], "no local stack is running"),
                                (["--env", self.env, "vew"], "has no function vew; it has: create, view"),
                                (["--env", empty], "names no function")):
            status, said, following = self.main(*arguments)
            self.assertEqual(status, 1)
            self.assertRegex(said, r"\A.*%s.*\n\Z" % told)
            following.assert_not_called()

    def test_a_stack_that_ends_is_a_failure_and_ctrl_c_is_none(self):
        def ended(*_):
            raise Failure("it has ended")
        self.assertEqual(self.main("--env", self.env, follow=ended)[:2], (1, "it has ended\n"))
        self.assertEqual(self.main("--env", self.env, follow=KeyboardInterrupt)[:2], (0, ""))


if __name__ == "__main__":
    unittest.main()
