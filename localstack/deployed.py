"""A deployment, as its env file describes it: on this machine, or on AWS."""

import contextlib
import os
import sys

import python_environment
from console import Failure
from servers import ADMINISTRATOR_KEY, ADMINISTRATOR_SECRET

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FUNCTION_SUFFIX = "_FUNCTION"


class Deployed:
    """Without AWS_ENDPOINT_URL in its file it is on AWS, reached with the person's own credentials."""

    def __init__(self, env_file):
        self.path = env_file
        try:
            with open(env_file, encoding="utf-8") as file:
                self.settings = dict(line.strip().split("=", 1) for line in file if "=" in line)
        except FileNotFoundError:
            raise Failure(
                "There is no %s, so no local stack is running: start it with `make up` or `make run` "
                "(ENV= names the file of another deployment)." % self.path)
        except (OSError, UnicodeDecodeError) as error:
            raise Failure("%s cannot be read: %s." % (self.path, getattr(error, "strerror", "it is no text")))
        self.endpoint = self.settings.get("AWS_ENDPOINT_URL")
        # VIEW_FUNCTION=user-api-key-view is the function view.
        self.functions = {
            name.removesuffix(FUNCTION_SUFFIX).lower().replace("_", "-"): value
            for name, value in self.settings.items() if name.endswith(FUNCTION_SUFFIX)
        }

    @property
    def is_local(self):
        return bool(self.endpoint)

    def function(self, name):
        """The name under which a function is deployed."""
        if name not in self.functions:
            known = ", ".join(sorted(self.functions)) or "none"
            raise Failure("%s has no function %s; it has: %s." % (self.path, name, known))
        return self.functions[name]

    def client(self, service, **settings):
        """A client of an AWS service. The settings are botocore's."""
        import boto3
        from botocore.config import Config

        if self.is_local:
            endpoint = self.settings.get("AWS_ENDPOINT_URL_" + service.upper().replace("-", "_"), self.endpoint)
            return boto3.client(
                service, region_name=self.settings.get("AWS_REGION"), endpoint_url=endpoint,
                aws_access_key_id=ADMINISTRATOR_KEY, aws_secret_access_key=ADMINISTRATOR_SECRET,
                config=Config(connect_timeout=5, **settings))
        # The shell may still have the local stack's AWS_ENDPOINT_URL.
        return boto3.client(service, region_name=self.settings.get("AWS_REGION"),
                            config=Config(connect_timeout=5, ignore_configured_endpoint_urls=True, **settings))

    @contextlib.contextmanager
    def reached(self):
        """Turns what keeps a client from an answer into something the person can act on."""
        from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError

        name = "The local stack of %s" % self.path if self.is_local else "AWS"
        try:
            yield
        except (ConnectionError, HTTPClientError) as error:
            if self.is_local:
                raise Failure("%s does not answer at %s; has it ended? `make up` starts it." % (name, self.endpoint))
            raise Failure("%s does not answer: %s" % (name, error))
        except BotoCoreError as error:
            raise Failure("%s cannot be asked: %s." % (name, str(error).rstrip(".")))
        except ClientError as error:
            raise Failure("%s refused: %s" % (name, error))


def run_in_environment(deployed):
    """Goes on in the virtual environment, which has boto3, unless this is it already."""
    if os.path.realpath(sys.prefix) != os.path.join(os.path.realpath(ROOT), ".venv", "ministack"):
        python = python_environment.ensure(ROOT)
        sys.stdout.flush()
        env = python_environment.local_env() if deployed.is_local else python_environment.child_env()
        os.execve(python, [python, "-B", *sys.argv], env)
