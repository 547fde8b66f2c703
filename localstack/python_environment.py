"""The virtual environment that MiniStack and the deployment run in.

  python3 localstack/python_environment.py ARGUMENT...   runs its Python with them
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys

from console import Failure, step

OLDEST_PYTHON = (3, 11)  # what pycparser and rpds-py in requirements.txt ask for


def check():
    """Refuses a Python that the environment cannot be made with."""
    if sys.version_info < OLDEST_PYTHON:
        raise Failure("The local stack needs Python %d.%d or newer; this is Python %d.%d (%s). Name another with PYTHON=." % (
            *OLDEST_PYTHON, *sys.version_info[:2], sys.executable))
    try:
        import ensurepip  # noqa: F401  (Debian ships venv without it)
        import venv  # noqa: F401
    except ImportError:
        raise Failure(
            "This Python (%s) lacks the venv module, which the local stack needs "
            "(on Debian and Ubuntu: apt install python3-venv)." % sys.executable
        )


def ensure(root):
    """Makes the environment if it is missing, half made or out of date; answers its Python."""
    check()
    folder = _folder(root)
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    # Stacks side by side share the environment; the second waits for the first.
    with open(folder + ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_ready(root):
            with step("Installing MiniStack into .venv/ministack (once)"):
                _make(root, folder)
    return _python(folder)


def is_ready(root):
    """Whether it is whole and has what requirements.txt asks for."""
    folder = _folder(root)
    return os.path.exists(_python(folder)) and _read(_stamp(folder)) == _fingerprint(root)


def _make(root, folder):
    shutil.rmtree(folder, ignore_errors=True)
    _run([sys.executable, "-m", "venv", folder])
    _run([_python(folder), "-m", "pip", "install", "--quiet", "--no-input",
          "--disable-pip-version-check", "--requirement", _requirements(root)])
    # Last, so that whatever stops the steps before leaves no stamp.
    with open(_stamp(folder), "w") as file:
        file.write(_fingerprint(root))


def child_env():
    """The environment for a Python of the virtual environment, without another Python's settings."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONHOME", "PYTHONPATH")}


def local_env():
    """The same for a client of the local stack, to which the person's AWS settings and proxy mean nothing."""
    env = {name: value for name, value in child_env().items()
           if not name.startswith("AWS_") and not name.lower().endswith("_proxy")}
    env.update(AWS_CONFIG_FILE=os.devnull, AWS_SHARED_CREDENTIALS_FILE=os.devnull)
    return env


def _folder(root):
    return os.path.join(root, ".venv", "ministack")


def _python(folder):
    return os.path.join(folder, "bin", "python")


def _stamp(folder):
    return os.path.join(folder, "complete")


def _requirements(root):
    return os.path.join(root, "localstack", "requirements.txt")


def _fingerprint(root):
    """Changes when the packages do, and when another Python is to run them."""
    with open(_requirements(root), "rb") as file:
        packages = hashlib.sha256(file.read()).hexdigest()
    return "%s %s %s\n" % (packages, os.path.realpath(sys.executable), sys.version.split()[0])


def _read(path):
    try:
        with open(path) as file:
            return file.read()
    except FileNotFoundError:
        return None


def _run(command):
    done = subprocess.run(
        command, env=child_env(), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
    )
    if done.returncode != 0:
        last = "\n".join("    " + line for line in done.stdout.splitlines()[-12:])
        raise Failure(
            "The Python packages of the local stack could not be installed; "
            "is the package index within reach?\n%s" % last
        )


if __name__ == "__main__":
    try:
        own_python = ensure(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    except Failure as failure:
        sys.exit(str(failure))
    os.execve(own_python, [own_python, "-B", *sys.argv[1:]], local_env())
