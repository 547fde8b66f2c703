"""Deploys template.yaml to a running MiniStack; runs in the virtual environment.

It is the template that AWS gets. Two things differ: the code of each function
is the build for this machine, and what MiniStack's CloudFormation leaves out
(a table's TTL) is done through the API afterwards. With --protected-api, the
sample of an API that the service protects is deployed beside it.
"""

import argparse
import hashlib
import io
import json
import os
import platform
import re
import signal
import sys
import time
import zipfile

import boto3
import yaml
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from samtranslator.yaml_helper import yaml_parse

from console import Failure, step
from servers import ADMINISTRATOR_KEY, ADMINISTRATOR_SECRET, REGION

STACK = "user-api-key"
PROTECTED_API = "protected-api"
BUCKET = "user-api-key-code"
AUDIENCE = "user-api-key"
# Nothing is mailed here, but what would be is published to the topic.
NOTIFICATION_EMAIL = "nobody@example.com"
SHIPPED_CODE = "build/lambda/"
DEPLOYED_WITHIN_SECONDS = 120
# A stack whose first deployment failed can be deleted, and nothing else.
NEVER_MADE = ("CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED")


class Deployment:
    """A stack: template.yaml, unless it is given another template and the values of its parameters."""

    def __init__(self, options, stack=STACK, template=None, values=None):
        self.options = options
        self.stack = stack
        self.path = template or options.template
        self.name = os.path.relpath(self.path, os.path.dirname(options.template))
        self.template = read_template(self.path, self.name)
        self.values = values
        if values is None:
            self.values = {"IssuerUrl": options.issuer, "Audience": AUDIENCE, "NotificationEmail": NOTIFICATION_EMAIL, **self._given(options)}
        settings = Config(retries={"total_max_attempts": 3}, connect_timeout=5, read_timeout=60)
        self._client = lambda service: boto3.client(
            service,
            region_name=REGION,
            endpoint_url=options.endpoint,
            aws_access_key_id=ADMINISTRATOR_KEY,
            aws_secret_access_key=ADMINISTRATOR_SECRET,
            config=settings,
        )
        self.cloudformation = self._client("cloudformation")

    def _given(self, options):
        """The values of parameters that somebody asked for."""
        given = dict(value.partition("=")[::2] for value in options.parameter)
        for name in given:
            if name not in self.template.get("Parameters", {}):
                raise Failure("%s has no parameter %s." % (self.name, name))
        return given

    def run(self):
        """Deploys it; answers what is deployed, as _deployed_resources does."""
        self._client("s3").create_bucket(Bucket=BUCKET)
        functions = self._resources("AWS::Serverless::Function")
        if functions:
            with step("Uploading the code of %d function(s)" % len(functions)):
                self._upload(functions)
        with step("Deploying %s" % self.name):
            self._deploy()
            deployed = self._deployed_resources()
            self._enable_expiry(deployed)
        return deployed

    def _resources(self, kind):
        return {
            name: resource["Properties"]
            for name, resource in self.template.get("Resources", {}).items()
            if resource["Type"] == kind
        }

    # -- Code -----------------------------------------------------------------

    def _upload(self, functions):
        s3 = self._client("s3")
        for name, properties in functions.items():
            archive = self._zip(name, properties.get("CodeUri"))
            # Named after its content: code that did not change stays the same
            # object, and its function is left alone.
            key = hashlib.sha256(archive).hexdigest() + ".zip"
            if not _exists(s3, key):
                s3.put_object(Bucket=BUCKET, Key=key, Body=archive)
            properties["CodeUri"] = {"Bucket": BUCKET, "Key": key}

    def _zip(self, name, code_uri):
        """The local build of what CodeUri ships, as the same bytes whenever the files are the same."""
        # From the template's folder, as SAM has it.
        shipped = os.path.normpath(os.path.join(os.path.dirname(self.name), str(code_uri)))
        if not shipped.startswith(SHIPPED_CODE):
            raise Failure("%s in %s has CodeUri %s, not %s<function>." % (name, self.name, code_uri, SHIPPED_CODE))
        folder = os.path.join(self.options.code, shipped[len(SHIPPED_CODE):])
        if not os.path.exists(os.path.join(folder, "bootstrap")):
            raise Failure("%s has no local build in %s; run `make build-local`." % (name, folder))
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as file:
            for path in sorted(_files(folder)):
                entry = zipfile.ZipInfo(os.path.relpath(path, folder), (1980, 1, 1, 0, 0, 0))
                entry.external_attr = (0o755 if os.access(path, os.X_OK) else 0o644) << 16
                with open(path, "rb") as content:
                    # Half a second later for each function at the usual level.
                    file.writestr(entry, content.read(), zipfile.ZIP_DEFLATED, compresslevel=1)
        return archive.getvalue()

    def _upload_template(self):
        """Where CloudFormation finds it; a request has room for 51,200 bytes only."""
        # CloudFormation's date of the format is a date to the YAML parser.
        body = json.dumps(self.template, default=str).encode()
        key = hashlib.sha256(body).hexdigest() + ".json"
        self._client("s3").put_object(Bucket=BUCKET, Key=key, Body=body)
        return "%s/%s/%s" % (self.options.endpoint, BUCKET, key)

    # -- Stack ----------------------------------------------------------------

    def _deploy(self):
        since = time.time()
        request = {
            "StackName": self.stack,
            "TemplateURL": self._upload_template(),
            "Parameters": self._parameters(),
            "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
        }
        status = self._status()
        if status in NEVER_MADE:
            self.cloudformation.delete_stack(StackName=self.stack)
            status = self._settled(since)
        if status is None:
            self.cloudformation.create_stack(**request)
        else:
            try:
                self.cloudformation.update_stack(**request)
            except ClientError as refusal:
                if "No updates are to be performed" in str(refusal):
                    return
                raise
        status = self._settled(since)
        if status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            raise Failure("The deployment failed (%s).%s" % (status, self._failures(since)))

    def _settled(self, since):
        """The status once nothing is in progress any more, or None when there is no stack."""
        deadline = time.monotonic() + DEPLOYED_WITHIN_SECONDS
        while (status := self._status()) is not None and status.endswith("_IN_PROGRESS"):
            if time.monotonic() >= deadline:
                raise Failure("The deployment is not complete after %d s (%s).%s" % (
                    DEPLOYED_WITHIN_SECONDS, status, self._failures(since)))
            time.sleep(0.05)
        return status

    def _parameters(self):
        """The values that differ from AWS; all others are the template's defaults."""
        machine = platform.machine().lower()
        values = {**self.values, "Architecture": "arm64" if machine in ("arm64", "aarch64") else "x86_64"}
        declared = self.template.get("Parameters", {})
        return [{"ParameterKey": key, "ParameterValue": value} for key, value in values.items() if key in declared]

    def _described(self):
        return self.cloudformation.describe_stacks(StackName=self.stack)["Stacks"][0]

    def _status(self):
        try:
            return self._described()["StackStatus"]
        except ClientError as refusal:
            if "does not exist" in str(refusal):
                return None
            raise

    def _failures(self, since):
        """What went wrong with the stack, then with which resource, the first cause first."""
        stack = self._described()
        reason = stack.get("StackStatusReason")
        events = self.cloudformation.describe_stack_events(StackName=self.stack)["StackEvents"]
        lines = ["\n    " + reason] if reason else []
        lines += [
            "\n    %s (%s): %s" % (
                event["LogicalResourceId"], event["ResourceType"], event.get("ResourceStatusReason") or "no reason given")
            for event in reversed(events)
            if event["ResourceStatus"].endswith("_FAILED") and event["Timestamp"].timestamp() >= since - 1
            # The stack's own event has the stack's reason again.
            and not (reason and event.get("PhysicalResourceId") == stack["StackId"])
        ]
        return "".join(lines) or " CloudFormation gives no reason."

    def _deployed_resources(self):
        """Logical id to (type, physical id)."""
        pages = self.cloudformation.get_paginator("list_stack_resources").paginate(StackName=self.stack)
        return {
            resource["LogicalResourceId"]: (resource["ResourceType"], resource["PhysicalResourceId"])
            for page in pages
            for resource in page["StackResourceSummaries"]
        }

    def _enable_expiry(self, deployed):
        dynamodb = self._client("dynamodb")
        for name, properties in self._resources("AWS::DynamoDB::Table").items():
            wanted = properties.get("TimeToLiveSpecification")
            if not wanted:
                continue
            table = deployed[name][1]
            now = dynamodb.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
            if now["TimeToLiveStatus"] == "DISABLED":
                dynamodb.update_time_to_live(TableName=table, TimeToLiveSpecification=wanted)

    # -- What others need to know -----------------------------------------------

    def outputs(self):
        return {output["OutputKey"]: output["OutputValue"] for output in self._described().get("Outputs", [])}

    def output(self, name):
        outputs = self.outputs()
        if name not in outputs:
            raise Failure("%s has no output %s." % (self.name, name))
        return outputs[name]

    def api_url(self, deployed):
        return "%s/restapis/%s/%s/_user_request_" % (
            self.options.endpoint, only(deployed, "AWS::ApiGateway::RestApi"), only(deployed, "AWS::ApiGateway::Stage"))

    def settings(self, deployed):
        settings = {
            "API_URL": self.api_url(deployed),
            "AWS_ENDPOINT_URL": self.options.endpoint,
            "AWS_REGION": REGION,
            "TABLE_NAME": self.output("TableName"),
            "ISSUER_URL": self.options.issuer,
        }
        if any(kind == "AWS::Events::EventBus" for kind, _ in deployed.values()):
            settings["EVENT_BUS_NAME"] = only(deployed, "AWS::Events::EventBus")
        for name, (kind, physical) in sorted(deployed.items()):
            if kind == "AWS::Lambda::Function":
                settings[function_variable(name)] = physical
        return settings


def deploy(options):
    """Deploys all that the options ask for, and writes the env file."""
    service = Deployment(options)
    settings = service.settings(service.run())
    if options.protected_api:
        # AuthorizerFunctionArn is the one value that its template wants.
        sample = Deployment(options, PROTECTED_API, options.protected_api,
                            {"AuthorizerFunctionArn": service.output("AuthorizerFunctionArn")})
        settings["PROTECTED_API_URL"] = sample.api_url(sample.run())
    write_env(options.env_file, settings)


def read_template(path, name):
    try:
        with open(path) as file:
            return yaml_parse(file.read())
    except FileNotFoundError:
        raise Failure("There is no %s to deploy." % path)
    except yaml.YAMLError as error:
        raise Failure("%s is not YAML: %s" % (name, error))


def function_variable(logical_id):
    """AuthorizerFunction is AUTHORIZER_FUNCTION, ColdStartFunction COLD_START_FUNCTION."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", logical_id.removesuffix("Function"))
    return words.upper() + "_FUNCTION"


def write_env(path, settings):
    """Writes KEY=VALUE lines, all of them or none."""
    draft = path + ".new"
    with open(draft, "w") as file:
        file.writelines("%s=%s\n" % item for item in settings.items())
    os.replace(draft, path)


def only(deployed, kind):
    """The physical id of the one resource of a kind."""
    found = [physical for each, physical in deployed.values() if each == kind]
    if len(found) != 1:
        raise Failure("The stack should have one %s, and has %d." % (kind, len(found)))
    return found[0]


def _exists(s3, key):
    try:
        s3.head_object(Bucket=BUCKET, Key=key)
        return True
    except ClientError:
        return False


def _files(folder):
    for parent, _, names in os.walk(folder):
        for name in names:
            yield os.path.join(parent, name)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("template", "code", "endpoint", "issuer", "env-file"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--protected-api", help="the template of the sample of a protected API (not deployed without)")
    parser.add_argument("--parameter", metavar="NAME=VALUE", action="append", default=[])
    # Ctrl-C is for the command that started this one; it ends this one too.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        deploy(parser.parse_args())
    except Failure as failure:
        sys.exit(str(failure))
    except (BotoCoreError, ClientError) as refusal:
        sys.exit("The deployment was refused: %s" % refusal)


if __name__ == "__main__":
    main()
