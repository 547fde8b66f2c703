import contextlib
import datetime
import io
import os
import shutil
import tempfile
import types
import unittest
import zipfile

import deploy
from console import Failure

TEMPLATE = """
Parameters:
  IssuerUrl: { Type: String }
  Unrelated: { Type: String, Default: x }
Resources:
  ViewFunction:
    Type: AWS::Serverless::Function
    Properties: { CodeUri: build/lambda/view, Role: !GetAtt Role.Arn }
"""


class DeployTest(unittest.TestCase):
    parameter = []

    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.write("template.yaml", TEMPLATE)

    def write(self, name, content):
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(content)
        return path

    def deployment(self, *other):
        return deploy.Deployment(types.SimpleNamespace(
            template=os.path.join(self.folder, "template.yaml"), code=os.path.join(self.folder, "local"),
            endpoint="http://127.0.0.1:1", issuer="http://127.0.0.1:2", env_file=os.path.join(self.folder, "env"), parameter=self.parameter), *other)

    def test_the_same_files_are_the_same_archive(self):
        bootstrap = self.write("local/view/bootstrap", "code")
        os.chmod(bootstrap, 0o755)
        first = self.deployment()._zip("ViewFunction", "build/lambda/view")
        os.utime(bootstrap, (1, 1))
        self.assertEqual(first, self.deployment()._zip("ViewFunction", "./build/lambda/view/"))
        self.write("infra/sample.yaml", "Resources: {}")
        sample = self.deployment("sample", os.path.join(self.folder, "infra", "sample.yaml"), {})
        self.assertEqual(first, sample._zip("ViewFunction", "../build/lambda/view"))
        entry = zipfile.ZipFile(io.BytesIO(first)).getinfo("bootstrap")
        self.assertEqual(entry.external_attr >> 16, 0o755)

    def test_code_that_was_not_built_is_said_clearly(self):
        with self.assertRaisesRegex(Failure, "make build-local"):
            self.deployment()._zip("ViewFunction", "build/lambda/view")
        for elsewhere in ("elsewhere", "../build/lambda/view", "build/lambda/../../view"):
            with self.assertRaisesRegex(Failure, "CodeUri %s" % elsewhere):
                self.deployment()._zip("ViewFunction", elsewhere)

    def test_a_template_that_is_not_yaml_is_said_clearly(self):
        self.write("template.yaml", "a: [")
        with self.assertRaisesRegex(Failure, "not YAML"):
            self.deployment()

    def test_a_parameter_that_was_asked_for_is_given_and_one_that_does_not_exist_is_refused(self):
        self.parameter = ["Unrelated=rate(1 minute)=x"]
        self.assertIn({"ParameterKey": "Unrelated", "ParameterValue": "rate(1 minute)=x"}, self.deployment()._parameters())
        self.parameter = ["unrelated=1"]
        with self.assertRaisesRegex(Failure, "no parameter unrelated"):
            self.deployment()

    def test_only_declared_parameters_are_given(self):
        self.assertEqual(self.deployment()._parameters(),
                         [{"ParameterKey": "IssuerUrl", "ParameterValue": "http://127.0.0.1:2"}])
        self.write("sample.yaml", "Parameters: { AuthorizerFunctionArn: { Type: String } }")
        sample = self.deployment("sample", os.path.join(self.folder, "sample.yaml"), {"AuthorizerFunctionArn": "arn:x"})
        self.assertEqual(sample._parameters(), [{"ParameterKey": "AuthorizerFunctionArn", "ParameterValue": "arn:x"}])

    def test_a_stack_without_functions_has_its_bucket_before_its_template_is_put_there(self):
        template = self.write("data.yaml", "Resources: { Table: { Type: AWS::DynamoDB::Table, Properties: {} } }")
        deployment = self.deployment("data", template, {})
        calls = []
        deployment._client = lambda service: types.SimpleNamespace(
            create_bucket=lambda Bucket: calls.append(("create", Bucket)),
            put_object=lambda Bucket, Key, Body: calls.append(("put", Bucket)))
        deployment._status = lambda: "CREATE_COMPLETE"
        deployment.cloudformation = types.SimpleNamespace(update_stack=lambda **request: None)
        deployment._deployed_resources = dict
        with contextlib.redirect_stdout(io.StringIO()):
            deployment.run()
        self.assertEqual(calls, [("create", deploy.BUCKET), ("put", deploy.BUCKET)])

    def test_a_stack_that_was_never_made_is_deleted_and_made_anew(self):
        statuses = []
        deployment = self.deployment()
        deployment._upload_template = lambda: "http://127.0.0.1:1/template"
        deployment._status = lambda: statuses.pop(0)
        for failed in ("CREATE_FAILED", "ROLLBACK_COMPLETE"):
            calls = []
            deployment.cloudformation = types.SimpleNamespace(
                delete_stack=lambda StackName: calls.append("delete"), create_stack=lambda **request: calls.append("create"))
            statuses[:] = [failed, "DELETE_IN_PROGRESS", None, "CREATE_IN_PROGRESS", "CREATE_COMPLETE"]
            deployment._deploy()
            self.assertEqual((calls, statuses), (["delete", "create"], []))

    def test_a_deployment_that_failed_tells_the_reason_of_the_stack_and_of_each_resource_once(self):
        now = datetime.datetime.now(datetime.timezone.utc)
        stack = {"StackId": "arn:stack", "StackStatus": "CREATE_FAILED"}
        events = [
            {"LogicalResourceId": name, "ResourceType": kind, "PhysicalResourceId": physical,
             "ResourceStatus": status, "Timestamp": at, **reason}
            for name, kind, physical, status, at, reason in (
                ("user-api-key", "AWS::CloudFormation::Stack", "arn:stack", "CREATE_FAILED", now, {"ResourceStatusReason": "no room"}),
                ("Table", "AWS::DynamoDB::Table", "", "CREATE_FAILED", now, {}),
                ("Bus", "AWS::Events::EventBus", "", "CREATE_FAILED", now, {"ResourceStatusReason": "no bus"}),
                ("Old", "AWS::Events::EventBus", "", "CREATE_FAILED", now - datetime.timedelta(minutes=1), {}),
            )
        ]
        deployment = self.deployment()
        deployment.cloudformation = types.SimpleNamespace(
            describe_stacks=lambda StackName: {"Stacks": [stack]}, describe_stack_events=lambda StackName: {"StackEvents": events})
        resources = "\n    Bus (AWS::Events::EventBus): no bus\n    Table (AWS::DynamoDB::Table): no reason given"
        of_stack = "\n    user-api-key (AWS::CloudFormation::Stack): no room"
        self.assertEqual(deployment._failures(now.timestamp()), resources + of_stack)
        stack["StackStatusReason"] = "no room"
        self.assertEqual(deployment._failures(now.timestamp()), "\n    no room" + resources)
        events.clear()
        stack.clear()
        self.assertEqual(deployment._failures(now.timestamp()), " CloudFormation gives no reason.")

    def test_variables_are_named_after_functions(self):
        for logical_id, variable in {
            "AuthorizerFunction": "AUTHORIZER_FUNCTION",
            "DailySweepFunction": "DAILY_SWEEP_FUNCTION",
            "Relay": "RELAY_FUNCTION",
        }.items():
            self.assertEqual(deploy.function_variable(logical_id), variable)

    def test_settings_name_what_the_stack_has(self):
        deployment = self.deployment()
        outputs = [{"OutputKey": "TableName", "OutputValue": "table-1"}]
        deployment.cloudformation = types.SimpleNamespace(
            describe_stacks=lambda StackName: {"Stacks": [{"Outputs": outputs}]})
        deployed = {
            "Api": ("AWS::ApiGateway::RestApi", "abc"),
            "ApiliveStage": ("AWS::ApiGateway::Stage", "live"),
            "ViewFunction": ("AWS::Lambda::Function", "view-1"),
        }
        settings = deployment.settings(deployed)
        self.assertEqual(settings["API_URL"], "http://127.0.0.1:1/restapis/abc/live/_user_request_")
        self.assertEqual((settings["TABLE_NAME"], settings["VIEW_FUNCTION"]), ("table-1", "view-1"))
        self.assertNotIn("EVENT_BUS_NAME", settings)
        deployed["Bus"] = ("AWS::Events::EventBus", "bus-1")
        self.assertEqual(deployment.settings(deployed)["EVENT_BUS_NAME"], "bus-1")
        outputs.clear()
        with self.assertRaisesRegex(Failure, "no output TableName"):
            deployment.settings(deployed)


if __name__ == "__main__":
    unittest.main()
