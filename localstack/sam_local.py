"""SAM local with LocalStack: the functions in containers, their data in LocalStack.

  serve   serves the API and direct invocations until Ctrl-C
  test    runs the walk-through, the end-to-end tests and the events of events/
          through it, and ends
"""

import sys

# The checkout stays as it is, without __pycache__.
sys.dont_write_bytecode = True

import argparse
import json
import os
import platform
import subprocess
import time
import types
import urllib.error

import boto3
from botocore.exceptions import BotoCoreError, ClientError

import deploy
import ending
import processes
import sam_prerequisites
import sam_stream
import sam_template
import sam_tests
import servers
from console import Failure, say, step, tail
from stack_folder import StackFolder

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, "build")
COMPOSE = os.path.join(ROOT, "localstack", "compose.yaml")
# LocalStack's, for containers, as compose.yaml has it.
COMPOSED_ENDPOINT = "http://localstack:4566"
NETWORK = "user-api-key-sam"
RELAY = "RelayFunction"
IMAGE = "public.ecr.aws/lambda/provided:al2023-rapid-%s"

HEALTHY_WITHIN_SECONDS = 120
# The first answer waits for SAM to fetch Lambda's image.
FIRST_ANSWER_WITHIN_SECONDS = 900
# SAM removes its containers before it ends.
SAM_GRACE_SECONDS = 60


class SamLocal:
    """One run of it: where everything is, and what has been started."""

    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.api_port, _, self.lambda_port = sam_prerequisites.ports(options.port)
        self.api_url, self.lambda_url = servers.gateway_url(self.api_port), servers.gateway_url(self.lambda_port)
        self.issuer_url = servers.issuer_url(options.port)
        self.composed = not options.endpoint
        self.endpoint = options.endpoint.rstrip("/") or servers.gateway_url(options.localstack_port)
        self.inner_endpoint = options.endpoint_in_container.rstrip("/") or (COMPOSED_ENDPOINT if self.composed else self.endpoint)
        self.architecture = "arm64" if platform.machine().lower() in ("arm64", "aarch64") else "x86_64"
        self.record = {"composed": self.composed, "processes": {}}
        self.children = {}
        self.stream = None

    def start(self):
        """Starts everything, and answers what a client needs to know of it."""
        self.folder.write(self.record)
        self._start("issuer", lambda: servers.start_issuer(self.folder, self.options.port, os.path.join(BUILD, "issuer")))
        servers.wait_for(self.children["issuer"], "the issuer on %s" % self.issuer_url,
                         self.issuer_url + "/.well-known/openid-configuration", self.folder.file("issuer.log"))
        self._start_localstack()
        template = deploy.read_template(os.path.join(ROOT, "template.yaml"), "template.yaml")
        deployed, outputs = self._deploy(template)
        table = deploy.only(deployed, "AWS::DynamoDB::Table")
        self._write_served(template, outputs)
        self._follow_stream(template, table)
        for name, command, port in (("api", "start-api", self.api_port), ("lambda", "start-lambda", self.lambda_port)):
            # What was used once stays warm, as on AWS.
            arguments = self.sam(command, "--host", "127.0.0.1", "--port", str(port), "--warm-containers", "LAZY")
            self._start(name, lambda: processes.start(arguments, self.sam_env(), self.folder.file(name + ".log")))
        self._wait_for_api()
        settings = {
            "API_URL": self.api_url, "AWS_ENDPOINT_URL": self.endpoint, "AWS_ENDPOINT_URL_LAMBDA": self.lambda_url,
            "AWS_REGION": servers.REGION, "TABLE_NAME": table, "ISSUER_URL": self.issuer_url,
            "EVENT_BUS_NAME": deploy.only(deployed, "AWS::Events::EventBus"),
            **{deploy.function_variable(name): name for name in sam_template.functions(template)},
        }
        deploy.write_env(self.options.env_file, settings)
        return settings

    def watch(self):
        """Refuses to go on without one of the parts."""
        for name, child in self.children.items():
            if child.poll() is not None:
                raise Failure("%s ended by itself. The end of its log:\n%s" % (name, tail(self.folder.file(name + ".log"))))
        if self.stream is not None and self.stream.error is not None:
            raise Failure("The table's stream cannot be followed any more: %s" % self.stream.error)

    # -- Parts ------------------------------------------------------------------

    def _start(self, name, launch):
        with ending.undisturbed():
            self.children[name] = launch()
            self.record["processes"][name] = processes.record(self.children[name].pid)
            self.folder.write(self.record)

    def _start_localstack(self):
        with step("Starting LocalStack" if self.composed else "Asking LocalStack at %s" % self.endpoint):
            if self.composed:
                done = compose(self.options.localstack_port, "up", "--detach", "--quiet-pull")
                if done.returncode != 0:
                    raise Failure("LocalStack did not start:\n%s" % done.stdout.strip())
            deadline = time.monotonic() + HEALTHY_WITHIN_SECONDS
            while not answers(self.endpoint + "/_localstack/health"):
                if time.monotonic() >= deadline:
                    raise Failure("No LocalStack answers at %s." % self.endpoint)
                time.sleep(0.2)

    def _copy_issuer(self, functions):
        """Puts what the issuer publishes into each function's folder (localstack/sam-bootstrap)."""
        for path in (".well-known/openid-configuration", "jwks"):
            with servers.direct.open("%s/%s" % (self.issuer_url, path), timeout=10) as answer:
                document = answer.read()
            for properties in functions.values():
                copy = os.path.join(properties["CodeUri"], "issuer", path)
                os.makedirs(os.path.dirname(copy), exist_ok=True)
                with open(copy, "wb") as file:
                    file.write(document)

    def _deploy(self, template):
        path = self._write_json("data.json", sam_template.data_template(template))
        options = types.SimpleNamespace(template=path, endpoint=self.endpoint, issuer=self.issuer_url, parameter=[])
        values = {"IssuerUrl": self.issuer_url, "Audience": deploy.AUDIENCE, "NotificationEmail": deploy.NOTIFICATION_EMAIL}
        data = deploy.Deployment(options, template=path, values=values)
        deployed = data.run()
        for name, (kind, physical) in deployed.items():
            # It goes on without what it cannot make.
            if physical == "unknown":
                raise Failure("LocalStack does not know %s (%s), and left it out." % (kind, name))
        return deployed, data.outputs()

    def _write_served(self, template, outputs):
        environments = sam_template.environments(template, outputs, {"AWS_ENDPOINT_URL": self.inner_endpoint})
        served = sam_template.function_template(template, environments, os.path.join(BUILD, "sam"), self.architecture)
        self._copy_issuer(sam_template.functions(served))
        self._write_json("template.json", served)
        # Once more as overrides: else a variable of SAM's own environment, such as
        # AWS_ENDPOINT_URL, would win over the template's.
        self._write_json("variables.json", environments)

    def _follow_stream(self, template, table):
        source = sam_template.stream_source(template, RELAY)
        arn = self.client("dynamodb").describe_table(TableName=table)["Table"]["LatestStreamArn"]
        timeout = sam_template.functions(template)[RELAY]["Timeout"]
        self.stream = sam_stream.Stream(
            self.client("dynamodbstreams"), arn, sam_template.stream_patterns(source), source["BatchSize"],
            sam_stream.invoker(self.lambda_url, RELAY, timeout + 30), say)
        self.stream.start()

    def _wait_for_api(self):
        with step("Serving the API with SAM local on %s" % self.api_url):
            deadline = time.monotonic() + FIRST_ANSWER_WITHIN_SECONDS
            while (status := status_of(self.api_url + "/v1/user-api-keys", deadline)) is None:
                self.watch()
                time.sleep(0.2)
            if status != 401:
                raise Failure("The API answers %d to a request without a token. The end of SAM's log:\n%s" % (
                    status, tail(self.folder.file("api.log"))))

    # -- What they are called with ------------------------------------------------

    def client(self, service):
        return boto3.client(service, region_name=servers.REGION, endpoint_url=self.endpoint,
                            aws_access_key_id=servers.ADMINISTRATOR_KEY, aws_secret_access_key=servers.ADMINISTRATOR_SECRET)

    def sam(self, command, *arguments):
        """The command line of `sam local`."""
        flags = ["--template", self.folder.file("template.json"), "--env-vars", self.folder.file("variables.json")]
        if self.composed:
            flags += ["--docker-network", NETWORK]
        if self._has_image():
            # It would be compared with the registry's each time.
            flags.append("--skip-pull-image")
        return [self.options.sam, "local", command, *arguments, *flags]

    def sam_env(self):
        return {
            **os.environ,
            "SAM_CLI_TELEMETRY": "0", "__SAM_CLI_APP_DIR": self.folder.file("aws-sam"),  # not in the person's home
            "AWS_ACCESS_KEY_ID": servers.ADMINISTRATOR_KEY, "AWS_SECRET_ACCESS_KEY": servers.ADMINISTRATOR_SECRET,
            "AWS_REGION": servers.REGION, "AWS_DEFAULT_REGION": servers.REGION,
            # Else SAM asks AWS who it is, for seconds, before each invocation.
            "AWS_ENDPOINT_URL": self.endpoint,
        }

    def _has_image(self):
        return subprocess.run(["docker", "image", "inspect", IMAGE % self.architecture], stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0

    def _write_json(self, name, content):
        with open(self.folder.file(name), "w", encoding="utf-8") as file:
            # CloudFormation's date of the format is a date to the YAML parser.
            json.dump(content, file, indent=1, default=str)
        return self.folder.file(name)


def compose(port, *arguments):
    return subprocess.run(["docker", "compose", "--file", COMPOSE, "--project-name", NETWORK, *arguments],
                          env={**os.environ, "LOCALSTACK_PORT": str(port)}, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")


def answers(url):
    try:
        with servers.direct.open(url, timeout=5):
            return True
    except (OSError, ValueError):
        return False


def status_of(url, deadline):
    """The status of an answer, or None when nobody is there."""
    try:
        with servers.direct.open(url, timeout=max(1, deadline - time.monotonic())) as answer:
            return answer.status
    except urllib.error.HTTPError as answer:
        return answer.code
    except (OSError, ValueError):
        if time.monotonic() >= deadline:
            raise Failure("%s does not answer." % url)
        return None


def clear(folder, options):
    """Stops what the folder's record names, and removes all that it left."""
    record = folder.read()
    if record is None:
        return
    for process in record["processes"].values():
        processes.stop(process, folder.path, grace=SAM_GRACE_SECONDS)
    if os.path.exists(options.env_file):
        os.remove(options.env_file)
    if record["composed"]:
        done = compose(options.localstack_port, "down", "--volumes")
        if done.returncode != 0:
            say("LocalStack could not be stopped; the next `make sam-local` tries again:\n%s" % done.stdout.strip())
            return
    folder.remove()


def run(options):
    folder = StackFolder(options.dir)
    if not folder.lock(patience=1):
        raise Failure("Another `make sam-local` or `make sam-local-test` is at work in this checkout.")
    try:
        clear(folder, options)  # what a run that was killed left
        sam_prerequisites.check_ports(options.port, None if options.endpoint else options.localstack_port)
        local = SamLocal(options, folder)
        try:
            settings = local.start()
            if options.command == "test":
                return sam_tests.run(local, settings)
            explain(local)
            serve(local)
        finally:
            ending.ignore_signals()
            say("\nStopping SAM local.")
            if local.stream is not None:
                local.stream.stop()
            clear(folder, options)
    finally:
        folder.unlock()


def explain(local):
    name = os.path.relpath(local.options.env_file)
    say("\nThe API is at %s; everything a client needs to know is in %s. For example:" % (local.api_url, name))
    say("  build/walkthrough -env %s" % name)
    say("  make invoke-sweep EVENT=events/sweep.json ENV=%s      # there is no clock here: this is its hand" % name)
    say('  curl -sS -H "Authorization: Bearer $(build/token -issuer %s)" %s/v1/user-api-keys' % (local.issuer_url, local.api_url))
    say("\nCtrl-C ends it.")


def serve(local):
    try:
        while True:
            local.watch()
            time.sleep(1)
    except ending.Stopped:
        return  # served until it was told to end, which is all that was asked


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("serve", "test"))
    parser.add_argument("--dir", default=sam_prerequisites.DEFAULT_DIR)
    parser.add_argument("--env-file", default=os.path.join(BUILD, "sam-local.env"))
    parser.add_argument("--sam", default=os.path.join(ROOT, ".venv", "sam", "bin", "sam"))
    parser.add_argument("--port", type=int, default=3000, help="the API's; the two after it are the issuer's and Lambda's")
    parser.add_argument("--localstack-port", type=int, default=4566, help="of the LocalStack that is started")
    parser.add_argument("--endpoint", default="", help="of a LocalStack that runs already")
    parser.add_argument("--endpoint-in-container", default="", help="its address for containers, if it is another")
    return parser.parse_args(arguments)


def main():
    options = parse(sys.argv[1:])
    ending.listen()
    try:
        return run(options) or 0
    except Failure as failure:
        sys.stdout.flush()
        print(failure, file=sys.stderr)
        return 1
    except (BotoCoreError, ClientError) as refusal:
        sys.exit("LocalStack refused: %s" % refusal)
    except ending.Stopped as stopped:
        return 128 + stopped.args[0]


if __name__ == "__main__":
    sys.exit(main())
