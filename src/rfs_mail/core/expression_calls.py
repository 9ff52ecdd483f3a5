"""The functions of an expression: what they are asked about, since when, and what comes out."""

from collections.abc import Callable, Collection
from typing import Final, Literal

from rfs_mail.core.expression_names import NO_OPENS, OPENS, Names, nearest
from rfs_mail.core.expression_raw import Raw, RawCall, RawConst, RawName
from rfs_mail.core.expression_source import Edit, Source
from rfs_mail.core.expression_tree import (
    WINDOW_FUNCTIONS,
    Age,
    Asked,
    Condition,
    Count,
    Field,
    Length,
    Period,
    Value,
    quoted,
)
from rfs_mail.core.filing_windows import OFFICE_LEVELS
from rfs_mail.core.vocabulary import FUNCTIONS, STAGE, Function
from rfs_mail.errors import ExpressionError

_PLURALS: Final = {
    "tag": "Tags",
    "role": "Roles",
    "entity": "Entities",
    "topic": "Topics",
    "event": "Events",
    "calendar": "Calendar names",
    "step": "Steps",
    "answer": "Answers",
    "stage": "Stages",
    "campaign": "Campaigns",
    "segment": "Segments",
    "office": "Office levels",
}
_A: Final = {
    "entity": "an entity",
    "event": "the name of an event",
    "answer": "an answer",
    "calendar": "a calendar name",
    "field": "a field",
    "office": "an office level",
}
_SYNONYMS: Final = {
    "consent": "consented",
    "has_tag": "tag",
    "tagged": "tag",
    "has_role": "role",
    "enrolled": "in_campaign",
    "has_filed": "filed",
    "interested_in": "wants_office",
}


class Calls:
    """
    The functions of one expression in its place.

    `open_segment` gives the meaning of a segment by its name, asked for at an offset.
    """

    def __init__(self, names: Names, open_segment: Callable[[str, int], Condition]) -> None:
        self.names = names
        self.source = names.source
        self.vocabulary = names.vocabulary
        self.open_segment = open_segment

    def asked(self, raw: RawCall) -> Condition:
        """A call that is true or false."""
        name, function = self._function(raw)
        if function.gives == "age":
            raise self.source.error("age() is a duration. Compare it, such as age(signed_up_at) < 7d", raw.start)
        if function.gives == "number":
            edit = Edit(raw.end, raw.end, " >= 1")
            raise self.source.error(f"{name}() is a number. Compare it", raw.start, [edit])
        self._count_arguments(raw, name, function)
        if name == "segment":
            return self.open_segment(self._name(raw.arguments[0], "segment", raw), raw.start)
        within, since_entry, closes_within = self._keywords(raw, name, function)
        period = Period(within, since_entry)
        if name in WINDOW_FUNCTIONS:
            self._window_argument(raw)
            return Asked(name, period=period, here=self.vocabulary.in_window)
        names = [
            self._name(argument, what, raw) for argument, what in zip(raw.arguments, function.arguments, strict=True)
        ]
        if function.arguments[:1] == ("step",):
            return self._of_step(raw, name, names, period)
        return Asked(name, tuple(names), period, closes_within)

    def counted(self, raw: RawCall) -> Value:
        """A call whose result is compared: an age or a count."""
        name, function = self._function(raw)
        if function.gives == "yes_no":
            raise self.source.error(
                f"{name}(...) is true or false already: it stands alone, or with not before it", raw.start
            )
        self._count_arguments(raw, name, function)
        within, since_entry, _ = self._keywords(raw, name, function)
        if function.gives == "number":
            return Count(Period(within, since_entry))
        argument = raw.arguments[0]
        if isinstance(argument, RawConst) and isinstance(argument.value, str):
            inside = RawName(tuple(argument.value.split(".")), argument.start, argument.end)
            if self.names.resolve(inside) is not None:
                edit = Edit(argument.start, argument.end, argument.value)
                raise self.source.error("age() takes a field, and fields have no quotes", argument.start, [edit])
        if not isinstance(argument, RawName):
            raise self.source.error("age() takes a field, such as age(signed_up_at)", argument.start)
        value = self.names.resolve(argument)
        if value is None:
            raise self.names.no_value(argument)
        if not isinstance(value, Field) or value.type.kind not in ("date", "instant"):
            raise self.source.error(f"{argument.dotted} is no moment: age() takes a date or a time", argument.start)
        return Age(value)

    def _function(self, raw: RawCall) -> tuple[str, Function]:
        path = raw.function.path
        if path[0] == "person" and len(path) == 2 and path[1] in ("tag", "role"):
            path = path[1:]
        name = ".".join(path)
        if name in FUNCTIONS:
            return name, FUNCTIONS[name]
        start = raw.function.start
        if name in OPENS:
            raise self.source.error(NO_OPENS, start)
        if self.names.resolve(raw.function) is not None:
            argument = self.names.text(raw.arguments[0]) if len(raw.arguments) == 1 else '"..."'
            raise self.source.error(f"{name} is a field: it is compared, as in {name} == {argument}", start)
        synonym = _SYNONYMS.get(name.lower(), name.lower())
        if synonym in FUNCTIONS and synonym != name:
            raise self.source.error(f"No {name}()", start, [Edit(start, raw.function.end, synonym)])
        close = nearest(name, FUNCTIONS)
        known = f"nearest: {FUNCTIONS[close].example}" if close else "there are " + " ".join(FUNCTIONS)
        raise self.source.error(f"No {name}(); {known}", start)

    def _count_arguments(self, raw: RawCall, name: str, function: Function) -> None:
        wanted, given = len(function.arguments), len(raw.arguments)
        if given == wanted:
            return
        if given > wanted:
            extra = raw.arguments[wanted]
            if given == wanted + 1 and isinstance(extra, RawConst) and isinstance(extra.value, Length):
                keyword = next((word for word in function.keywords if word != "since"), None)
                if keyword:
                    edit = Edit(extra.start, extra.start, f"{keyword}=")
                    raise self.source.error("A duration is given by name", extra.start, [edit])
            many = f"{wanted} {'name' if wanted == 1 else 'names'}" if wanted else "nothing"
            raise self.source.error(f"{name}() takes {many}, as in {function.example}", extra.start)
        if function.arguments == ("window",):
            edit = Edit(raw.function.end, raw.end, "(window)")
            raise self.source.error(f"{name}() asks about a window", raw.start, [] if raw.keywords else [edit])
        what = function.arguments[given]
        raise self.source.error(f"{name}() needs {_A.get(what, what)}, as in {function.example}", raw.start)

    def _keywords(self, raw: RawCall, name: str, function: Function) -> tuple[Length | None, bool, Length | None]:
        within: Length | None = None
        closes_within: Length | None = None
        since_entry = False
        seen: set[str] = set()
        for word, given in raw.keywords:
            if word not in function.keywords:
                raise self._unknown_keyword(raw, name, function, word, given)
            if word in seen:
                raise self.source.error(f"{word}= stands twice", given.start)
            seen.add(word)
            if word == "since":
                since_entry = self._since(given)
            elif word == "within":
                within = self._length(given, word)
            else:
                closes_within = self._length(given, word)
                if closes_within.days is None:
                    raise whole_days(self.source, closes_within, given, word)
        return within, since_entry, closes_within

    def _unknown_keyword(self, raw: RawCall, name: str, function: Function, word: str, given: Raw) -> ExpressionError:
        if not function.keywords:
            return self.source.error(f"{name}() takes no {word}=", given.start)
        close = nearest(word, function.keywords)
        known = f"nearest: {close}=" if close else "it takes " + " ".join(f"{each}=" for each in function.keywords)
        return self.source.error(f"{name}() takes no {word}=; {known}", given.start)

    def _since(self, given: Raw) -> Literal[True]:
        if isinstance(given, RawConst) and given.value == "entry":
            raise self.source.error("entry has no quotes", given.start, [Edit(given.start, given.end, "entry")])
        if not isinstance(given, RawName) or given.dotted != "entry":
            raise self.source.error(
                "since= takes entry only. Write: since=entry, or within= and a duration", given.start
            )
        if not self.vocabulary.in_enrollment:
            raise self.source.error(
                "since=entry has no meaning here: nobody has entered yet. Use within= and a duration", given.start
            )
        return True

    def _length(self, given: Raw, word: str) -> Length:
        if isinstance(given, RawConst):
            value = given.value
            if isinstance(value, Length):
                return value
            if isinstance(value, str):
                edit = Edit(given.start, given.end, value)
                raise self.source.error("Durations have no quotes", given.start, [edit] if value.isalnum() else [])
            if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
                edit = Edit(given.start, given.end, f"{value}d")
                raise self.source.error(f"{word}= is a duration", given.start, [edit])
        raise self.source.error(f"{word}= takes a duration, such as {word}=30d", given.start)

    def _window_argument(self, raw: RawCall) -> None:
        argument = raw.arguments[0]
        if isinstance(argument, RawName) and argument.dotted == "window":
            return
        if raw.function.dotted == "wants" and isinstance(argument, RawConst) and argument.value in OFFICE_LEVELS:
            level = Edit(raw.function.start, raw.function.end, "wants_office")
            raise self.source.error("wants() asks about a window", argument.start, [level])
        edit = Edit(argument.start, argument.end, "window")
        fixable = isinstance(argument, RawConst) and argument.value == "window"
        message = "window has no quotes" if fixable else f"{raw.function.dotted}() asks about a window"
        raise self.source.error(message, argument.start, [edit])

    def _name(self, raw: Raw, what: str, call: RawCall) -> str:
        """An argument that is a quoted name of this kind."""
        if isinstance(raw, RawName):
            shown = "/".join(raw.path)
            edit = Edit(raw.start, raw.end, quoted(shown))
            corrected = f"{self.source.text[call.start : raw.start]}{edit.text}{self.source.text[raw.end : call.end]}"
            raise self.source.error(f"{_PLURALS[what]} are quoted: {corrected}", raw.start, [edit], say=False)
        if not isinstance(raw, RawConst) or not isinstance(raw.value, str):
            raise self.source.error(
                f"{_PLURALS[what]} are quoted names, as in {FUNCTIONS[call.function.path[-1]].example}", raw.start
            )
        name = raw.value
        if not name.strip():
            raise self.source.error("The name is empty", raw.start)
        if what == "event" and name in OPENS:
            raise self.source.error(NO_OPENS, raw.start)
        known: Collection[str] | None = {
            "entity": self.vocabulary.entities,
            "topic": self.vocabulary.topics,
            "calendar": self.vocabulary.calendars,
            "campaign": tuple(self.vocabulary.campaigns),
            "segment": tuple(self.vocabulary.segments),
            "stage": STAGE.values,
            "office": OFFICE_LEVELS,
        }.get(what)
        if known is not None and name not in known:
            raise self._no_such_name(raw, what, name, known)
        return name

    def _no_such_name(self, raw: Raw, what: str, name: str, known: Collection[str]) -> ExpressionError:
        close = nearest(name, known)
        label = {"calendar": "calendar name", "office": "office level"}.get(what, what)
        if close:
            rest = f'; nearest: "{close}"'
        elif known and len(known) <= 12:
            rest = "; there are " + " ".join(sorted(known))
        else:
            rest = ""
        return self.source.error(f'No {label} "{name}"{rest}', raw.start)

    def _of_step(self, raw: RawCall, name: str, names: list[str], period: Period) -> Condition:
        """`received clicked answered`: of this enrollment by step key, or ever by `campaign/step`."""
        step, answers = names[0], tuple(names[1:])
        words = self.vocabulary
        place = raw.arguments[0]
        campaign, slash, key = step.rpartition("/")
        if slash:
            if campaign not in words.campaigns:
                raise self._no_such_name(place, "campaign", campaign, words.campaigns)
            if key not in words.campaigns[campaign]:
                raise self._no_such_name(place, f"step of {campaign}", key, words.campaigns[campaign])
        else:
            elsewhere = [f"{each}/{key}" for each in words.campaigns if key in words.campaigns[each]]
            if not words.in_enrollment:
                fix = [Edit(place.start, place.end, quoted(elsewhere[0]))] if len(elsewhere) == 1 else []
                advice = "" if fix else f'. Write the campaign before it: "campaign/{key}"'
                raise self.source.error(f"There is no enrollment here to look for {key} in{advice}", place.start, fix)
            if key not in words.steps:
                if len(elsewhere) == 1:
                    raise self.source.error(f'No step "{key}" in this campaign. Perhaps: "{elsewhere[0]}"', place.start)
                raise self._no_such_name(place, "step", key, words.steps)
        if answers and step in words.answers and answers[0] not in words.answers[step]:
            raise self._no_such_name(raw.arguments[1], f"answer of {step}", answers[0], words.answers[step])
        former = words.was.get(key) if not slash else None
        return Asked(name, answers, period, campaign=campaign, keys=(key, former) if former else (key,))


def whole_days(source: Source, length: Length, raw: Raw, what: str) -> ExpressionError:
    """The error for a length with hours in it where only days count."""
    minutes = int(length.span.total_seconds()) // 60
    edits = [] if minutes % 1440 else [Edit(raw.start, raw.end, f"{minutes // 1440}d")]
    return source.error(f"{what} counts whole days", raw.start, edits)
