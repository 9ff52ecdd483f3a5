"""
The meaning of a campaign file: frozen, strict values, JSON both ways.

Expressions and times are kept as the director wrote them; `core.expression` and `core.times` read them. What a revision
stores is exactly this, so that what is sent never depends on a file that has been edited since.
"""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class Frozen(BaseModel):
    """Immutable, and a key that we do not know is an error, not a surprise."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


# -- who speaks --------------------------------------------------------------------------------------------------------


class Entity(Frozen):
    """The organisation that speaks. Consent is per entity."""

    id: str
    name: str
    tax_status: Literal["c3", "c4", "partner"] = "c4"
    from_name: str
    from_address: str
    reply_to: str | None = None
    list_domain: str
    """Domain of List-Id and Message-ID."""
    bounce_domain: str
    """Domain of the return path."""
    postal_address: str
    disclaimer: dict[str, str] = {}
    """Language -> text; may be empty."""
    languages: tuple[str, ...] = ("en",)
    """The first is the default."""
    partners: tuple[str, ...] = ()
    website: str = ""
    sources: dict[str, dict[str, str]] = {}
    """Source of a sign-up -> language -> where that was, in public words; for "you signed up at ..."."""


class Topic(Frozen):
    """What a recipient can leave without leaving everything."""

    id: str
    entity: str
    name: dict[str, str]
    about: dict[str, str] = {}


class FieldSpec(Frozen):
    """A declared custom field of a person."""

    slug: str
    type: Literal["text", "number", "date", "yes_no", "choice"]
    values: tuple[str, ...] = ()
    about: str = ""


class OccurrenceSpec(Frozen):
    """One date of a calendar name."""

    key: str
    on: str
    """ISO date."""
    time: str | None = None
    """HH:MM on the calendar's clock."""
    zone: str
    note: str = ""


class Calendar(Frozen):
    """A calendar name and its occurrences."""

    name: str
    about: str = ""
    occurrences: tuple[OccurrenceSpec, ...] = ()


# -- entry and sending -------------------------------------------------------------------------------------------------


class Entry(Frozen):
    """
    What starts an enrollment.

    `kind` event: `event` names it (`signup`, any name) or `stage` the stage reached; `per_window` ties a stage entry to
    the window it is about. `person`: once, as soon as the audience holds. `filing_window` and `calendar`: once an
    occasion, between `from_` and `to`; with `on` moved, once for each time the closing moved by more than a day.
    """

    kind: Literal["event", "person", "filing_window", "calendar"]
    event: str | None = None
    stage: str | None = None
    per_window: bool = False
    calendar: str | None = None
    from_: str | None = Field(default=None, alias="from")
    to: str | None = None
    on: Literal["moved"] | None = None
    require: str | None = None
    existing: Literal["skip", "all"] | int = "skip"
    """Who qualifies at the first apply; a number is that many a day."""
    late: Literal["join", "catch_up", "skip"] = "join"


class Send(Frozen):
    """When mail may go: days and hours on the recipient's clock, how fast, how long it stays good."""

    days: str = "Mon-Sat"
    hours: str = "09:00-20:00"
    rate: str | None = None
    expires: str = "48h"


class StepSend(Frozen):
    """What one mail step lifts or narrows of the campaign's `send`."""

    days: str | None = None
    hours: str | None = None


# -- changes and tasks -------------------------------------------------------------------------------------------------


class TaskSpec(Frozen):
    """Something for staff. `title` is a template."""

    title: str
    for_: str = Field(default="", alias="for")
    due: str | None = None


class Suppress(Frozen):
    """A suppression that a campaign sets; `inactive` is lifted by any later activity."""

    scope: Literal["entity", "all"] = "entity"
    except_: tuple[str, ...] = Field(default=(), alias="except")
    because: Literal["inactive"] = "inactive"


class Change(Frozen):
    """A change to the person: by a step, or by a one-tap answer."""

    set: dict[str, str] = {}
    tag: tuple[str, ...] = ()
    untag: tuple[str, ...] = ()
    unsubscribe: Literal["topic", "entity"] | None = None
    suppress: Suppress | None = None
    task: TaskSpec | None = None


# -- steps -------------------------------------------------------------------------------------------------------------


class Mail(Frozen):
    """A mail step. `template` is `folder/name`."""

    kind: Literal["mail"] = "mail"
    template: str
    subject: str | None = None
    """A subject variant of the template (`subject.again`)."""
    variants: dict[str, int] = {}
    """Variant -> weight; empty: the plain one."""
    answers: dict[str, Change] = {}
    priority: Literal["normal", "deadline"] = "normal"
    not_after: str | None = None
    cap: Literal["count", "exempt"] = "count"
    send: StepSend | None = None
    backfill: bool = False


class Wait(Frozen):
    """Goes on when the expression holds, or at `until`."""

    kind: Literal["wait"] = "wait"
    wait_for: str
    until: str


class Arm(Frozen):
    """One arm of a branch."""

    when: str
    steps: tuple["Step", ...] = ()


class Branch(Frozen):
    """The first arm that holds; else `otherwise`."""

    kind: Literal["branch"] = "branch"
    arms: tuple[Arm, ...]
    otherwise: tuple["Step", ...] = ()


class ChangeStep(Frozen):
    """A step that changes the person."""

    kind: Literal["change"] = "change"
    change: Change


class TaskStep(Frozen):
    """A step that makes a task for staff."""

    kind: Literal["task"] = "task"
    task: TaskSpec


Action = Annotated[Mail | Wait | Branch | ChangeStep | TaskStep, Field(discriminator="kind")]


class Step(Frozen):
    """One node of a campaign. `key` is its identity: the order may change, a renamed step says `was`."""

    key: str
    at: str | None = None
    when: str | None = None
    was: str | None = None
    action: Action


# -- the campaign ------------------------------------------------------------------------------------------------------


class Goal(Frozen):
    """What the campaign is for; reaching it ends the enrollment, unless `then` says to continue."""

    when: str
    then: Literal["end", "continue"] = "end"


class Exit(Frozen):
    """A condition that ends an enrollment, perhaps with a task."""

    when: str
    task: TaskSpec | None = None


class Campaign(Frozen):
    """One campaign file, with the defaults filled in."""

    id: str
    name: str = ""
    was: str | None = None
    entity: str
    topic: str
    languages: tuple[str, ...]
    audience: tuple[str, ...] = ()
    """All must hold."""
    exclude: tuple[str, ...] = ()
    """Any excludes."""
    entry: Entry
    send: Send = Send()
    holdout: float = 0.0
    """Share of people kept out, 0 to 1."""
    steps: tuple[Step, ...]
    goal: Goal | None = None
    exit: tuple[Exit, ...] = ()
    while_: str | None = Field(default=None, alias="while")
    ends: str | None = None
    reentry: str | None = None
    """None is never; else the duration after the last enrollment ended (`90d`)."""
    on_edit: Literal["follow", "pin"] = "follow"
    on_uncertain: Literal["hold", "resend"] | None = None
    """None: resend for `priority: deadline`, hold for the rest."""

    def walk(self) -> Iterator[Step]:
        """Every step in file order, arms included."""
        yield from walk(self.steps)


def walk(steps: tuple[Step, ...]) -> Iterator[Step]:
    """The steps and those of their arms, in file order."""
    for step in steps:
        yield step
        if isinstance(step.action, Branch):
            for arm in step.action.arms:
                yield from walk(arm.steps)
            yield from walk(step.action.otherwise)


class ReleaseContent(Frozen):
    """All that is live together beside the revisions."""

    entities: dict[str, Entity] = {}
    topics: dict[str, Topic] = {}
    segments: dict[str, str] = {}
    """Name -> expression."""
    fields: dict[str, FieldSpec] = {}
    calendars: dict[str, Calendar] = {}
