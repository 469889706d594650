"""configs/gateway.schema.json accepts and refuses what the program does, as far as a schema can say it."""

import json

import jsonschema
import pytest

from harness import ROOT, rule
from test_busgatectl import EXAMPLES, ctl

SCHEMA = json.loads((ROOT / "configs/gateway.schema.json").read_text())
SESSION, SYSTEM = "dbus-gateway-config-session", "dbus-gateway-config-system"
GOOD = rule("outgoing", "org.example.Door", "/org/example/door", "Open")


def without(key):
    return {name: value for name, value in GOOD.items() if name != key}


def one(**change):
    return {SESSION: [{**GOOD, **{key.replace("_", "-"): value for key, value in change.items()}}]}


def names(**lists):
    return {"busgate": {"names": lists}}


CASES = [
    {}, [], [{}], [{}, {SESSION: []}], {SESSION: [GOOD], SYSTEM: [GOOD, GOOD]}, [{SESSION: [GOOD]}, {SESSION: [GOOD]}],
    1, "x", None, True, [1], [[]], {SESSION: {}}, {SESSION: None}, {SESSION: [1]}, {SESSION: [[]]}, {SESSION: "x"}, {SYSTEM: 1},
    *[{SESSION: [without(key)]} for key in GOOD],
    *[one(**{key: value}) for key in ["direction", "interface", "object_path"] for value in [1, None, [], {}, True, "", "*", "out*"]],
    *[one(method=value) for value in [1, None, {}, True, "", "*", [], ["a", "b"], ["a", 1], [["a"]], [None]]],
    *[one(direction=value) for value in ["incoming", "Outgoing", "up", "both", "?ncoming", "*ing"]],
    *[one(type=value) for value in ["method_call", "signal", "error", "", 1, None, [], ["signal"], ["signal", "method_call"],
                                    ["signal", "x"], ["signal", 1], {}]],
    *[one(max_fds=value) for value in [0, 1, 253, 254, -1, 1.5, "1", None, True, []]],
    *[one(action=value) for value in ["allow", "deny", "Allow", "", 1, None, True]],
    *[one(log=value) for value in [True, False, "true", 0, None]],
    *[one(comment=value) for value in ["", "why", 1, None, ["why"]]],
    *[one(name=value) for value in ["org.foo", "org.foo.*", "org.*.bar", "*", "org", "org.", ".org", "org..foo", ":1.7", "org.1foo", "o rg.foo",
                                    "org.foo-bar", "org.f?o", "", 1, None, ["org.foo"], "a." + "b" * 253, "a." + "b" * 256]],
    one(nmae="org.foo"), one(Interface="x"), one(rate={}), one(arg0="x"),
    names(), names(own=[]), names(own=["org.foo"], talk=["org.foo.*"], see=["*"]), names(own="org.foo"), names(own=[1]), names(watch=[]),
    names(talk=[":1.1"]), names(talk=["org"]), {"busgate": {}}, {"busgate": []}, {"busgate": {"x": 1}}, {"busgate": {"names": []}},
    {"unknown": 1}, {"unknown": 1, SESSION: [GOOD]}, {"$schema": "gateway.schema.json", SESSION: [GOOD]}, one(**{"$schema": "x"}),
    {"busgate": {"$schema": "x"}},
]


@pytest.mark.parametrize("document", CASES, ids=lambda document: json.dumps(document)[:60])
def test_the_schema_and_the_program_agree(document):
    validator = jsonschema.Draft7Validator(SCHEMA)
    accepted = ctl("check", "-", input=json.dumps(document)).returncode == 0
    assert validator.is_valid(document) == accepted, ctl("check", "-", input=json.dumps(document)).stderr


def test_the_cases_have_both_outcomes_and_the_schema_is_one():
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    verdicts = {jsonschema.Draft7Validator(SCHEMA).is_valid(document) for document in CASES}
    assert verdicts == {True, False}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_fits_the_schema(example):
    jsonschema.validate(json.loads(example.read_text()), SCHEMA, jsonschema.Draft7Validator)


@pytest.mark.parametrize("direction", ["up*", "*outgoing*x", "?"])
def test_what_a_schema_cannot_say_the_program_refuses(direction):
    """Whether a glob meets one of two words."""
    assert jsonschema.Draft7Validator(SCHEMA).is_valid(one(direction=direction))
    assert ctl("check", "-", input=json.dumps(one(direction=direction))).returncode == 65


def test_a_document_may_name_its_schema_without_a_warning_and_a_misspelt_one_has_one():
    assert ctl("check", "--strict", "-", input=json.dumps({"$schema": "gateway.schema.json", SESSION: [GOOD]})).returncode == 0
    wrong = ctl("check", "--strict", "-", input=json.dumps({"$shema": "gateway.schema.json", SESSION: [GOOD]}))
    assert wrong.returncode == 1 and 'expected "$schema"' in wrong.stderr


def test_every_key_of_the_language_is_in_the_schema():
    """The program names all keys of a rule when it meets one that is far from each."""
    said = ctl("check", "-", input=json.dumps(one(**{"xxxxxxxxxxxxxxxx": 1}))).stderr
    listed = said.split("expected one of ")[1].split(" [")[0]
    assert sorted(json.loads(f"[{listed}]")) == sorted(SCHEMA["definitions"]["rule"]["properties"])
