"""
What an expression means: names found, types checked, segments opened; or what to write instead.

The reader of a message is an email director. Each says what is wrong in words of campaigns and ends in the corrected
line wherever one is known; `hint` is set only where the correction cannot change what was meant.
"""

import difflib
from collections.abc import Callable, Collection, Iterable
from datetime import date
from typing import Final, Literal

from rfs_mail.core.expression_raw import (
    Raw,
    RawCall,
    RawCompare,
    RawConst,
    RawIsNone,
    RawJoin,
    RawList,
    RawName,
    RawNot,
    RawOperator,
)
from rfs_mail.core.expression_source import Edit, Source
from rfs_mail.core.expression_tokens import DEEPEST
from rfs_mail.core.expression_tree import (
    FLIPPED,
    WINDOW_FUNCTIONS,
    Age,
    Always,
    And,
    Asked,
    Compare,
    Condition,
    Constant,
    Count,
    Field,
    Holds,
    Length,
    Missing,
    Not,
    OneOf,
    Operator,
    Or,
    Period,
    Segment,
    Today,
    Value,
    quoted,
)
from rfs_mail.core.vocabulary import (
    DATE,
    FUNCTIONS,
    INSTANT,
    LINE,
    NUMBER,
    PERSON_FIELDS,
    STAGE,
    FieldType,
    Function,
    Vocabulary,
)
from rfs_mail.core.zones import state_code
from rfs_mail.errors import ExpressionError

MOST_ATOMS: Final = 200
_YEARS: Final = (1900, 2200)

_SIGNS: Final[dict[RawOperator, str]] = {
    "eq": "==", "ne": "!=", "lt": "<", "lteq": "<=", "gt": ">", "gteq": ">=", "in": "in", "notin": "not in",
}  # fmt: skip
_ORDERS: Final[dict[RawOperator, Operator]] = {"eq": "==", "ne": "==", "lt": "<", "lteq": "<=", "gt": ">", "gteq": ">="}
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
}
_OPENS: Final = frozenset({"opened", "opens", "open", "opened_mail"})
_TEMPLATE_ONLY: Final = frozenset({"entity", "campaign", "office", "windows", "step", "unsubscribe_url", "language"})


class Checker:
    """One expression in one place. `read` parses the text of a segment."""

    def __init__(
        self,
        source: Source,
        vocabulary: Vocabulary,
        read: Callable[[Source], Raw],
        opened: tuple[str, ...] = (),
        known: dict[str, Condition] | None = None,
    ) -> None:
        self.source = source
        self.vocabulary = vocabulary
        self.read = read
        self.opened = opened
        """The segments this text is inside of, outermost first."""
        self.known = known if known is not None else {}
        """Segments that were opened already."""

    def check(self) -> Condition:
        """The meaning. Raises ExpressionError."""
        root = self.condition(self.read(self.source))
        depth, atoms = _size(root)
        if atoms > MOST_ATOMS:
            raise self.source.error(
                f"This asks {atoms} questions with its segments opened; at most {MOST_ATOMS} are allowed", 0
            )
        if depth > DEEPEST:
            raise self.source.error(
                f"This is nested {depth} deep with its segments opened; at most {DEEPEST} are allowed", 0
            )
        return root

    # -- conditions --------------------------------------------------------------------------------------------------

    def condition(self, raw: Raw) -> Condition:
        """What is true or false."""
        match raw:
            case RawJoin():
                return self._joined(raw)
            case RawNot(item=item):
                return Not(self.condition(item))
            case RawCompare():
                return self._compared(raw)
            case RawIsNone(item=item):
                return Missing(self._askable(item))
            case RawCall():
                return self._asked(raw)
            case RawName():
                return self._bare(raw)
            case RawConst(value=bool() as value):
                return Always(value)
            case _:
                raise self._lonely(raw)

    def _joined(self, raw: RawJoin) -> Condition:
        items: list[Condition] = []
        kind = And if raw.word == "and" else Or
        for place, item in enumerate(raw.items):
            if isinstance(item, RawConst) and not isinstance(item.value, bool):
                raise self._lonely(item, raw, place)
            part = self.condition(item)
            items.extend(part.items if isinstance(part, kind) else (part,))
        return kind(tuple(items))

    def _lonely(self, raw: Raw, join: RawJoin | None = None, place: int = 0) -> ExpressionError:
        """A value where a condition belongs: `stage == "filed" or "on_ballot"` is the usual way to get there."""
        shown = self._text(raw)
        if join is not None and join.word == "or" and place:
            first = next((item for item in reversed(join.items[:place]) if not isinstance(item, RawConst)), None)
            if isinstance(first, RawCompare) and len(first.rest) == 1 and first.rest[0][0] == "eq":
                at = join.items.index(first)
                run = [first.rest[0][1]]
                for item in join.items[at + 1 :]:
                    if not isinstance(item, RawConst):
                        break
                    run.append(item)
                listed = ", ".join(map(self._text, run))
                edit = Edit(first.start, run[-1].end, f"{self._text(first.first)} in [{listed}]")
                return self.source.error(f"{shown} stands alone. Several values are a list", raw.start, [edit])
        if isinstance(raw, RawList):
            return self.source.error("A list stands alone. Compare a field with it: stage in [...]", raw.start)
        return self.source.error(
            f"{shown} stands alone: it is neither true nor false. Compare it with a field", raw.start
        )

    def _bare(self, raw: RawName) -> Condition:
        name = raw.dotted
        value = self._resolve(raw)
        if isinstance(value, Field):
            if value.type.kind == "yes_no":
                return Holds(value)
            raise self.source.error(
                f"{name} alone is neither true nor false. Compare it, or ask whether it is known: {value} is not none",
                raw.start,
            )
        if isinstance(value, Today):
            raise self.source.error("today is a date, not yes or no. Compare it with a date", raw.start)
        if name in FUNCTIONS:
            raise self._uncalled(raw)
        if name in STAGE.values:
            edit = Edit(raw.start, raw.end, f"stage == {quoted(name)}")
            raise self.source.error(f"{name} is a stage", raw.start, [edit])
        raise self._unknown(raw)

    def _uncalled(self, raw: RawName) -> ExpressionError:
        function = FUNCTIONS[raw.dotted]
        fix: list[Edit] = []
        if function.gives == "yes_no" and function.arguments in ((), ("window",)):
            fix = [Edit(raw.end, raw.end, f"({'window' if function.arguments else ''})")]
        advice = "" if fix else f", such as {function.example}"
        return self.source.error(f"{raw.dotted} is asked with brackets{advice}", raw.start, fix)

    def _askable(self, raw: Raw) -> Field:
        """What `is none` may be asked of."""
        if isinstance(raw, RawCall) and raw.function.path == ("age",) and len(raw.arguments) == 1:
            edit = Edit(raw.start, raw.end, self._text(raw.arguments[0]).strip("'\""))
            raise self.source.error("An age is always there. Ask the field", raw.start, [edit])
        value = self._resolve(raw) if isinstance(raw, RawName) else None
        if isinstance(value, Field):
            return value
        if isinstance(raw, RawName) and value is None:
            if raw.dotted in FUNCTIONS:
                raise self._uncalled(raw)
            raise self._unknown(raw)
        raise self.source.error("Only a field can be none. A question is asked with not: not event(...)", raw.start)

    # -- comparisons -------------------------------------------------------------------------------------------------

    def _compared(self, raw: RawCompare) -> Condition:
        signs = [sign for sign, _ in raw.rest]
        operands = [raw.first, *(operand for _, operand in raw.rest)]
        if len(signs) > 1 and not (set(signs) <= {"lt", "lteq"} or set(signs) <= {"gt", "gteq"}):
            raise self.source.error(
                f"One comparison at a time: join {_SIGNS[signs[0]]} and {_SIGNS[signs[1]]} with and", operands[2].start
            )
        pairs = [self._pair(operands[place], sign, operands[place + 1]) for place, sign in enumerate(signs)]
        return pairs[0] if len(pairs) == 1 else And(tuple(pairs))

    def _pair(self, left: Raw, sign: RawOperator, right: Raw) -> Condition:
        for operand in (left, right):
            if isinstance(operand, RawJoin | RawNot | RawCompare | RawIsNone):
                raise self._not_a_value(left, sign, right, operand)
        if sign in ("in", "notin"):
            found: Condition = self._one_of(left, sign, right)
        else:
            found = self._one_to_one(left, sign, right)
        return Not(found) if sign in ("ne", "notin") else found

    def _not_a_value(self, left: Raw, sign: RawOperator, right: Raw, operand: Raw) -> ExpressionError:
        if (
            operand is right
            and sign == "eq"
            and isinstance(operand, RawJoin)
            and operand.word == "or"
            and all(isinstance(item, RawConst) for item in operand.items)
        ):
            listed = ", ".join(map(self._text, operand.items))
            opening = self.source.text.rfind("(", left.end, right.start)
            closing = self.source.text.find(")", right.end)
            edit = Edit(left.end, closing + 1, f" in [{listed}]")
            fix = [edit] if opening >= 0 and closing >= 0 else []
            return self.source.error("Several values are a list", operand.start, fix)
        return self.source.error(
            f"{_SIGNS[sign]} compares values, and this is true or false. Join conditions with and, or", operand.start
        )

    def _one_to_one(self, left: Raw, sign: RawOperator, right: Raw) -> Condition:
        if isinstance(left, RawConst | RawList) and not isinstance(right, RawConst | RawList):
            left, right = right, left
            operator = FLIPPED[_ORDERS[sign]]
        else:
            operator = _ORDERS[sign]
        if isinstance(right, RawList):
            raise self._list_compared(left, sign, right)
        if isinstance(right, RawConst) and right.value is None:
            meant = {"eq": "is none", "ne": "is not none"}.get(sign)
            edits = [Edit(min(left.start, right.start), max(left.end, right.end), f"{self._text(left)} {meant}")]
            raise self.source.error("Whether there is a value is asked with none", right.start, edits if meant else [])
        if isinstance(left, RawConst) and isinstance(right, RawConst):
            raise self.source.error("Both sides are written out: one of them is a field", left.start)
        if isinstance(left, RawConst | RawList):
            raise self.source.error("One side of a comparison is a field", left.start)
        value, other = self._sides(left, right)
        if isinstance(value, Field) and value.type.kind == "yes_no":
            return self._yes_or_no(value, operator, right, other)
        if isinstance(value, Age) or isinstance(other, Age):
            return self._aged(value, other, operator, left, right)
        written = right.value if isinstance(right, RawConst) else None
        if isinstance(written, Length):
            raise self.source.error(
                f"{self._text(left)} is no age. Write age(...) around a moment to compare it with {written}",
                right.start,
            )
        if other is None:
            assert isinstance(right, RawConst)
            self._check_order(_type_of(value), operator, left, right)
            other = self._constant(_type_of(value), right, self._text(left), operator)
        else:
            self._check_types(value, other, operator, left, right)
        return Compare(value, operator, other)

    def _sides(self, left: Raw, right: Raw) -> tuple[Value, Value | None]:
        """The values of both; None for a right side that is written out. A bare word may be text without quotes."""
        first = self._try(left)
        second = None if isinstance(right, RawConst) else self._try(right)
        if first is None and second is not None:
            raise self._unquoted(left, _type_of(second))
        if first is None:
            raise self._no_value(left)
        if second is None and not isinstance(right, RawConst):
            raise self._unquoted(right, _type_of(first))
        return first, second

    def _try(self, raw: Raw) -> Value | None:
        """The value of a name or a call; None for a name that there is not."""
        if isinstance(raw, RawName):
            return self._resolve(raw)
        if isinstance(raw, RawCall):
            return self._counted(raw)
        return None

    def _unquoted(self, raw: Raw, other: FieldType | None) -> ExpressionError:
        """A word where a value is expected: very likely text without its quotes."""
        if isinstance(raw, RawName) and len(raw.path) == 1 and other is not None:
            name = raw.dotted
            if name in other.values or (
                other.kind in ("text", "choice", "stage", "confidence") and name not in FUNCTIONS
            ):
                edit = Edit(raw.start, raw.end, quoted(name))
                return self.source.error(f"{name} needs quotes", raw.start, [edit])
        return self._no_value(raw)

    def _no_value(self, raw: Raw) -> ExpressionError:
        if isinstance(raw, RawName):
            if raw.dotted in FUNCTIONS:
                return self._uncalled(raw)
            return self._unknown(raw)
        return self.source.error("A value belongs here: a field, a text, a number", raw.start)

    def _list_compared(self, left: Raw, sign: RawOperator, right: RawList) -> ExpressionError:
        word = {"eq": "in", "ne": "not in"}.get(sign)
        edits = []
        if word and left.start < right.start and self.source.text[right.start] == "[":
            edits = [Edit(left.end, right.start, f" {word} ")]
        return self.source.error("A list is asked with in", right.start, edits)

    def _yes_or_no(self, value: Field, operator: Operator, right: Raw, other: Value | None) -> Condition:
        if operator == "==" and isinstance(right, RawConst) and isinstance(right.value, bool):
            return Holds(value, right.value)
        wanted = right.value if isinstance(right, RawConst) else None
        if operator == "==" and isinstance(wanted, str) and wanted.lower() in ("yes", "no", "true", "false"):
            edit = Edit(right.start, right.end, "true" if wanted.lower() in ("yes", "true") else "false")
            raise self.source.error(f"{value} is yes or no", right.start, [edit])
        if other is not None:
            raise self.source.error(f"{value} is yes or no: it cannot be compared with another field", right.start)
        raise self.source.error(f"{value} is yes or no. It stands alone, or with not before it", right.start)

    def _aged(self, value: Value, other: Value | None, operator: Operator, left: Raw, right: Raw) -> Condition:
        if not isinstance(value, Age):
            raise self.source.error("An age is compared with a duration, such as < 7d", right.start)
        written = right.value if isinstance(right, RawConst) else None
        if isinstance(written, int) and not isinstance(written, bool) and written >= 0:
            edit = Edit(right.start, right.end, f"{written}d")
            sign = self.source.text[left.end : right.start].strip() if left.start < right.start else ""
            shown = f"{sign} {written}d" if sign else f"{written}d"
            raise self.source.error(f"age() is a duration. Write: {shown}", right.start, [edit], say=False)
        if other is not None or not isinstance(written, Length):
            raise self.source.error("age() is a duration. It is compared with one, such as < 7d", right.start)
        if operator == "==":
            raise self.source.error("No two ages are equal. Write < or > and a duration", right.start)
        if value.field.type.kind == "date" and written.days is None:
            raise self._whole_days(written, right, f"{value.field} is a date, and its age")
        return Compare(value, operator, written)

    def _whole_days(self, length: Length, raw: Raw, what: str) -> ExpressionError:
        minutes = int(length.span.total_seconds()) // 60
        edits = [] if minutes % 1440 else [Edit(raw.start, raw.end, f"{minutes // 1440}d")]
        return self.source.error(f"{what} counts whole days", raw.start, edits)

    def _check_order(self, kind: FieldType, operator: Operator, left: Raw, right: RawConst) -> None:
        line = LINE.get(kind.kind)
        word = right.value
        if line is not None and operator != "==" and isinstance(word, str) and word in kind.values and word not in line:
            raise self.source.error(
                f'"{word}" is off the line: it is neither below nor above any stage. Ask for it with ==', right.start
            )
        if kind.kind == "choice" and operator != "==":
            raise self.source.error(
                f"{self._text(left)} is a choice: its values have no order. Use == or in", left.start
            )

    def _check_types(self, value: Value, other: Value, operator: Operator, left: Raw, right: Raw) -> None:
        one, two = _type_of(value), _type_of(other)
        text = {"text", "choice"}
        same = one.kind == two.kind or {one.kind, two.kind} <= text
        if (
            not same
            and not (isinstance(other, Today) and one is INSTANT)
            and not (isinstance(value, Today) and two is INSTANT)
        ):
            raise self.source.error(
                f"{self._text(left)} is {one.in_words} and {self._text(right)} is {two.in_words}. They do not compare",
                right.start,
            )
        if one.kind == two.kind == "yes_no":
            raise self.source.error("Two fields of yes or no cannot be compared", right.start)
        if operator != "==" and "choice" in (one.kind, two.kind):
            raise self.source.error("The values of a choice have no order. Use == or in", left.start)

    def _one_of(self, left: Raw, sign: RawOperator, right: Raw) -> Condition:
        if isinstance(left, RawConst) and isinstance(right, RawName):
            if right.dotted in ("tags", "person.tags", "roles", "person.roles"):
                asked = f"{'tag' if 'tag' in right.dotted else 'role'}({self._text(left)})"
                edit = Edit(left.start, right.end, asked if sign == "in" else f"not {asked}")
                raise self.source.error(f"{right.dotted} is asked one by one", left.start, [edit])
            if self._resolve(right) is None:
                raise self._unknown(right)
            sign_meant = "==" if sign == "in" else "!="
            edit = Edit(left.start, right.end, f"{self._text(right)} {sign_meant} {self._text(left)}")
            raise self.source.error(f"{right.dotted} is one value, not a list", left.start, [edit])
        if (
            isinstance(right, RawConst)
            and isinstance(right.value, str | int | float)
            and not isinstance(right.value, bool)
        ):
            edit = Edit(right.start, right.end, f"[{self._text(right)}]")
            raise self.source.error("in needs a list", right.start, [edit])
        if not isinstance(right, RawList):
            raise self.source.error('in needs a list, such as ["a", "b"]', right.start)
        if isinstance(left, RawConst | RawList):
            raise self.source.error("Before in stands a field", left.start)
        value = self._try(left)
        if value is None:
            raise self._no_value(left)
        kind = _type_of(value)
        if isinstance(value, Age) or kind.kind in ("yes_no", "instant"):
            raise self.source.error(
                f"{self._text(left)} is compared with < or >, or stands alone; a list cannot name it", left.start
            )
        items: list[Constant] = []
        for item in right.items:
            if isinstance(item, RawName):
                if self._resolve(item) is None:
                    raise self._unquoted(item, kind)
                raise self.source.error("A list holds written values, not fields", item.start)
            if not isinstance(item, RawConst):
                raise self.source.error("A list holds written values", item.start)
            items.append(self._constant(kind, item, self._text(left), "=="))
        if not items:
            raise self.source.error("The list is empty: nothing is in it", right.start)
        return OneOf(value, tuple(dict.fromkeys(items)))

    def _constant(self, kind: FieldType, raw: RawConst, of: str, operator: Operator) -> Constant:
        """A written value of this type."""
        value = raw.value
        if value is None:
            raise self.source.error(f"none is no value of a list. Ask: {of} is none", raw.start)
        if isinstance(value, bool | Length):
            raise self.source.error(f"{of} is {kind.in_words}: {self._text(raw)} does not compare with it", raw.start)
        if kind.kind == "number":
            return Constant(self._number(raw, of), kind)
        if not isinstance(value, str):
            if kind.kind in ("date", "instant"):
                raise self.source.error(f'{of} is {kind.in_words}. Write a date such as "2026-12-03"', raw.start)
            edit = Edit(raw.start, raw.end, quoted(self._text(raw)))
            raise self.source.error(f"{of} is {kind.in_words}", raw.start, [edit])
        if kind.kind in ("date", "instant"):
            return Constant(self._date(raw, value, of), DATE)
        if kind.values and value not in kind.values:
            raise self._no_such_word(raw, value, kind, of)
        if of.rpartition(".")[2] == "state" and kind.kind == "text" and operator == "==":
            code = state_code(value)
            if code is not None and code != value:
                raise self.source.error("States are two letters", raw.start, [Edit(raw.start, raw.end, quoted(code))])
        return Constant(value, kind)

    def _number(self, raw: RawConst, of: str) -> int | float:
        value = raw.value
        if isinstance(value, int | float) and not isinstance(value, bool):
            return value
        written = str(value).strip()
        plain = written.removeprefix("-").isascii() and written.removeprefix("-").isdigit()
        edits = [Edit(raw.start, raw.end, str(int(written)))] if plain and len(written) < 15 else []
        raise self.source.error(f"{of} is a number", raw.start, edits)

    def _date(self, raw: RawConst, value: str, of: str) -> str:
        try:
            day = date.fromisoformat(value)
        except ValueError:
            day = None
        if day is not None and not _YEARS[0] <= day.year <= _YEARS[1]:
            raise self.source.error(f"The year {day.year} is a slip of the keyboard", raw.start)
        if day is None or day.isoformat() != value:
            edits = [Edit(raw.start, raw.end, quoted(day.isoformat()))] if day else []
            raise self.source.error(
                f'{of} is a date, and "{value}" is none. A date is written year-month-day: "2026-12-03"',
                raw.start,
                edits,
            )
        return value

    def _no_such_word(self, raw: RawConst, value: str, kind: FieldType, of: str) -> ExpressionError:
        what = kind.kind if kind.kind in ("stage", "confidence") else of
        close = _nearest(value, kind.values)
        known = f'nearest: "{close}"' if close else "there are " + " ".join(kind.values)
        message = f'No {what} "{value}"; {known}' if kind.kind != "choice" else f'{of} is never "{value}"; {known}'
        return self.source.error(message, raw.start)

    # -- names -------------------------------------------------------------------------------------------------------

    def _resolve(self, raw: Raw) -> Field | Today | None:
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

    def _unknown(self, raw: RawName) -> ExpressionError:
        name = raw.dotted
        words = self.vocabulary
        if name in _OPENS:
            return self.source.error(_NO_OPENS, raw.start)
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
        close = _nearest(name, self._sayable())
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

    def _text(self, raw: Raw) -> str:
        return self.source.text[raw.start : raw.end]

    # -- functions ---------------------------------------------------------------------------------------------------

    def _asked(self, raw: RawCall) -> Condition:
        name, function = self._function(raw)
        if function.gives == "age":
            raise self.source.error("age() is a duration. Compare it, such as age(signed_up_at) < 7d", raw.start)
        if function.gives == "number":
            edit = Edit(raw.end, raw.end, " >= 1")
            raise self.source.error(f"{name}() is a number. Compare it", raw.start, [edit])
        self._count_arguments(raw, name, function)
        if name == "segment":
            return self._segment(raw)
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

    def _counted(self, raw: RawCall) -> Value:
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
            if self._resolve(inside) is not None:
                edit = Edit(argument.start, argument.end, argument.value)
                raise self.source.error("age() takes a field, and fields have no quotes", argument.start, [edit])
        if not isinstance(argument, RawName):
            raise self.source.error("age() takes a field, such as age(signed_up_at)", argument.start)
        value = self._resolve(argument)
        if value is None:
            raise self._no_value(argument)
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
        if name in _OPENS:
            raise self.source.error(_NO_OPENS, start)
        if self._resolve(raw.function) is not None:
            argument = self._text(raw.arguments[0]) if len(raw.arguments) == 1 else '"..."'
            raise self.source.error(f"{name} is a field: it is compared, as in {name} == {argument}", start)
        synonym = _SYNONYMS.get(name.lower(), name.lower())
        if synonym in FUNCTIONS and synonym != name:
            raise self.source.error(f"No {name}()", start, [Edit(start, raw.function.end, synonym)])
        close = _nearest(name, FUNCTIONS)
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
                    raise self._whole_days(closes_within, given, word)
        return within, since_entry, closes_within

    def _unknown_keyword(self, raw: RawCall, name: str, function: Function, word: str, given: Raw) -> ExpressionError:
        if not function.keywords:
            return self.source.error(f"{name}() takes no {word}=", given.start)
        close = _nearest(word, function.keywords)
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
        if what == "event" and name in _OPENS:
            raise self.source.error(_NO_OPENS, raw.start)
        known: Collection[str] | None = {
            "entity": self.vocabulary.entities,
            "topic": self.vocabulary.topics,
            "calendar": self.vocabulary.calendars,
            "campaign": tuple(self.vocabulary.campaigns),
            "segment": tuple(self.vocabulary.segments),
            "stage": STAGE.values,
        }.get(what)
        if known is not None and name not in known:
            raise self._no_such_name(raw, what, name, known)
        return name

    def _no_such_name(self, raw: Raw, what: str, name: str, known: Collection[str]) -> ExpressionError:
        close = _nearest(name, known)
        label = "calendar name" if what == "calendar" else what
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

    def _segment(self, raw: RawCall) -> Condition:
        name = self._name(raw.arguments[0], "segment", raw)
        if name in self.opened:
            circle = " -> ".join((*self.opened[self.opened.index(name) :], name))
            raise self.source.error(f"Segments go in a circle: {circle}", raw.start)
        if name not in self.known:
            if len(self.opened) >= DEEPEST:
                raise self.source.error(f"Segments inside segments, more than {DEEPEST} deep", raw.start)
            inside = Checker(
                Source(self.vocabulary.segments[name]),
                self.vocabulary.outside(),
                self.read,
                (*self.opened, name),
                self.known,
            )
            try:
                self.known[name] = inside.check()
            except ExpressionError as error:
                said = str(error)
                if not said.startswith(_OF_SEGMENTS):
                    said = f'In segment "{name}": {said}'
                raise self.source.error(said, raw.start) from None
        return Segment(name, self.known[name])


_OF_SEGMENTS: Final = ("In segment ", "Segments ")
"""How the errors begin that say themselves which segment is to blame."""

_NO_OPENS: Final = "Opens do not exist here, because machines open mail too. Ask clicked(...) or active(...)"
_A: Final = {
    "entity": "an entity",
    "event": "the name of an event",
    "answer": "an answer",
    "calendar": "a calendar name",
    "field": "a field",
}
_SYNONYMS: Final = {
    "consent": "consented",
    "has_tag": "tag",
    "tagged": "tag",
    "has_role": "role",
    "enrolled": "in_campaign",
    "has_filed": "filed",
}


def _type_of(value: Value) -> FieldType:
    match value:
        case Field(type=kind) | Constant(type=kind):
            return kind
        case Count():
            return NUMBER
        case Today():
            return DATE
        case _:
            return INSTANT


def _nearest(word: str, known: Iterable[str]) -> str | None:
    close = difflib.get_close_matches(word, sorted(known), n=1, cutoff=0.6)
    return close[0] if close else None


def _size(condition: Condition) -> tuple[int, int]:
    """Depth and number of leaves, segments opened."""
    match condition:
        case And(items) | Or(items):
            sizes = [_size(item) for item in items]
            return 1 + max(depth for depth, _ in sizes), sum(atoms for _, atoms in sizes)
        case Not(item):
            depth, atoms = _size(item)
            return 1 + depth, atoms
        case Segment(body=body):
            return _size(body)
        case _:
            return 1, 1
