import datetime
import unittest
from unittest import mock

import sam_stream

ARN = "arn:aws:dynamodb:us-east-1:000000000000:table/keys/stream/1"
INSERTS = [{"eventName": ["INSERT"]}]


class FakeStream:
    """Two shards: what a poll finds in each, and whether that is its end."""

    def __init__(self, *polls):
        self.shards, self.polls, self.asked = ["first"], list(polls), []

    def describe_stream(self, StreamArn, ExclusiveStartShardId=None):
        # One shard a page.
        place = 0 if ExclusiveStartShardId is None else self.shards.index(ExclusiveStartShardId) + 1
        page = {"Shards": [{"ShardId": self.shards[place]}]}
        if place + 1 < len(self.shards):
            page["LastEvaluatedShardId"] = self.shards[place]
        return {"StreamDescription": page}

    def get_shard_iterator(self, StreamArn, ShardId, ShardIteratorType):
        self.asked.append((ShardId, ShardIteratorType))
        return {"ShardIterator": ShardId}

    def get_records(self, ShardIterator, Limit):
        records, ends = self.polls.pop(0)
        if ends:
            self.shards.append("second")
        return {"Records": records, **({} if ends else {"NextShardIterator": ShardIterator})}


def record(number, kind="INSERT"):
    return {"eventID": str(number), "eventName": kind, "dynamodb": {
        "SequenceNumber": str(number), "ApproximateCreationDateTime": datetime.datetime(2026, 11, 16, tzinfo=datetime.timezone.utc),
        "NewImage": {"data": {"B": b"\x00\xff"}}}}


class StreamTest(unittest.TestCase):
    def setUp(self):
        patch = mock.patch("sam_stream.RETRY_SECONDS", 0)
        patch.start()
        self.addCleanup(patch.stop)
        self.batches, self.answers, self.told = [], [], []

    def invoke(self, event):
        self.batches.append([each["dynamodb"]["SequenceNumber"] for each in event["Records"]])
        self.event = event
        answer = self.answers.pop(0) if self.answers else {"batchItemFailures": []}
        if isinstance(answer, Exception):
            raise answer
        return answer

    def stream(self, client, batch_size=100):
        return sam_stream.Stream(client, ARN, INSERTS, batch_size, self.invoke, self.told.append)

    def test_what_comes_is_delivered_in_order_in_batches_when_it_fits(self):
        client = FakeStream(([record(1), record(2, "MODIFY"), record(3), record(4)], False))
        self.stream(client, batch_size=2).poll()
        self.assertEqual(self.batches, [["1", "3"], ["4"]])
        self.assertEqual(client.asked, [("first", "LATEST")])

    def test_a_record_is_as_lambda_has_it(self):
        self.stream(FakeStream(([record(1)], False))).poll()
        self.assertEqual(self.event, {"Records": [{
            "eventID": "1", "eventName": "INSERT", "eventSource": "aws:dynamodb", "eventSourceARN": ARN,
            "dynamodb": {"SequenceNumber": "1", "ApproximateCreationDateTime": 1794787200, "NewImage": {"data": {"B": "AP8="}}},
        }]})

    def test_what_is_reported_as_failed_comes_again_from_the_lowest_on(self):
        self.answers = [{"batchItemFailures": [{"itemIdentifier": "3"}, {"itemIdentifier": "2"}]}]
        self.stream(FakeStream(([record(1), record(2), record(3)], False))).poll()
        self.assertEqual(self.batches, [["1", "2", "3"], ["2", "3"]])

    def test_all_comes_again_when_the_function_fails_or_reports_nonsense(self):
        self.answers = [OSError("refused"), {"errorMessage": "x"}, None, {"batchItemFailures": [{"itemIdentifier": "9"}]}]
        self.stream(FakeStream(([record(1), record(2)], False))).poll()
        self.assertEqual(self.batches, [["1", "2"]] * 5)
        self.assertEqual(len(self.told), 3)

    def test_the_shard_that_follows_one_is_read_from_its_beginning(self):
        client = FakeStream(([record(1)], True), ([record(2)], False))
        stream = self.stream(client)
        stream.poll()
        stream.poll()
        self.assertEqual(self.batches, [["1"], ["2"]])
        self.assertEqual(client.asked, [("first", "LATEST"), ("second", "TRIM_HORIZON")])

    def test_whatever_ends_it_is_known(self):
        with mock.patch("sam_stream.POLL_SECONDS", 0):
            stream = self.stream(FakeStream())
            stream.start()
            stream._thread.join()
        self.assertIsInstance(stream.error, IndexError)


if __name__ == "__main__":
    unittest.main()
