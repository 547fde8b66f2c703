"""Fails when something that is generated or arranged by a tool is not as the tool would make it.

  python3 tools/drift.py MODULE...
"""

import hashlib
import os
import subprocess
import sys

GO = os.environ.get("GO", "go")


def main(modules):
    clean = True
    for module in [*modules, "tools"]:
        print("== %s: go mod tidy -diff" % module, flush=True)
        clean &= run(GO, "mod", "tidy", "-diff", cwd=module)
    before = digests()
    for module in modules:
        print("== %s: go generate" % module, flush=True)
        clean &= run(GO, "generate", "./...", cwd=module)
    after = digests()
    for path in sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path)):
        print("%s: go generate changes it" % path)
        clean = False
    print("== gofmt", flush=True)
    return 0 if clean & formatted(filter(is_go, after)) else 1


def formatted(paths):
    root = subprocess.run([GO, "env", "GOROOT"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    listed = subprocess.run([os.path.join(root, "bin", "gofmt"), "-l", *paths], stdout=subprocess.PIPE, text=True)
    print(listed.stdout, end="")
    return listed.returncode == 0 and not listed.stdout


def run(*command, cwd):
    return subprocess.run(command, cwd=cwd).returncode == 0


def kept_files():
    """Every file that git keeps or would keep."""
    names = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                           check=True, stdout=subprocess.PIPE, text=True).stdout
    return [path for path in names.split("\0") if os.path.isfile(path)]


def digests():
    found = {}
    for path in kept_files():
        with open(path, "rb") as file:
            found[path] = hashlib.sha256(file.read()).digest()
    return found


def is_go(path):
    return path.endswith(".go")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
