"""The keys that campaign files have, each with a line about it: for messages, for the schema, for editors."""

from collections.abc import Mapping
from typing import Final

CAMPAIGN: Final[Mapping[str, str]] = {
    "id": "The campaign's name for good: a-z, 0-9 and _.",
    "name": "What staff and pages call it.",
    "was": "The id it had before it was renamed.",
    "entity": "Who speaks: an id of entities.yaml.",
    "topic": "What a recipient can leave without leaving everything: an id of entities.yaml.",
    "languages": "The languages its mails exist in. Default: the entity's.",
    "audience": "One condition or a list: all must hold, once, at entry.",
    "exclude": "One condition or a list: any of them keeps a person out.",
    "entry": "What starts an enrollment.",
    "send": "When its mail may go, how fast, and how long it stays good.",
    "holdout": "Share of people kept out to compare with, such as 5%.",
    "steps": "What follows when, in order.",
    "goal": "What the campaign is for; reaching it ends the enrollment.",
    "exit": "Conditions that end an enrollment, each perhaps with a task.",
    "while": "A condition that must stay true.",
    "ends": "When an enrollment is over.",
    "reentry": "never, or after a while: after 90d.",
    "on_edit": "follow: people in flight take the new version; pin: they finish on the one they entered.",
    "on_uncertain": "When nobody can know whether a mail went out: hold it for staff, or resend once.",
}

DEFAULTS: Final[Mapping[str, str]] = {
    key: about for key, about in CAMPAIGN.items() if key not in ("id", "name", "was", "steps")
}

ENTRY: Final[Mapping[str, str]] = {
    "event": "The event that starts it: signup, or any name.",
    "stage": "The stage whose reaching starts it.",
    "per": "person, filing_window, or a name of data/calendar.yaml: once for each.",
    "on": "moved: of filing windows, each time the closing moved by more than a day. In place of from.",
    "from": "From when on people enter.",
    "to": "Until when people enter.",
    "require": "What must hold of the filing window.",
    "existing": "Who qualifies already at the first apply: skip, all, or so many a day (500/d).",
    "late": "Entering in the middle: join at the next step, catch_up with the latest missed, or skip.",
}

SEND: Final[Mapping[str, str]] = {
    "days": "Days on which mail may go: Mon-Sat, or any.",
    "hours": "Hours on the recipient's clock: 09:00-20:00, or any.",
    "rate": "The most in a while: 25000/h.",
    "expires": "How late a mail without not_after may be: 48h.",
}

STEP_SEND: Final[Mapping[str, str]] = {key: SEND[key] for key in ("days", "hours")}

STEP: Final[Mapping[str, str]] = {
    "key": "The step's name for good: people in flight are found by it.",
    "was": "The key it had before it was renamed.",
    "at": "When it is due. Default: at once.",
    "when": "A condition; where it is false, this step alone is skipped.",
}

MAIL: Final[Mapping[str, str]] = {
    "mail": "A template of the campaign's folder, or folder/name.",
    "subject": "A second subject of the template: again for subject.again.",
    "variants": "Variants by weight: {plain: 1, urgent: 1}.",
    "answers": "One-tap answers: what each one does.",
    "priority": "deadline: may break the weekly cap and goes first.",
    "not_after": "When it is too late to send it.",
    "cap": "exempt: neither counts against the caps nor waits for them.",
    "send": "Lifts or narrows the campaign's days and hours for this mail.",
    "backfill": "true: people who are past this place get it too.",
}

WAIT: Final[Mapping[str, str]] = {
    "wait_for": "A condition that lets the person go on.",
    "until": "When the person goes on anyway.",
}

BRANCH: Final[Mapping[str, str]] = {
    "branch": "Arms; the first whose condition holds is taken.",
    "else": "The steps where no arm holds.",
}

ARM: Final[Mapping[str, str]] = {"when": "The condition of this arm.", "steps": "Its steps."}

CHANGE: Final[Mapping[str, str]] = {
    "set": "Fields to set: {stage: not_now}.",
    "tag": "Tags to put on.",
    "untag": "Tags to take off.",
    "unsubscribe": "Leave the campaign's topic, or its entity.",
    "suppress": "Stop mail until the person does something again.",
}

TASK_ACTION: Final[Mapping[str, str]] = {"task": "Something for staff to do."}

TASK: Final[Mapping[str, str]] = {
    "title": "What to do; may hold {{ given_name }} and other fields.",
    "for": "Who should do it.",
    "due": "In how long it should be done: 2d.",
}

SUPPRESS: Final[Mapping[str, str]] = {
    "scope": "entity, or all.",
    "except": "Topics that stay allowed.",
    "because": "inactive.",
}

GOAL: Final[Mapping[str, str]] = {"when": "The condition.", "then": "end (the default) or continue."}

EXIT: Final[Mapping[str, str]] = {"when": "The condition.", "task": "Something for staff to do then."}

ACTIONS: Final[tuple[str, ...]] = ("mail", "wait_for", "branch", *CHANGE, "task")

ANSWER: Final[Mapping[str, str]] = {**CHANGE, **TASK_ACTION}

ALL_STEP: Final[Mapping[str, str]] = {**STEP, **MAIL, **WAIT, **BRANCH, **CHANGE, **TASK_ACTION}

WORD_FOR: Final[Mapping[str, str]] = {
    "after": "at",
    "body": "mail",
    "cohort": "audience",
    "condition": "when",
    "deadline": "not_after",
    "delay": "at",
    "description": "about",
    "email": "mail",
    "end": "ends",
    "expires_at": "not_after",
    "filter": "audience",
    "if": "when",
    "lang": "languages",
    "language": "languages",
    "message": "mail",
    "on": "at",
    "otherwise": "else",
    "segment": "audience",
    "send_at": "at",
    "start": "entry",
    "starts": "entry",
    "stop": "exit",
    "subject_line": "subject",
    "template": "mail",
    "time": "at",
    "timeout": "until",
    "title": "name",
    "trigger": "entry",
    "unless": "exclude",
    "wait": "wait_for",
    "who": "audience",
}
"""What other tools call it -> our key."""
