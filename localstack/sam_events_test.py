import glob
import os
import unittest

import sam_events


class SamEventsTest(unittest.TestCase):
    def test_every_event_that_functions_are_invoked_with_is_sent(self):
        sent = [path for _, path in sam_events.stories()]
        found = glob.glob(os.path.join(sam_events.ROOT, "events", "**", "*.json"), recursive=True)
        events = {os.path.relpath(path, sam_events.ROOT) for path in found if "/notices/" not in path}
        self.assertEqual(sorted(sent), sorted(events))
        self.assertEqual(sent[:4], ["events/reinstate.json", "events/delete-all.json", "events/create.json", "events/view.json"])

    def test_the_recorded_answer_is_as_promised_unless_it_depends_on_who_is_there(self):
        # Made-up users of events/ have keys in the records, and none on a stack.
        theirs = {"allowed", "policyDocument", "isAuthorized"}
        for function, path in sam_events.stories():
            record = sam_events.recorded(function, path)
            with self.subTest(path):
                if not theirs & set(record):
                    sam_events.check(path, record, record)

    def test_answers_that_never_reached_the_data_are_not_taken(self):
        http, direct = {"statusCode": 200}, {"allowed": True, "reason": "key_active"}
        for path, record, answer in (
            ("events/history.json", http, {"statusCode": 401}),
            ("events/history.json", http, {"statusCode": 503}),
            ("events/view.json", http, {"statusCode": 404}),  # this user has a key
            ("events/view.json", http, {"errorType": "run_not_found"}),
            ("events/view.json", http, None),
            ("events/authorizer/direct-owner.json", direct, {"allowed": False, "reason": "unavailable"}),
            ("events/authorizer/direct-owner.json", direct, {"errorType": "Runtime.ExitError"}),
            ("events/authorizer/direct-owner.json", direct, {}),
            ("events/authorizer/direct-batch.json", {"decisions": []}, {"decisions": [{"reason": "unavailable"}]}),
            ("events/authorizer/rest-token.json", {"policyDocument": {}}, {"errorMessage": "Unauthorized"}),
            ("events/authorizer/direct-end.json", {}, {"errorType": "unavailable"}),
            ("events/relay/batch.json", {"batchItemFailures": []}, {"batchItemFailures": [{"itemIdentifier": "1"}]}),
            ("events/sweep.json", {"rotated": 1, "failed": 0}, {"rotated": 0, "failed": 1}),
        ):
            with self.subTest(answer), self.assertRaises(sam_events.Unexpected):
                sam_events.check(path, record, answer)

    def test_a_run_that_is_not_there_may_be_refused_directly(self):
        sam_events.check("events/authorizer/direct-renewal.json", {"allowed": True}, {"errorMessage": "There is no such run.", "errorType": "run_not_found"})


if __name__ == "__main__":
    unittest.main()
