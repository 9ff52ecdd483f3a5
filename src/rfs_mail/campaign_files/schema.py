"""
The JSON Schema of a campaign file, for editors: completion, a line about each key, and red lines while writing.

It knows shapes and words; what names mean is `check`'s. `campaigns/campaign.schema.json` is this, written out.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from rfs_mail.campaign_files import keys
from rfs_mail.core.values import Stage

Schema = dict[str, Any]

DRAFT: Final = "http://json-schema.org/draft-07/schema#"
"""What the YAML language server of editors reads."""

_ID: Final = "^[a-z][a-z0-9_]{0,63}$"


def campaign_schema() -> Schema:
    """The schema of one campaign file."""
    return {
        "$schema": DRAFT,
        "title": "A campaign of rfs-mail",
        **_table(keys.CAMPAIGN, _CAMPAIGN, ("id", "entity", "topic", "entry", "steps")),
        "definitions": _DEFINITIONS,
    }


def schema_text() -> str:
    """The schema as the text of its file."""
    return json.dumps(campaign_schema(), indent=2, ensure_ascii=False) + "\n"


def _ref(name: str) -> Schema:
    return {"$ref": f"#/definitions/{name}"}


def _words(*words: str) -> Schema:
    return {"enum": list(words)}


def _list(item: Schema) -> Schema:
    return {"type": "array", "items": item}


def _one_or_more(item: Schema) -> Schema:
    return {"oneOf": [item, _list(item)]}


def _map(item: Schema) -> Schema:
    return {"type": "object", "additionalProperties": item}


def _table(about: Mapping[str, str], shapes: Mapping[str, Schema], required: tuple[str, ...] = ()) -> Schema:
    """A mapping with these keys alone, each with its line."""
    properties = {key: {"description": line, **_shape(shapes[key])} for key, line in about.items()}
    table: Schema = {"type": "object", "additionalProperties": False, "properties": properties}
    return {**table, "required": list(required)} if required else table


def _shape(shape: Schema) -> Schema:
    """A reference beside other keywords is ignored in this draft, so it is wrapped."""
    return {"allOf": [shape]} if "$ref" in shape else shape


_TEXT: Final = _ref("text")
_NAME: Final = _ref("id")
_TIME: Final = _ref("time")
_CONDITION: Final = _ref("condition")
_YES_NO: Final[Schema] = {"type": "boolean"}

_ENTRY: Final = {
    "event": _NAME,
    "stage": _words(*(stage.value for stage in Stage)),
    "per": _NAME,
    "on": _words("moved"),
    "from": _TIME,
    "to": _TIME,
    "require": _CONDITION,
    "existing": {"oneOf": [_words("skip", "all"), {"type": "string", "pattern": "^[0-9]+ */ *d$"}]},
    "late": _words("join", "catch_up", "skip"),
}
_SEND: Final = {"days": _TEXT, "hours": _TEXT, "rate": _TEXT, "expires": _TEXT}
_TASK: Final = {"title": _TEXT, "for": _TEXT, "due": _TEXT}
_SUPPRESS: Final = {"scope": _words("entity", "all"), "except": _one_or_more(_NAME), "because": _words("inactive")}
_CHANGE: Final = {
    "set": _map(_TEXT),
    "tag": _one_or_more(_NAME),
    "untag": _one_or_more(_NAME),
    "unsubscribe": _words("topic", "entity"),
    "suppress": _table(keys.SUPPRESS, _SUPPRESS, ("scope", "because")),
    "task": _ref("task"),
}
_ARM: Final = {"when": _CONDITION, "steps": _ref("steps")}
_GOAL: Final = {"when": _CONDITION, "then": _words("end", "continue")}
_EXIT: Final = {"when": _CONDITION, "task": _ref("task")}
_STEP: Final = {
    "key": _NAME,
    "was": _NAME,
    "at": _TIME,
    "when": _CONDITION,
    "mail": {"type": "string", "pattern": "^([a-z][a-z0-9_]*/)?[a-z][a-z0-9_]*$"},
    "subject": _NAME,
    "variants": _map({"type": "integer", "minimum": 0}),
    "answers": _map(_table(keys.ANSWER, _CHANGE)),
    "priority": _words("normal", "deadline"),
    "not_after": _TIME,
    "cap": _words("count", "exempt"),
    "send": _table(keys.STEP_SEND, _SEND),
    "backfill": _YES_NO,
    "wait_for": _CONDITION,
    "until": _TIME,
    "branch": {
        **_list(_table(keys.ARM, {"when": _CONDITION, "steps": _ref("steps")}, ("when", "steps"))),
        "minItems": 1,
    },
    "else": _ref("steps"),
    **_CHANGE,
}
_CAMPAIGN: Final = {
    "id": _NAME,
    "name": _TEXT,
    "was": _NAME,
    "entity": _NAME,
    "topic": _NAME,
    "languages": _one_or_more({"type": "string", "pattern": "^[a-z]{2,3}(-[A-Z]{2})?$"}),
    "audience": _one_or_more(_CONDITION),
    "exclude": _one_or_more(_CONDITION),
    "entry": _table(keys.ENTRY, _ENTRY),
    "send": _table(keys.SEND, _SEND),
    "holdout": {"type": "string", "pattern": "^[0-9]{1,2}(\\.[0-9]{1,4})? *%$"},
    "steps": _ref("steps"),
    "goal": {
        "oneOf": [_CONDITION, _table(keys.GOAL, {"when": _CONDITION, "then": _words("end", "continue")}, ("when",))]
    },
    "exit": _one_or_more(
        {"oneOf": [_CONDITION, _table(keys.EXIT, {"when": _CONDITION, "task": _ref("task")}, ("when",))]}
    ),
    "while": _CONDITION,
    "ends": _TIME,
    "reentry": {"type": "string", "pattern": "^(never|after .+)$"},
    "on_edit": _words("follow", "pin"),
    "on_uncertain": _words("hold", "resend"),
}


def _actions() -> list[Schema]:
    """One action a step; a change may be several changes at once."""
    single = ("mail", "wait_for", "branch", "task")
    changes = list(keys.CHANGE)
    alone = [
        {"required": [key], "not": {"anyOf": [{"required": [other]} for other in keys.ACTIONS if other != key]}}
        for key in single
    ]
    changing = {
        "anyOf": [{"required": [key]} for key in changes],
        "not": {"anyOf": [{"required": [key]} for key in single]},
    }
    return [*alone, changing]


_DEFINITIONS: Final[Schema] = {
    "id": {"type": "string", "pattern": _ID},
    "text": {"type": ["string", "number", "boolean"]},
    "time": {
        "type": ["string", "number"],
        "description": "[ANCHOR] [+|- DURATION] [@ HH:MM [office]], such as closes - 3d @ 10:00 or +3d",
    },
    "condition": {"type": ["string", "boolean"], "description": 'A condition, such as stage == "filed"'},
    "task": {"oneOf": [{"type": "string"}, _table(keys.TASK, _TASK, ("title",))]},
    "steps": _list(_ref("step")),
    "step": {**_table(keys.ALL_STEP, _STEP, ("key",)), "oneOf": _actions()},
}
