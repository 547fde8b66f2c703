"""Reads what `go test -json` tells, shows failures as they happen, and counts.

The events are those of `go doc cmd/test2json` and `go help buildjson`.
"""

import collections
import json

# What the testing package writes around a test's own output.
FRAME = ("=== ", "--- ")


class Part:
    """One run of `go test`: its counts, and what went wrong.

    A test that has subtests counts only when it fails and none of them does.
    What a test logs behind "proof: " is shown also when it passes: how many cases
    it took, which nobody could know otherwise.
    """

    def __init__(self, name):
        self.name = name
        self.seconds = 0.0
        self.failures = []
        self.skip_reasons = []
        self._counts = collections.Counter()  # of all packages
        self._packages = {}

    @property
    def passed(self):
        return self._counts["pass"]

    @property
    def failed(self):
        return self._counts["fail"]

    @property
    def skipped(self):
        return self._counts["skip"]

    def take(self, line):
        try:
            event = json.loads(line)
            action = event["Action"]
        except (ValueError, KeyError, TypeError):
            print(line, end="", flush=True)  # said by the go command itself
            return
        if action == "build-output":
            print(event["Output"], end="", flush=True)
        if "Package" not in event:
            return
        package = self._packages.setdefault(event["Package"], Package(event["Package"]))
        test = event.get("Test")
        if action == "output":
            package.output[test].append(event["Output"])
        elif action == "run":
            package.with_subtests.add(test.rpartition("/")[0])
        elif action in ("pass", "fail", "skip"):
            if test is None:
                self._end_package(package, action, event)
                del self._packages[event["Package"]]
            else:
                self._end_test(package, test, action, event)

    def end(self, status):
        """The command has ended. A part in which nothing ran proves nothing, so it fails."""
        if status != 0 and not self.failed:
            self.fail("go test ended with status %d" % status)
        elif not self.passed + self.failed:
            self.fail("no test ran")

    def fail(self, what):
        self._counts["fail"] += 1
        self.failures.append("%s: %s" % (self.name, what))
        print("FAIL  %s: %s" % (self.name, what), flush=True)

    def skip(self, why):
        self._counts["skip"] += 1
        self.skip_reasons.append("%s: %s" % (self.name, why))
        print("SKIP  %s: %s" % (self.name, why), flush=True)

    def _end_test(self, package, test, action, event):
        output = package.take_output(test)
        parent = test.rpartition("/")[0]
        name = "%s %s" % (package.name, test)
        for line in output:
            _, told, text = line.partition(" proof: ")
            if told and action == "pass":
                print("      %s" % text.rstrip(), flush=True)
        if action == "fail":
            package.with_failure.add(parent)
            by_subtest = test in package.with_failure
            if output or not by_subtest:
                show("FAIL  %s (%.2f s)" % (name, event.get("Elapsed", 0)), output)
            if by_subtest:
                return
            self.failures.append(name)
        elif action == "skip":
            reason = " ".join(line.strip() for line in output)
            self.skip_reasons.append("%s: %s" % (name, reason) if reason else name)
        elif test in package.with_subtests:
            return
        self._counts[action] += 1
        package.counts[action] += 1

    def _end_package(self, package, action, event):
        if action == "skip":
            return  # it has no tests
        if action == "fail":
            self._end_failed_package(package, event)
        counted = ", ".join("%d %sed" % (package.counts[key], word)
                            for key, word in (("pass", "pass"), ("fail", "fail"), ("skip", "skipp")) if package.counts[key])
        if counted:
            print("%-5s %-40s %6.1f s  %s" % ("ok" if action == "pass" else "FAIL", package.name,
                                              event.get("Elapsed", 0), counted), flush=True)

    def _end_failed_package(self, package, event):
        if not package.counts["fail"]:
            # It was not built, or ended in the middle: whatever it has said may tell why.
            what = "does not build" if "FailedBuild" in event else "failed outside its tests"
            show("FAIL  %s %s" % (package.name, what), [
                line for lines in package.output.values() for line in lines if not line.startswith(("FAIL", "-test."))])
            self._counts["fail"] += 1
            self.failures.append("%s %s" % (package.name, what))
        for line in package.output[None]:
            if line.startswith("-test.shuffle "):
                print("      the same order again: -shuffle=%s" % line.split()[1], flush=True)


class Package:
    """What is known of a package whose tests are running."""

    def __init__(self, path):
        self.name = path.split("/service/", 1)[-1]
        self.output = collections.defaultdict(list)  # by test; the package's own is under None
        self.counts = collections.Counter()
        self.with_subtests = set()
        self.with_failure = set()

    def take_output(self, test):
        return [line for line in self.output.pop(test, []) if not line.lstrip().startswith(FRAME)]


def show(title, output):
    print("%s\n%s" % (title, "".join(output)), end="", flush=True)
