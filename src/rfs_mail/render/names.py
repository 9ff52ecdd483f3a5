"""Which names a template may write, with their fields, and which of them may be missing for a person."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from rfs_mail.core.times import MILESTONES
from rfs_mail.core.vocabulary import WINDOW_FIELDS
from rfs_mail.render.context import PAGES, PERSON_FIELDS

_ALWAYS_KNOWN: Final = frozenset({"stage", "signed_up_at"})
_OCCURRENCE: Final = frozenset({"key", "day", "starts", "has_time", "zone", "name", "about", "note"})
_CLOCKS: Final = frozenset({"opens_at", "closes_at", "closed_before_at", *(f"{name}_at" for name in MILESTONES)})
_MAYBE_IN_WINDOW: Final = frozenset(
    {
        "opens", "opens_at", "opens_time", "closes_time", "division", "party_path", "incumbency", "as_of", "election",
        "closed_before", "closed_before_at", *MILESTONES, *(f"{name}_at" for name in MILESTONES),
    }
)  # fmt: skip
_RECORDS: Final[Mapping[str, frozenset[str]]] = {
    "entity": frozenset(
        {
            "id", "name", "from_name", "from_address", "reply_to", "website", "postal_address", "disclaimer",
            "tax_status", "list_domain", "languages", "partners",
        }
    ),
    "campaign": frozenset({"id", "name", "entity", "topic"}),
    "topic": frozenset({"id", "name", "about", "entity"}),
    "step": frozenset({"key"}),
}  # fmt: skip

_SAID_OF_WINDOW: Final = frozenset({"days_left", "open_days_left", "certain", "approximate"})
_OFFICE: Final = frozenset({"name", "names", "level", "state", "zone", "jurisdiction", "division", "filing_term"})

MOMENTS: Final = frozenset({"signed_up_at", "sent_on"})
"""Top-level names that are days or instants."""

MOMENT_FIELDS: Final = frozenset(
    {"starts", "day", "opens", "closes", "closed_before", "election", "as_of", *MILESTONES, *_CLOCKS}
)
"""Fields of windows and calendar names that are days or instants."""


@dataclass(frozen=True, slots=True)
class Names:
    """
    The names of one step's templates.

    `calendar` are the calendar names, `windows` says whether the campaign is per filing window, `custom` are the
    custom fields (`None`: any), `facts` the functions of expressions that may be called.
    """

    calendar: frozenset[str] = frozenset()
    windows: bool = False
    custom: frozenset[str] | None = None
    facts: frozenset[str] = frozenset()
    top: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        names = {*PERSON_FIELDS, *PAGES, *_RECORDS, *self.calendar, *self.facts}
        names |= {"person", "custom", "tags", "language", "sent_on", "signup_source", "answer", "range", "loop"}
        names |= {"_duration", "true", "false", "none"}
        if self.windows:
            names |= {"window", "windows", "office"}
        object.__setattr__(self, "top", frozenset(names))

    @classmethod
    def of(
        cls,
        *,
        calendar: Iterable[str] = (),
        windows: bool = False,
        custom: Iterable[str] | None = None,
        facts: Iterable[str] = (),
    ) -> "Names":
        """The same from any iterables."""
        declared = None if custom is None else frozenset(custom)
        return cls(frozenset(calendar), windows, declared, frozenset(facts))

    def fields_of(self, name: str) -> Collection[str] | None:
        """The fields of a record, or `None` where any field may be asked for."""
        if name in _RECORDS:
            return _RECORDS[name]
        if name == "person":
            return {*PERSON_FIELDS, "tags", "custom"}
        if name == "custom":
            return self.custom
        if name in self.calendar:
            return _OCCURRENCE
        if name == "window" and self.windows:
            return {*WINDOW_FIELDS, *_MAYBE_IN_WINDOW, *_CLOCKS, *_SAID_OF_WINDOW}
        if name == "office" and self.windows:
            return _OFFICE
        return None

    def may_be_missing(self, path: str) -> bool:
        """Whether a person may come without this value, so that printing it needs another word."""
        name, dot, attribute = path.partition(".")
        if not dot:
            return name == "signup_source" or (name in PERSON_FIELDS and name not in _ALWAYS_KNOWN)
        if name == "person":
            inner, more, _ = attribute.partition(".")
            return bool(more) or self.may_be_missing(inner)
        return name == "custom"

    def may_be_unknown(self, path: str) -> bool:
        """Whether a date or a place may not be known, unless the step itself asks for it."""
        name, dot, attribute = path.partition(".")
        return bool(dot) and (name in self.calendar or (name == "window" and attribute in _MAYBE_IN_WINDOW))
