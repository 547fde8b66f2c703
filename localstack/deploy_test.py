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
