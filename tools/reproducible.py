"""Builds the functions twice, as differently as two people would, and fails unless the bytes are the same.

  python3 tools/reproducible.py SAM_PYTHON

Once in a copy of this tree, once in another one, in a folder of another name and
depth, with an empty build cache, another time zone, umask and Go flags, and in a
repository that has no commit. Compared are the binaries, and the archives that SAM
CLI makes of them, which are what Lambda gets; SAM_PYTHON is the Python that has it.
"""

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True

import drift

FOLDER = os.path.abspath("build/reproducible")
GO = os.environ.get("GO", "go")

# The arguments: the folder of the functions, and where to put the archives.
PACK = """
import os, sys
from samcli.lib.package.utils import make_zip_with_lambda_permissions
for name in sorted(os.listdir(sys.argv[1])):
    make_zip_with_lambda_permissions(os.path.join(sys.argv[2], name), os.path.join(sys.argv[1], name))
"""


def main(sam_python):
    shutil.rmtree(FOLDER, ignore_errors=True)
    try:
        first = built("a", sam_python, {})
        second = built("another/folder", sam_python, {
            "GOCACHE": os.path.join(FOLDER, "cache"), "GOFLAGS": "-race", "TZ": "Pacific/Auckland"}, umask=0o077, stranger=True)
    finally:
        shutil.rmtree(FOLDER, ignore_errors=True)
    if not first:
        sys.exit("Nothing was built.")
    different = sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))
    for name in different:
        print("%s differs: %s and %s" % (name, first.get(name), second.get(name)))
    if not different:
        for name, digest in sorted(first.items()):
            print("%s  %s" % (digest, name))
        print("All %d files are the same in both builds." % len(first))
    return 1 if different else 0


def built(place, sam_python, env, umask=0o022, stranger=False):
    """The digest of each binary and archive of a build in a copy of this tree."""
    print("== make build in %s" % os.path.join("build/reproducible", place), flush=True)
    root = os.path.join(FOLDER, place, "service")
    for path in drift.kept_files():
        copy = os.path.join(root, path)
        os.makedirs(os.path.dirname(copy), exist_ok=True)
        shutil.copyfile(path, copy)
    if stranger:
        run(["git", "init", "--quiet"], root)
    # What make told its children about itself is not for another make.
    env = {**{name: value for name, value in os.environ.items() if not name.startswith("MAKE") and name != "MFLAGS"}, **env}
    run(["make", "--no-print-directory", "build", "GO=" + GO], root, env, umask)
    archives = os.path.join(FOLDER, place, "archives")
    os.makedirs(archives)
    run([sam_python, "-c", PACK, os.path.join(root, "build", "lambda"), archives], root, env, umask)
    return {**digests(os.path.join(root, "build", "lambda")), **digests(archives)}


def digests(folder):
    found = {}
    for parent, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(parent, name)
            with open(path, "rb") as file:
                found[os.path.relpath(path, folder)] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def run(command, folder, env=None, umask=-1):
    with contextlib.suppress(subprocess.CalledProcessError):
        subprocess.run(command, cwd=folder, env=env, umask=umask, check=True)
        return
    sys.exit("This failed: %s" % " ".join(command[:3]))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
