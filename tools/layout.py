"""Checks of the layout that no linter makes, for every module named on the command line.

  python3 tools/layout.py MODULE...
"""

import json
import os
import subprocess
import sys

MODULE = "github.com/userapikey/service/"
SDK = "github.com/aws/aws-sdk-go-v2/service/"

MOST_LINES = 400
MOST_LINES_OF_A_MAIN = 80
SUFFIXES = (".go", ".py", ".sh", ".mk")
# Not written here, or not written by people.
SKIPPED = {".git", ".venv", "build", "node_modules", "testdata"}

# Clients that would slow a cold start which somebody waits for.
UNWANTED = {"authorizer": [SDK + "secretsmanager", SDK + "eventbridge"]}


def main(modules):
    problems = sorted([*long_files(), *unchecked_files(modules), *wrong_links()])
    for problem in problems:
        print(problem)
    return 1 if problems else 0


def long_files():
    for folder, folders, names in os.walk("."):
        folders[:] = [name for name in folders if name not in SKIPPED]
        for name in names:
            path = os.path.relpath(os.path.join(folder, name))
            if not name.endswith(SUFFIXES):
                continue
            with open(path, encoding="utf-8") as file:
                lines = sum(1 for _ in file)
            most = MOST_LINES_OF_A_MAIN if path.endswith("/bootstrap/main.go") else MOST_LINES
            if lines > most:
                yield "%s: %d lines; the most is %d" % (path, lines, most)


def unchecked_files(modules):
    """A file that a build constraint leaves out is not linted, and its tests never run."""
    for module in modules:
        for package in go_list(module, "./..."):
            for name in package.get("IgnoredGoFiles", []):
                yield "%s: its build constraint keeps every check from it" % os.path.relpath(
                    os.path.join(package["Dir"], name))


def wrong_links():
    """What a deployed binary must not contain, however many imports away."""
    for function in sorted(os.listdir("functions")):
        bootstrap = "./functions/%s/bootstrap" % function
        if not os.path.isdir(bootstrap):
            continue
        for package in go_list(".", "-deps", bootstrap):
            path = package["ImportPath"]
            inner = path.removeprefix(MODULE)
            if path in UNWANTED.get(function, []):
                reason = "it must not"
            elif path.startswith(SDK) and path.endswith("/schemas"):
                reason = "which every cold start builds whole; go.mod says which version does not"
            elif path == "testing" or inner == "proof" or inner != path and path.endswith("test"):
                reason = "which is for tests"
            elif inner.startswith("localstack/"):
                reason = "which is for this machine only"
            elif inner.startswith("functions/") and inner.split("/")[1] != function:
                reason = "which is another function"
            else:
                continue
            yield "%s: links %s, %s" % (bootstrap, path, reason)


def go_list(module, *arguments):
    listed = subprocess.run(
        [os.environ.get("GO", "go"), "list", "-json=Dir,ImportPath,IgnoredGoFiles", *arguments],
        cwd=module, stdout=subprocess.PIPE, text=True)
    if listed.returncode != 0:
        sys.exit(listed.returncode)  # it has said why
    decoder, text = json.JSONDecoder(), listed.stdout.strip()
    while text:
        package, end = decoder.raw_decode(text)
        yield package
        text = text[end:].lstrip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
