"""Who sends the requests.

Keys are made ten at once and then one every 15 minutes, and who was off-boarded
makes none: after a few requests one person could do nothing more, and every
answer would be one of a handful of refusals. So somebody else takes over from who
can do no more, and every walk along the links begins with somebody who has
nothing yet.
"""

import json
import os
import sys
import urllib.request

ACCOUNT = "0123456789abcdef0123456789abcdef"
# The person of the contract's examples, who may ask for everything.
FIRST = "IBMid-5500SAMPLE"
# What this one has is nobody else's: not a colleague's of the same account, and
# not that of who has the same IAM id in another.
PEERS = {"owner": (FIRST, ACCOUNT), "colleague": ("IBMid-5500COLLEAGUE", ACCOUNT), "stranger": (FIRST, ACCOUNT[::-1])}
ROLES = ["Administrator", "JobRunner"]
# The codes of answers that the same person would get again and again.
EXHAUSTED = ("rotation_rate_exceeded", "owner_suspended")


def bearer(iam_id, account):
    """The header of a token of the local stack's issuer."""
    claims = {"iam_id": iam_id, "account": {"bss": account}, "preferred_username": "jane.doe@example.com", "roles": ROLES}
    request = urllib.request.Request(os.environ["ISSUER_URL"] + "/token", json.dumps(claims).encode(),
                                     {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return "Bearer " + json.load(answer)["access_token"]


def write(path):
    """Writes the peers down as schemathesis reads them: in the form of Web Fuzzing Commons."""
    entries = [{"name": name, "fixedHeaders": [{"name": "Authorization", "value": bearer(*peer)}]}
               for name, peer in PEERS.items()]
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"auth": entries}, file)


class Turn:
    """Whose turn it is to be the owner."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            self._owner = self._current = json.load(file)["auth"][0]["fixedHeaders"][0]["value"]
        self._count = 1

    def pass_on(self):
        self._count += 1
        self._current = bearer("%s-%d" % (FIRST, self._count), ACCOUNT)

    def take(self, headers):
        """Whoever has the turn comes in place of the owner; who comes with another token, or none, stays."""
        if headers.get("Authorization") == self._owner:
            headers["Authorization"] = self._current


if __name__ == "__main__":
    write(sys.argv[1])
