"""Announces again what the relay could not: empties its queue of dead letters.

A message there names a batch of the stream's records, or holds one record that
cannot be read. What they were about is in the table, so the function relay is
asked to repair and announce it again from there: all of the time in which the
batch's changes were made, or the one item. A message is deleted when that is
done; one that fails stays, and so does one of which the table has nothing.
Whoever listens may get a notice twice, and knows it by its id.

The deployment is what the env file describes: the local stack, or, when the file
has no AWS_ENDPOINT_URL, one on AWS (AWS_REGION and RELAY_FUNCTION are enough).
"""

import sys

# The checkout stays as it is, without __pycache__.
sys.dont_write_bytecode = True

import argparse
import datetime
import json
import time

from console import Failure
from deployed import Deployed, run_in_environment

# A change is dated by the function that makes it, and reaches the stream when it
# is committed: some seconds later, and never more than a function's longest time.
MARGIN = datetime.timedelta(minutes=15)
# What SQS takes and gives at once.
MOST_AT_ONCE = 10
# How long messages stay hidden from others, and when that is renewed, in seconds.
HIDDEN, RENEW_AFTER = 900, 300


class Letter:
    """A message of the queue, and what is to be asked of the relay about it."""

    def __init__(self, message):
        self.id = message["MessageId"]
        self.receipt = message["ReceiptHandle"]
        self.body = message["Body"]
        # The relay's, of what it has set aside.
        self.reason = message.get("MessageAttributes", {}).get("reason", {}).get("StringValue")
        self.span = self.item = None
        try:
            content = json.loads(self.body)
            if "DDBStreamBatchInfo" in content:
                batch = content["DDBStreamBatchInfo"]
                self.span = (instant(batch["approximateArrivalOfFirstRecord"]) - MARGIN,
                             instant(batch["approximateArrivalOfLastRecord"]) + MARGIN)
            else:
                keys = content["dynamodb"]["Keys"]
                self.item = {"pk": keys["pk"]["S"], "sk": keys["sk"]["S"]}
        except (ValueError, KeyError, TypeError):
            pass  # nobody knows what to ask


def instant(text):
    return datetime.datetime.fromisoformat(text).astimezone(datetime.timezone.utc)


def written(at):
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Queue:
    """The queue of dead letters. What is taken out of it is hidden, and not gone."""

    def __init__(self, client, url, now=time.monotonic):
        self.client, self.url, self.now = client, url, now
        self.held, self.held_at = {}, now()

    def take(self):
        """Every message that is there."""
        while True:
            # The long form asks all of the queue's servers.
            answer = self.client.receive_message(
                QueueUrl=self.url, MaxNumberOfMessages=MOST_AT_ONCE, WaitTimeSeconds=2, VisibilityTimeout=HIDDEN,
                MessageAttributeNames=["reason"])
            letters = [Letter(message) for message in answer.get("Messages", [])]
            # One that turns up again has been hidden for too long; it is known.
            new = [letter for letter in letters if letter.id not in self.held]
            self.held.update((letter.id, letter) for letter in letters)
            yield from new
            if not new:
                return

    def hold(self):
        """Keeps hidden what is not done yet."""
        if self.now() - self.held_at >= RENEW_AFTER:
            self._show_after(HIDDEN)
            self.held_at = self.now()

    def delete(self, letters):
        for some in by_tens(letters):
            answer = self.client.delete_message_batch(
                QueueUrl=self.url, Entries=[{"Id": str(i), "ReceiptHandle": self.held[letter.id].receipt} for i, letter in enumerate(some)])
            refused = {entry["Id"] for entry in answer.get("Failed", [])}
            for i, letter in enumerate(some):
                if str(i) not in refused:
                    del self.held[letter.id]

    def release(self):
        """Shows the others again at once, to whoever comes next."""
        self._show_after(0)

    def _show_after(self, seconds):
        for some in by_tens(list(self.held.values())):
            self.client.change_message_visibility_batch(QueueUrl=self.url, Entries=[
                {"Id": str(i), "ReceiptHandle": letter.receipt, "VisibilityTimeout": seconds} for i, letter in enumerate(some)])


def by_tens(letters):
    return [letters[i:i + MOST_AT_ONCE] for i in range(0, len(letters), MOST_AT_ONCE)]


def by_span(letters):
    """(since, until, letters) for each stretch of time that spans of letters cover together."""
    stretches = []
    for letter in sorted((letter for letter in letters if letter.span), key=lambda letter: letter.span):
        since, until = letter.span
        if stretches and since <= stretches[-1][1]:
            stretches[-1][1] = max(stretches[-1][1], until)
            stretches[-1][2].append(letter)
        else:
            stretches.append([since, until, [letter]])
    return stretches


class Redrive:
    def __init__(self, lambdas, relay, queue, tell):
        self.lambdas, self.relay, self.queue, self.tell = lambdas, relay, queue, tell
        self.relayed = 0

    def all(self):
        """Does what there is to do; answers how many messages are left."""
        letters = list(self.queue.take())
        self.tell("%d message(s) in the queue of dead letters." % len(letters))
        for since, until, some in by_span(letters):
            name = "%s to %s" % (written(since), written(until))
            self._one(name, {"since": written(since), "until": written(until)}, some)
        for letter in letters:
            if letter.item:
                self._one("the item %s" % json.dumps(letter.item), {"item": letter.item}, [letter])
            elif not letter.span:
                self._keep("not understood: %s" % json.dumps(letter.body[:200]), [letter])
        left = len(self.queue.held)
        self.tell("%d announced again, %d message(s) deleted, %d left." % (self.relayed, len(letters) - left, left))
        return left

    def _one(self, name, request, letters):
        done = {"relayed": 0, "failed": 0, "unreadable": 0}
        while True:
            self.queue.hold()
            answer, failure = self._ask(request)
            if failure:
                self._keep("%s: the relay failed: %s" % (name, failure), letters)
                return
            for count in done:
                done[count] += answer[count]
            if not answer["nextCursor"]:
                break
            request = {**request, "cursor": answer["nextCursor"]}
            self.tell("  %s: %d announced so far" % (name, done["relayed"]))
        self.relayed += done["relayed"]
        if done["failed"]:
            self._keep("%s: %d announced, %d failed; `make logs FUNCTION=relay` shows why" % (name, done["relayed"], done["failed"]), letters)
        elif done["unreadable"]:
            self._keep("%s: %d announced, %d cannot be read" % (name, done["relayed"], done["unreadable"]), letters)
        elif not done["relayed"]:
            self._keep("%s: the table has nothing of it" % name, letters)
        else:
            self.queue.delete(letters)
            self.tell("  %s: %d announced" % (name, done["relayed"]))

    def _keep(self, why, letters):
        # In ASCII: a terminal obeys some characters.
        self.tell("  %s. Kept: %s" % (why, ", ".join(
            letter.id + (" (set aside: %s)" % json.dumps(letter.reason) if letter.reason else "") for letter in letters)))

    def _ask(self, request):
        answer = self.lambdas.invoke(FunctionName=self.relay, Payload=json.dumps({"redrive": request}).encode())
        decoded = json.loads(answer["Payload"].read())
        if answer.get("FunctionError"):
            return None, json.dumps(decoded.get("errorMessage") if isinstance(decoded, dict) else decoded)
        return decoded, None


def forget(queue, message_id, tell):
    """Deletes one message, unannounced; answers whether it was there."""
    for letter in queue.take():
        if letter.id == message_id:
            tell(json.dumps(letter.body))
            queue.delete([letter])
            if letter.id not in queue.held:
                tell("Deleted.")
                return True
    tell("The queue of dead letters has no message %s." % json.dumps(message_id))
    return False


def run(options, tell):
    deployed = Deployed(options.env)
    relay = deployed.function("relay")
    run_in_environment(deployed)
    with deployed.reached():
        # Tried again at leisure: doing it twice does no more than once.
        lambdas = deployed.client("lambda", read_timeout=90, retries={"mode": "standard", "total_max_attempts": 3})
        variables = lambdas.get_function_configuration(FunctionName=relay)["Environment"]["Variables"]
        queue = Queue(deployed.client("sqs", read_timeout=30, retries={"mode": "standard", "total_max_attempts": 3}),
                      variables["DEAD_LETTER_QUEUE_URL"])
        try:
            if options.forget:
                return 0 if forget(queue, options.forget, tell) else 1
            return 1 if Redrive(lambdas, relay, queue, tell).all() else 0
        finally:
            queue.release()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--env", default="build/local.env", metavar="file", help="what describes the deployment (%(default)s)")
    parser.add_argument("--forget", metavar="message", help="delete this message, by its id, without announcing anything")
    try:
        return run(parser.parse_args(), lambda text: print(text, flush=True))
    except Failure as failure:
        print(failure, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130  # what was not done is in the queue


if __name__ == "__main__":
    sys.exit(main())
