"""The names of an expression: the fields they mean, and for a name that means nothing what was probably meant."""

import difflib
from collections.abc import Collection, Iterable
from typing import Final

from rfs_mail.core.expression_raw import Raw, RawName
from rfs_mail.core.expression_source import Edit, Source
from rfs_mail.core.expression_tree import Constant, Count, Field, Today, Value, quoted
from rfs_mail.core.vocabulary import DATE, FUNCTIONS, INSTANT, NUMBER, PERSON_FIELDS, FieldType, Vocabulary
from rfs_mail.errors import ExpressionError

OPENS: Final = frozenset({"opened", "opens", "open", "opened_mail"})
NO_OPENS: Final = "Opens do not exist here, because machines open mail too. Ask clicked(...) or active(...)"
_TEMPLATE_ONLY: Final = frozenset({"entity", "campaign", "office", "windows", "step", "unsubscribe_url", "language"})


class Names:
    """The names of one expression in its place."""

    def __init__(self, source: Source, vocabulary: Vocabulary) -> None:
        self.source = source
        self.vocabulary = vocabulary

    def resolve(self, raw: Raw) -> Field | Today | None:
        """The field of a name; None where there is none."""
        if not isinstance(raw, RawName):
            return None
        path = raw.path[1:] if raw.path[0] == "person" and len(raw.path) > 1 else raw.path
        match path:
            case ("today",):
                return Today()
            case (name,) if name in PERSON_FIELDS:
                return Field("person", name, PERSON_FIELDS[name])
            case ("custom", slug) if kind := self.vocabulary.custom(slug):
                return Field("custom", slug, kind)
            case ("window", name) if raw.path[0] == "window":
                return self._window_field(raw, name)
            case _:
                return None

    def _window_field(self, raw: RawName, name: str) -> Field | None:
        if name in self.vocabulary.window_fields:
            found = Field("window", name, self.vocabulary.window_fields[name])
        elif name in self.vocabulary.milestones:
            found = Field("milestone", name, DATE)
        else:
            return None
        if not self.vocabulary.in_window:
            raise self.source.error(
                f"{raw.dotted} means something only in a campaign whose entry is per: filing_window. "
                "Elsewhere ask has_window(closes_within=60d)",
                raw.start,
            )
        return found

    def text(self, raw: Raw) -> str:
        """What is written there."""
        return self.source.text[raw.start : raw.end]

    def uncalled(self, raw: RawName) -> ExpressionError:
        """A function without its brackets."""
        function = FUNCTIONS[raw.dotted]
        fix: list[Edit] = []
        if function.gives == "yes_no" and function.arguments in ((), ("window",)):
            fix = [Edit(raw.end, raw.end, f"({'window' if function.arguments else ''})")]
        advice = "" if fix else f", such as {function.example}"
        return self.source.error(f"{raw.dotted} is asked with brackets{advice}", raw.start, fix)

    def unquoted(self, raw: Raw, other: FieldType | None) -> ExpressionError:
        """A word where a value is expected: very likely text without its quotes."""
        if isinstance(raw, RawName) and len(raw.path) == 1 and other is not None:
            name = raw.dotted
            if name in other.values or (
                other.kind in ("text", "choice", "stage", "confidence") and name not in FUNCTIONS
            ):
                edit = Edit(raw.start, raw.end, quoted(name))
                return self.source.error(f"{name} needs quotes", raw.start, [edit])
        return self.no_value(raw)

    def no_value(self, raw: Raw) -> ExpressionError:
        """Something that has no value, where one belongs."""
        if isinstance(raw, RawName):
            if raw.dotted in FUNCTIONS:
                return self.uncalled(raw)
            return self.unknown(raw)
        return self.source.error("A value belongs here: a field, a text, a number", raw.start)

    def unknown(self, raw: RawName) -> ExpressionError:
        """A name that there is not: what it probably was to be, looked for among everything that can be said."""
        name = raw.dotted
        words = self.vocabulary
        if name in OPENS:
            return self.source.error(NO_OPENS, raw.start)
        if name.lower() in ("null", "nil", "undefined"):
            return self.source.error(f"{name} is written none", raw.start, [Edit(raw.start, raw.end, "none")])
        if words.custom(name):
            return self.source.error(
                f"{name} is a custom field", raw.start, [Edit(raw.start, raw.end, f"custom.{name}")]
            )
        if name.lower() != name and (name.lower() in PERSON_FIELDS or name.lower() in FUNCTIONS):
            return self.source.error("Names are lower case", raw.start, [Edit(raw.start, raw.end, name.lower())])
        for known, function in self._callable_names():
            if name in known:
                return self.source.error(f'{name} is no field. Perhaps: {function}("{name}")', raw.start)
        close = nearest(name, self._sayable())
        if name == "window":
            message = "window is asked for its parts or by a function: window.closes, wants(window)"
        elif raw.path[0] == "window" and not words.in_window and not close:
            message = f"No {name}: window exists in a campaign whose entry is per: filing_window"
        elif close:
            message = f"No field {name}; nearest: {close}"
        elif raw.path[0] in _TEMPLATE_ONLY:
            message = f"{name} exists in templates only"
        elif raw.path[0] == "custom":
            message = f"No field {name}. Custom fields are declared in fields.yaml"
        else:
            message = f"No field {name}. Text needs quotes; custom fields are written custom.{raw.path[-1]}"
        return self.source.error(message, raw.start)

    def _callable_names(self) -> Iterable[tuple[Collection[str], str]]:
        words = self.vocabulary
        yield words.segments, "segment"
        yield words.topics, "topic"
        yield words.entities, "consented"
        yield words.campaigns, "in_campaign"
        yield words.calendars, "attended"
        yield words.steps, "received"

    def _sayable(self) -> list[str]:
        """Everything that a misspelt name could have been."""
        words = self.vocabulary
        names = [*PERSON_FIELDS, "today", *FUNCTIONS]
        names += [f"custom.{slug}" for slug in words.fields]
        names += [f"window.{name}" for name in (*words.window_fields, *words.milestones)] if words.in_window else []
        for known, function in self._callable_names():
            names += [f'{function}("{name}")' for name in known]
        return names


def type_of(value: Value) -> FieldType:
    """What a value compares with."""
    match value:
        case Field(type=kind) | Constant(type=kind):
            return kind
        case Count():
            return NUMBER
        case Today():
            return DATE
        case _:
            return INSTANT


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that looks most like this one, if any does."""
    close = difflib.get_close_matches(word, sorted(known), n=1, cutoff=0.6)
    return close[0] if close else None
