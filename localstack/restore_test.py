import io
import json
import unittest

import restore
from console import Failure


class FakeLambda:
    """Answers one after the other, and remembers what it was asked."""

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), []

    def invoke(self, FunctionName, Payload):
        assert FunctionName == "stack-sweep"
        self.asked.append(json.loads(Payload))
        answer = self.answers.pop(0)
        error = {"FunctionError": "Unhandled"} if "errorMessage" in answer else {}
        return {"Payload": io.BytesIO(json.dumps(answer).encode()), **error}


def answer(rings, phased_out=0, deleted=0, failed=0, cursor=None):
    return {"rings": rings, "phasedOut": phased_out, "deleted": deleted, "failed": failed, "nextCursor": cursor}


class Restore(unittest.TestCase):
    def restore(self, *answers, apply=True):
        self.lambdas, self.told = FakeLambda(*answers), []
        return restore.restore(self.lambdas, "stack-sweep", "2026-11-02T16:45:00.000Z", apply, self.told.append)

    def test_it_goes_on_until_all_is_looked_at(self):
        self.assertEqual(self.restore(answer(2, 1, 2, cursor="a"), answer(3, cursor="b"), answer(1, deleted=1)), 0)
        request = {"to": "2026-11-02T16:45:00.000Z", "apply": True}
        self.assertEqual(self.lambdas.asked, [{"restore": r} for r in (request, {**request, "cursor": "a"}, {**request, "cursor": "b"})])
        self.assertEqual(self.told[-1], "6 users looked at: 3 key(s) deleted, 1 phased out.")

    def test_without_apply_it_only_tells(self):
        self.restore(answer(2, 1, 2), apply=False)
        self.assertIs(self.lambdas.asked[0]["restore"]["apply"], False)
        self.assertEqual(self.told, ["2 users looked at: 2 key(s) to delete, 1 to phase out.", "Nothing was changed; APPLY=1 does it."])

    def test_what_failed_is_told_and_is_no_success(self):
        self.assertEqual(self.restore(answer(2, failed=1, cursor="a"), answer(1)), 1)
        self.assertIn("1 user(s) could not be compared", self.told[-1])

    def test_a_function_that_fails_ends_it(self):
        with self.assertRaisesRegex(Failure, "key store"):
            self.restore(answer(1, cursor="a"), {"errorMessage": "The key store cannot be reached."})


class Instants(unittest.TestCase):
    def test_an_instant_is_the_same_in_every_zone(self):
        for text in ("2026-11-02T16:45:00Z", "2026-11-02T18:45:00+02:00", "2026-11-02 16:45:00+00:00"):
            self.assertEqual(restore.instant(text), "2026-11-02T16:45:00.000Z")

    def test_without_a_zone_it_is_none(self):
        for text in ("2026-11-02T16:45:00", "2026-11-02", "yesterday", "", "1793637900"):
            with self.assertRaises(Failure):
                restore.instant(text)


if __name__ == "__main__":
    unittest.main()
