"""Prints the template of the table alone, as template.yaml has it.

A restored table becomes a stack's by a resource import, and an import takes a
template with nothing in it that is not there yet (docs/deploy.md).
"""

import os
import sys

# The checkout stays as it is, without __pycache__.
sys.dont_write_bytecode = True

from deployed import ROOT


def section(lines, head):
    """The lines of a block, its head included, up to the next line that is indented no deeper."""
    start = next(n for n, line in enumerate(lines) if line.rstrip() == head)
    depth = len(head) - len(head.lstrip())
    block = [lines[start]]
    for line in lines[start + 1:]:
        if line.strip() and len(line) - len(line.lstrip()) <= depth:
            break
        block.append(line)
    return "".join(block).rstrip() + "\n"


def table_template(template):
    lines = template.splitlines(keepends=True)
    parts = [section(lines, head) for head in ("Parameters:", "Conditions:")]
    return "AWSTemplateFormatVersion: '2010-09-09'\n\n" + "\n".join(parts) + "\nResources:\n" + section(lines, "  Table:")


if __name__ == "__main__":
    with open(os.path.join(ROOT, "template.yaml"), encoding="utf-8") as file:
        sys.stdout.write(table_template(file.read()))
