"""
What an expression may name: fields with their types, functions with their arguments, the names of this installation.

`Vocabulary` is one place of a campaign file: an audience knows no enrollment, a goal does, and `window` exists only in
a campaign that is `per: filing_window`.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from rfs_mail.core.campaign import FieldSpec
from rfs_mail.core.times import MILESTONES
from rfs_mail.core.values import CONFIDENCES, STAGES, Stage

Kind = Literal["text", "number", "date", "yes_no", "choice", "stage", "confidence", "instant"]


@dataclass(frozen=True, slots=True)
class FieldType:
    """
    What a field holds. `values` is the closed list of a choice, of stages and of confidences, else empty.

    A date is a calendar day as ISO text (`2026-12-03`), an instant an aware datetime.
    """

    kind: Kind
    values: tuple[str, ...] = ()

    @property
    def in_words(self) -> str:
        """`a number`, `text`, for messages."""
        return _IN_WORDS[self.kind]


_IN_WORDS: Final[Mapping[Kind, str]] = {
    "text": "text",
    "number": "a number",
    "date": "a date",
    "yes_no": "yes or no",
    "choice": "a choice",
    "stage": "a stage",
    "confidence": "a confidence",
    "instant": "a moment",
}

TEXT: Final = FieldType("text")
NUMBER: Final = FieldType("number")
DATE: Final = FieldType("date")
YES_NO: Final = FieldType("yes_no")
INSTANT: Final = FieldType("instant")
STAGE: Final = FieldType("stage", tuple(stage.value for stage in Stage))
CONFIDENCE: Final = FieldType("confidence", CONFIDENCES)

LINE: Final[Mapping[Kind, tuple[str, ...]]] = {"stage": STAGES, "confidence": CONFIDENCES}
"""The words of a kind that have an order, lowest first."""

PERSON_FIELDS: Final[Mapping[str, FieldType]] = {
    "stage": STAGE,
    "stage_at": INSTANT,
    "state": TEXT,
    "county": TEXT,
    "zip": TEXT,
    "given_name": TEXT,
    "family_name": TEXT,
    "lang": TEXT,
    "birth_year": NUMBER,
    "runs_before": NUMBER,
    "endorsement": TEXT,
    "endorsable": YES_NO,
    "source": TEXT,
    "signed_up_at": INSTANT,
}

WINDOW_FIELDS: Final[Mapping[str, FieldType]] = {
    "id": TEXT,
    "jurisdiction": TEXT,
    "state": TEXT,
    "division": TEXT,
    "office_level": TEXT,
    "office": TEXT,
    "election": DATE,
    "party_path": TEXT,
    "incumbency": TEXT,
    "opens": DATE,
    "opens_time": TEXT,
    "closes": DATE,
    "closes_time": TEXT,
    "zone": TEXT,
    "status": FieldType("choice", ("confirmed", "tentative", "moved", "extended", "cancelled")),
    "confidence": CONFIDENCE,
    "source": TEXT,
    "as_of": DATE,
    "version": NUMBER,
}


@dataclass(frozen=True, slots=True)
class Function:
    """
    One function: what each argument is, which keywords it takes, what comes out.

    `example` is how it is written; `gives` is `yes_no`, `number` or `age`.
    """

    arguments: tuple[str, ...]
    keywords: tuple[str, ...]
    example: str
    gives: Literal["yes_no", "number", "age"] = "yes_no"


_PERIOD: Final = ("within", "since")

FUNCTIONS: Final[Mapping[str, Function]] = {
    "tag": Function(("tag",), (), 'tag("name")'),
    "role": Function(("role",), (), 'role("volunteer")'),
    "consented": Function(("entity",), (), 'consented("rfs")'),
    "topic": Function(("topic",), (), 'topic("deadlines")'),
    "event": Function(("event",), _PERIOD, 'event("name", within=30d)'),
    "registered": Function(("calendar",), _PERIOD, 'registered("intro_call")'),
    "attended": Function(("calendar",), _PERIOD, 'attended("intro_call")'),
    "missed": Function(("calendar",), _PERIOD, 'missed("intro_call")'),
    "answered": Function(("step", "answer"), _PERIOD, 'answered("did_you", "filed")'),
    "reached": Function(("stage",), _PERIOD, 'reached("filed")'),
    "filed": Function(("window",), _PERIOD, "filed(window)"),
    "wants": Function(("window",), (), "wants(window)"),
    "lives_in": Function(("window",), (), "lives_in(window)"),
    "wants_office": Function(("office",), (), 'wants_office("school_board")'),
    "has_window": Function((), ("closes_within",), "has_window(closes_within=60d)"),
    "active": Function((), _PERIOD, "active(within=180d)"),
    "mails": Function((), _PERIOD, "mails(within=180d) >= 6", "number"),
    "received": Function(("step",), _PERIOD, 'received("step")'),
    "clicked": Function(("step",), _PERIOD, 'clicked("step")'),
    "in_campaign": Function(("campaign",), (), 'in_campaign("id")'),
    "finished": Function(("campaign",), (), 'finished("id")'),
    "segment": Function(("segment",), (), 'segment("name")'),
    "age": Function(("field",), (), "age(signed_up_at) < 7d", "age"),
}


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """
    The names that exist where an expression stands.

    `fields` are the custom fields by slug, `segments` expressions by name. `steps` are those of this campaign, `was`
    their former keys (new -> old), `answers` the one-tap answers by step key or `campaign/step` (a step that is not in
    it is not checked). `campaigns` are all campaigns with their step keys. `in_window`: `window` is one filing window
    here; `in_enrollment`: there is an enrollment, so `received("step")` and `since=entry` mean something.
    """

    fields: Mapping[str, FieldSpec] = field(default_factory=dict)
    segments: Mapping[str, str] = field(default_factory=dict)
    entities: Collection[str] = frozenset()
    topics: Collection[str] = frozenset()
    calendars: Collection[str] = frozenset()
    steps: Collection[str] = frozenset()
    campaigns: Mapping[str, Collection[str]] = field(default_factory=dict)
    was: Mapping[str, str] = field(default_factory=dict)
    answers: Mapping[str, Collection[str]] = field(default_factory=dict)
    window_fields: Mapping[str, FieldType] = field(default_factory=lambda: WINDOW_FIELDS)
    milestones: Collection[str] = frozenset(MILESTONES)
    in_window: bool = False
    in_enrollment: bool = False

    def custom(self, slug: str) -> FieldType | None:
        """The type of a custom field, or None."""
        spec = self.fields.get(slug)
        return None if spec is None else FieldType(spec.type, spec.values)

    def outside(self) -> "Vocabulary":
        """The same names where there is no campaign: in a segment."""
        return Vocabulary(
            fields=self.fields,
            segments=self.segments,
            entities=self.entities,
            topics=self.topics,
            calendars=self.calendars,
            campaigns=self.campaigns,
            answers={step: keys for step, keys in self.answers.items() if "/" in step},
            window_fields=self.window_fields,
            milestones=self.milestones,
        )
