"""template.yaml, taken in two for SAM local.

LocalStack's CloudFormation makes what holds data; SAM serves the functions and
the API from a copy in which nothing is left to resolve. Both are made of the
template each time, so there is no second list of tables, routes or variables to
keep alike.
"""

import copy
import json
import os

from console import Failure

FUNCTION = "AWS::Serverless::Function"
# By service: what the functions keep their data in and tell it to …
DATA = ("DynamoDB", "Events", "KMS", "SNS", "SQS")
# … and what SAM does itself, or has no use for.
OTHERS = ("ApiGateway", "CloudFormation", "CloudWatch", "IAM", "Lambda", "Logs", "Serverless")


def functions(template):
    return {name: resource["Properties"] for name, resource in template["Resources"].items() if resource["Type"] == FUNCTION}


def variables(template):
    """What the template gives each function as environment, unresolved."""
    shared = template.get("Globals", {}).get("Function", {}).get("Environment", {}).get("Variables", {})
    return {
        name: {**shared, **properties.get("Environment", {}).get("Variables", {})}
        for name, properties in functions(template).items()
    }


def data_template(template):
    """The resources that hold data, with an output for each value that the functions' environment refers to."""
    resources = {name: resource for name, resource in template["Resources"].items() if _holds_data(name, resource["Type"])}
    expressions = _expressions(template)
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "The data of the user API key service, for functions that run elsewhere.",
        **{section: template[section] for section in ("Parameters", "Mappings", "Conditions") if section in template},
        "Resources": resources,
        "Outputs": {_output(number): {"Value": expression} for number, expression in enumerate(expressions)},
    }


def environments(template, outputs, more):
    """Each function's environment with the values that the deployed data template puts out, and more."""
    values = {json.dumps(expression): outputs[_output(number)] for number, expression in enumerate(_expressions(template))}
    return {
        function: {**{name: values[json.dumps(value)] if isinstance(value, dict) else str(value) for name, value in own.items()}, **more}
        for function, own in variables(template).items()
    }


def function_template(template, environment, code, architecture):
    """The template that SAM serves: the code built for this machine, and environments as they are.

    A variable that a template does not declare never reaches a function of SAM
    local, so each is declared here.
    """
    served = copy.deepcopy(template)
    shared = served.get("Globals", {}).get("Function", {})
    shared.pop("Environment", None)
    shared["Architectures"] = [architecture]
    for name, properties in functions(served).items():
        folder = os.path.join(code, os.path.basename(properties["CodeUri"]))
        if not os.access(os.path.join(folder, "bootstrap"), os.X_OK):
            raise Failure("%s has no build in %s; run `make build-sam`." % (name, folder))
        properties["CodeUri"] = folder
        properties["Environment"] = {"Variables": environment[name]}
    return served


def stream_source(template, function):
    """The event of a function that follows a table's stream."""
    sources = [event["Properties"] for event in functions(template)[function]["Events"].values() if event["Type"] == "DynamoDB"]
    if len(sources) != 1:
        raise Failure("%s should follow one stream, and follows %d." % (function, len(sources)))
    return sources[0]


def stream_patterns(source):
    """What the records that it is invoked with are like; none means all."""
    return [json.loads(each["Pattern"]) for each in source.get("FilterCriteria", {}).get("Filters", [])]


def matches(pattern, value):
    """Whether a value fits a filter pattern, of which values and prefixes are known here."""
    if isinstance(pattern, dict):
        return isinstance(value, dict) and all(name in value and matches(each, value[name]) for name, each in pattern.items())
    return any(_fits(each, value) for each in pattern)


def _fits(wanted, value):
    if not isinstance(wanted, dict):
        return wanted == value
    if list(wanted) != ["prefix"]:
        raise Failure("A filter of the stream uses %s, which SAM local's stand-in for the stream does not know." % ", ".join(wanted))
    return isinstance(value, str) and value.startswith(wanted["prefix"])


def _holds_data(name, kind):
    service = kind.split("::")[1]
    if service not in DATA + OTHERS:
        raise Failure("%s is of the type %s; say in localstack/sam_template.py whether it holds data." % (name, kind))
    return service in DATA


def _expressions(template):
    """The values in environments that CloudFormation resolves, each once."""
    found = {json.dumps(value): value for own in variables(template).values() for value in own.values() if isinstance(value, dict)}
    return list(found.values())


def _output(number):
    return "Value%d" % number
