import os
import re
import unittest

import table_template
from deployed import ROOT


class TableTemplate(unittest.TestCase):
    def setUp(self):
        with open(os.path.join(ROOT, "template.yaml"), encoding="utf-8") as file:
            self.whole = file.read()
        self.text = table_template.table_template(self.whole)

    def test_the_table_is_the_one_resource_and_as_it_is_deployed(self):
        resources = self.text.split("\nResources:\n")[1]
        self.assertEqual(re.findall(r"(?m)^  (\w+):", resources), ["Table"])
        self.assertIn(resources.rstrip(), self.whole)
        # An import refuses a resource that is not kept, and one that is half a table is another.
        for line in ("DeletionPolicy: Retain", "KeySchema:", "StreamSpecification:", "TimeToLiveSpecification:"):
            self.assertIn(line, resources)

    def test_it_refers_to_nothing_that_it_does_not_have(self):
        head, resources = self.text.split("\nResources:\n")
        known = set(re.findall(r"(?m)^  (\w+):", head)) | {"Table"}
        referred = re.findall(r"!(?:Ref|Condition|GetAtt) ([A-Za-z]+)(?![\w:])", self.text)
        self.assertEqual([name for name in referred if name not in known and name != "AWS"], [])
        self.assertNotIn("Transform", self.text)

    def test_a_template_without_a_table_is_none(self):
        with self.assertRaises(StopIteration):
            table_template.table_template("Parameters:\nConditions:\nResources:\n")


if __name__ == "__main__":
    unittest.main()
