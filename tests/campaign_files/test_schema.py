"""The JSON Schema that editors read."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from rfs_mail.campaign_files.schema import campaign_schema, schema_text
from tests.project_samples import COUNTDOWN, ROOT, WELCOME

SCHEMA = campaign_schema()
TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}
KNOWN = {
    "$schema", "title", "definitions", "description", "$ref", "type", "properties", "additionalProperties", "required",
    "items", "minItems", "minimum", "enum", "pattern", "oneOf", "anyOf", "allOf", "not",
}  # fmt: skip


def _wrong(schema: dict[str, Any], value: Any, place: str = "") -> Iterator[str]:
    """What JSON Schema draft 7 has against a value, for the words that our schema uses."""
    assert set(schema) <= KNOWN
    if "$ref" in schema:
        yield from _wrong(SCHEMA["definitions"][schema["$ref"].rpartition("/")[2]], value, place)
        return
    types = [schema["type"]] if isinstance(schema.get("type"), str) else schema.get("type", [])
    if types and not any(
        isinstance(value, TYPES[name]) and (name == "boolean" or not isinstance(value, bool)) for name in types
    ):
        yield f"{place}: {value!r} is no {types}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{place}: {value!r} is none of {schema['enum']}"
    if "pattern" in schema and isinstance(value, str) and not re.search(schema["pattern"], value):
        yield f"{place}: {value!r} does not fit {schema['pattern']}"
    if "minimum" in schema and value < schema["minimum"]:
        yield f"{place}: {value} is too small"
    if isinstance(value, dict):
        yield from (f"{place}: {key} is missing" for key in schema.get("required", []) if key not in value)
        rest = schema.get("additionalProperties", True)
        for key, item in value.items():
            inner = schema.get("properties", {}).get(key)
            if inner is None and rest is False:
                yield f"{place}: there is no {key}"
            elif inner is not None or isinstance(rest, dict):
                yield from _wrong(inner or rest, item, f"{place}.{key}")
    if isinstance(value, list):
        if len(value) < schema.get("minItems", 0):
            yield f"{place}: too few"
        for item in value if "items" in schema else ():
            yield from _wrong(schema["items"], item, f"{place}[]")
    for word, fits in (("allOf", all), ("anyOf", any)):
        if word in schema and not fits(not list(_wrong(part, value, place)) for part in schema[word]):
            yield f"{place}: {value!r} fits not {word}"
    if "oneOf" in schema and sum(not list(_wrong(part, value, place)) for part in schema["oneOf"]) != 1:
        yield f"{place}: {value!r} fits not exactly one"
    if "not" in schema and not list(_wrong(schema["not"], value, place)):
        yield f"{place}: {value!r} fits what it must not"


class _AsEditors(yaml.SafeLoader):
    """YAML 1.2, as the language server of editors reads it: `on` is a word and only `true` and `false` are not."""


_AsEditors.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in kept if tag != "tag:yaml.org,2002:bool"]
    for first, kept in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_AsEditors.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("true|false"), list("tf"))


def _load(text: str) -> Any:
    """A file with the types an editor sees."""
    return yaml.load(text, _AsEditors)


def test_the_shipped_schema_is_the_one_of_this_version() -> None:
    """`campaigns/campaign.schema.json` is what the code says. To write it anew: print `schema_text()` into it."""
    assert schema_text() == (ROOT / "campaigns" / "campaign.schema.json").read_text(encoding="utf-8")
    assert json.loads(schema_text()) == SCHEMA


@pytest.mark.parametrize(
    "path",
    [path for path in sorted((ROOT / "campaigns").glob("*.yaml")) if "\nsteps:" in path.read_text(encoding="utf-8")],
    ids=lambda path: path.stem,
)
def test_the_shipped_campaigns_fit(path: Path) -> None:
    """An editor has nothing against them, and they name the schema."""
    text = path.read_text(encoding="utf-8")
    assert list(_wrong(SCHEMA, _load(text))) == []
    assert text.startswith("# yaml-language-server: $schema=./campaign.schema.json\n")


@pytest.mark.parametrize("text", [COUNTDOWN, WELCOME, WELCOME + "holdout: 5%\nreentry: after 90d\nwhile: endorsable\n"])
def test_samples_fit(text: str) -> None:
    """What `check` accepts, the schema accepts."""
    assert list(_wrong(SCHEMA, _load(text))) == []


@pytest.mark.parametrize(
    "text",
    [
        WELCOME.replace("topic:", "topc:"),
        WELCOME.replace("id: welcome\n", ""),
        WELCOME.replace("id: welcome", "id: Wel-come"),
        WELCOME.replace("mail: hello", "mial: hello"),
        WELCOME.replace("mail: hello", "mail: hello, task: x"),
        WELCOME.replace("mail: hello", "when: endorsable"),
        WELCOME.replace("mail: hello", "mail: hello.md"),
        WELCOME.replace("{event: signup}", "{stage: fild}"),
        WELCOME.replace("{event: signup}", "{event: signup, existing: 500}"),
        WELCOME + "holdout: 5\n",
        WELCOME + "on_edit: pinned\n",
        WELCOME.replace("mail: hello", "branch: []"),
    ],
)
def test_mistakes_are_seen_while_writing(text: str) -> None:
    """Keys that are not there, missing ones, wrong words and two actions in a step."""
    assert list(_wrong(SCHEMA, _load(text)))
