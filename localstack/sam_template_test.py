import copy
import os
import shutil
import tempfile
import unittest

import deploy
import sam_template
from console import Failure

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class SamTemplateTest(unittest.TestCase):
    def setUp(self):
        self.template = deploy.read_template(os.path.join(ROOT, "template.yaml"), "template.yaml")
        self.before = copy.deepcopy(self.template)
        self.addCleanup(lambda: self.assertEqual(self.template, self.before))  # it is not changed

    def test_the_data_is_made_without_functions(self):
        data = sam_template.data_template(self.template)
        kinds = {resource["Type"] for resource in data["Resources"].values()}
        self.assertLessEqual({"AWS::DynamoDB::Table", "AWS::Events::EventBus", "AWS::SQS::Queue"}, kinds)
        self.assertFalse({kind for kind in kinds if kind.split("::")[1] not in sam_template.DATA})
        self.assertEqual(data["Resources"]["Table"], self.template["Resources"]["Table"])
        self.assertNotIn("Transform", data)

    def test_the_data_refers_to_nothing_that_is_not_made(self):
        data = sam_template.data_template(self.template)
        known = set(data["Resources"]) | set(data["Parameters"])
        for name in references(data):
            self.assertTrue(name in known or name.startswith("AWS::"), name)

    def test_a_kind_that_nobody_has_decided_about_is_refused(self):
        template = copy.deepcopy(self.template)
        template["Resources"]["Cache"] = {"Type": "AWS::ElastiCache::CacheCluster"}
        with self.assertRaisesRegex(Failure, "Cache is of the type AWS::ElastiCache"):
            sam_template.data_template(template)

    def test_each_function_gets_its_variables_resolved(self):
        template = {
            "Globals": {"Function": {"Environment": {"Variables": {"TABLE": {"Ref": "Table"}, "LEVEL": "info", "PROCESSORS": 1}}}},
            "Resources": {
                "A": function(VARIABLE={"Fn::GetAtt": ["Queue", "Arn"]}),
                "B": function(LEVEL={"Ref": "Table"}),
                "Table": {"Type": "AWS::DynamoDB::Table"},
            },
        }
        data = sam_template.data_template(template)
        values = {name: "<%s>" % list(output["Value"].values())[0] for name, output in data["Outputs"].items()}
        self.assertEqual(len(values), 2)  # each expression once
        self.assertEqual(sam_template.environments(template, values, {"AWS_ENDPOINT_URL": "http://x"}), {
            "A": {"TABLE": "<Table>", "LEVEL": "info", "PROCESSORS": "1", "VARIABLE": "<['Queue', 'Arn']>", "AWS_ENDPOINT_URL": "http://x"},
            "B": {"TABLE": "<Table>", "LEVEL": "<Table>", "PROCESSORS": "1", "AWS_ENDPOINT_URL": "http://x"},
        })

    def test_sam_serves_what_was_built_for_this_machine(self):
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        names = sam_template.functions(self.template)
        environments = {name: {"TABLE_NAME": "table of " + name} for name in names}
        with self.assertRaisesRegex(Failure, "make build-sam"):
            sam_template.function_template(self.template, environments, folder, "x86_64")
        for properties in names.values():
            path = os.path.join(folder, os.path.basename(properties["CodeUri"]), "bootstrap")
            os.makedirs(os.path.dirname(path))
            with open(path, "w"):
                os.chmod(path, 0o700)
        served = sam_template.function_template(self.template, environments, folder, "x86_64")
        self.assertEqual(served["Globals"]["Function"]["Architectures"], ["x86_64"])
        self.assertNotIn("Environment", served["Globals"]["Function"])
        for name, properties in sam_template.functions(served).items():
            self.assertEqual(properties["Environment"], {"Variables": environments[name]})
            self.assertTrue(os.path.exists(os.path.join(properties["CodeUri"], "bootstrap")))
            self.assertEqual(properties["Events"], names[name]["Events"])

    def test_the_relay_gets_what_its_filters_let_through(self):
        source = sam_template.stream_source(self.template, "RelayFunction")
        (pattern,) = sam_template.stream_patterns(source)
        for fits, kind, sk in ((True, "INSERT", "EVENT#0000000001"), (True, "INSERT", "REFUSED#x"), (False, "MODIFY", "EVENT#0000000001"),
                               (False, "INSERT", "RING"), (False, "REMOVE", "DUE#x")):
            record = {"eventName": kind, "dynamodb": {"Keys": {"pk": {"S": "OWNER#x"}, "sk": {"S": sk}}}}
            self.assertEqual(sam_template.matches(pattern, record), fits, record)
        self.assertFalse(sam_template.matches(pattern, {"eventName": "INSERT", "dynamodb": {}}))
        with self.assertRaisesRegex(Failure, "anything-but"):
            sam_template.matches({"eventName": [{"anything-but": "REMOVE"}]}, {"eventName": "INSERT"})


def function(**variables):
    return {"Type": sam_template.FUNCTION, "Properties": {"CodeUri": "build/lambda/x", "Environment": {"Variables": variables}}}


def references(value):
    """The names in Ref, GetAtt and Sub."""
    if isinstance(value, list):
        for each in value:
            yield from references(each)
    if not isinstance(value, dict):
        return
    for name, inner in value.items():
        if name == "Ref":
            yield inner
        elif name == "Fn::GetAtt":
            yield inner[0] if isinstance(inner, list) else inner.split(".")[0]
        elif name == "Fn::Sub":
            yield from (part.split("}")[0].split(".")[0] for part in inner.split("${")[1:])
        else:
            yield from references(inner)


if __name__ == "__main__":
    unittest.main()
