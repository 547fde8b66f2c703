"""What SAM local has no part for: the mapping from the table's stream to the relay.

It does as Lambda does: records that fit the filters, in their order, in batches;
what the function reports as failed comes again, from the lowest of it on.
"""

import base64
import datetime
import json
import threading
import urllib.request

import servers
from sam_template import matches

# A function that fails gets its records again after so many seconds.
RETRY_SECONDS = 1
# How often the stream is asked for more.
POLL_SECONDS = 0.2
RECORDS_AT_ONCE = 1000


class Stream:
    """Follows a table's stream from the instant that it is made at; start and stop are for a thread of its own."""

    def __init__(self, client, arn, patterns, batch_size, invoke, tell):
        """invoke takes a Lambda event and answers the function's answer, or raises OSError or ValueError."""
        self._client, self._arn, self._patterns, self._batch_size = client, arn, patterns, batch_size
        self._invoke, self._tell = invoke, tell
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._known = set()
        self._iterators = {}
        self._find_shards("LATEST")
        self.error = None

    def start(self):
        self._thread.start()

    def stop(self):
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10)

    def _run(self):
        try:
            while not self._stopped.wait(POLL_SECONDS):
                self.poll()
        except Exception as error:  # whatever ends the thread has to be told by the one that waits
            self.error = error

    def poll(self):
        """Delivers what has come since the last time."""
        for shard in list(self._iterators):
            answer = self._client.get_records(ShardIterator=self._iterators[shard], Limit=RECORDS_AT_ONCE)
            records = [event_record(record, self._arn) for record in answer["Records"]]
            fitting = [record for record in records if not self._patterns or any(matches(each, record) for each in self._patterns)]
            for first in range(0, len(fitting), self._batch_size):
                self._deliver(fitting[first:first + self._batch_size])
            if answer.get("NextShardIterator"):
                self._iterators[shard] = answer["NextShardIterator"]
            else:
                # The shard has come to its end, and others go on.
                del self._iterators[shard]
                self._find_shards("TRIM_HORIZON")

    def _find_shards(self, begin):
        shards, request = [], {"StreamArn": self._arn}
        while True:
            description = self._client.describe_stream(**request)["StreamDescription"]
            shards += [shard["ShardId"] for shard in description["Shards"]]
            if not description.get("LastEvaluatedShardId"):
                break
            request["ExclusiveStartShardId"] = description["LastEvaluatedShardId"]
        for shard in shards:
            if shard not in self._known:
                self._known.add(shard)
                self._iterators[shard] = self._client.get_shard_iterator(
                    StreamArn=self._arn, ShardId=shard, ShardIteratorType=begin)["ShardIterator"]

    def _deliver(self, records):
        while records and not self._stopped.is_set():
            records = records[self._first_failed(records):]
            if records:
                self._stopped.wait(RETRY_SECONDS)

    def _first_failed(self, records):
        """The place of the first record that has to come again; as many as there are when none has."""
        try:
            failed = {each["itemIdentifier"] for each in self._invoke({"Records": records})["batchItemFailures"]}
        except (OSError, ValueError, KeyError, TypeError) as error:
            self._tell("The relay failed, and gets its %d record(s) again: %s" % (len(records), error))
            return 0
        for place, record in enumerate(records):
            if record["dynamodb"]["SequenceNumber"] in failed:
                return place
        # One that names no record of the batch means all of it, as for Lambda.
        return 0 if failed else len(records)


def event_record(record, arn):
    """A record as a Lambda event has it: what the SDK made of its bytes and times, undone."""
    return {**json.loads(json.dumps(record, default=_plain)), "eventSource": "aws:dynamodb", "eventSourceARN": arn}


def _plain(value):
    if isinstance(value, datetime.datetime):
        return int(value.timestamp())
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError("%s in a record of the stream" % type(value).__name__)


def invoker(endpoint, function, timeout):
    """Invokes a function of `sam local start-lambda`."""
    def invoke(event):
        request = urllib.request.Request(
            "%s/2015-03-31/functions/%s/invocations" % (endpoint, function),
            json.dumps(event).encode(), {"Content-Type": "application/json"})
        with servers.direct.open(request, timeout=timeout) as answer:
            return json.load(answer)
    return invoke
