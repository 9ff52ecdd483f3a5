"""
What an expression means: names found, types checked, segments opened; or what to write instead.

The reader of a message is an email director. Each says what is wrong in words of campaigns and ends in the corrected
line wherever one is known; `hint` is set only where the correction cannot change what was meant.
"""

from collections.abc import Callable
from typing import Final

from rfs_mail.core.expression_calls import Calls, whole_days
from rfs_mail.core.expression_names import Names, type_of
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
    Age,
    Always,
    And,
    Compare,
    Condition,
    Constant,
    Field,
    Holds,
    Length,
    Missing,
    Not,
    OneOf,
    Operator,
    Or,
    Segment,
    Today,
    Value,
    quoted,
)
from rfs_mail.core.expression_written import constant
from rfs_mail.core.vocabulary import (
    FUNCTIONS,
    INSTANT,
    LINE,
    STAGE,
    FieldType,
    Vocabulary,
)
from rfs_mail.errors import ExpressionError

MOST_ATOMS: Final = 200

_SIGNS: Final[dict[RawOperator, str]] = {
    "eq": "==", "ne": "!=", "lt": "<", "lteq": "<=", "gt": ">", "gteq": ">=", "in": "in", "notin": "not in",
}  # fmt: skip
_ORDERS: Final[dict[RawOperator, Operator]] = {"eq": "==", "ne": "==", "lt": "<", "lteq": "<=", "gt": ">", "gteq": ">="}

_OF_SEGMENTS: Final = ("In segment ", "Segments ")
"""How the errors begin that say themselves which segment is to blame."""


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
        self.names = Names(source, vocabulary)
        self.calls = Calls(self.names, self._open_segment)

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
                return self.calls.asked(raw)
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
        shown = self.names.text(raw)
        if join is not None and join.word == "or" and place:
            first = next((item for item in reversed(join.items[:place]) if not isinstance(item, RawConst)), None)
            if isinstance(first, RawCompare) and len(first.rest) == 1 and first.rest[0][0] == "eq":
                at = join.items.index(first)
                run = [first.rest[0][1]]
                for item in join.items[at + 1 :]:
                    if not isinstance(item, RawConst):
                        break
                    run.append(item)
                listed = ", ".join(map(self.names.text, run))
                edit = Edit(first.start, run[-1].end, f"{self.names.text(first.first)} in [{listed}]")
                return self.source.error(f"{shown} stands alone. Several values are a list", raw.start, [edit])
        if isinstance(raw, RawList):
            return self.source.error("A list stands alone. Compare a field with it: stage in [...]", raw.start)
        return self.source.error(
            f"{shown} stands alone: it is neither true nor false. Compare it with a field", raw.start
        )

    def _bare(self, raw: RawName) -> Condition:
        name = raw.dotted
        value = self.names.resolve(raw)
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
            raise self.names.uncalled(raw)
        if name in STAGE.values:
            edit = Edit(raw.start, raw.end, f"stage == {quoted(name)}")
            raise self.source.error(f"{name} is a stage", raw.start, [edit])
        raise self.names.unknown(raw)

    def _askable(self, raw: Raw) -> Field:
        """What `is none` may be asked of."""
        if isinstance(raw, RawCall) and raw.function.path == ("age",) and len(raw.arguments) == 1:
            edit = Edit(raw.start, raw.end, self.names.text(raw.arguments[0]).strip("'\""))
            raise self.source.error("An age is always there. Ask the field", raw.start, [edit])
        value = self.names.resolve(raw) if isinstance(raw, RawName) else None
        if isinstance(value, Field):
            return value
        if isinstance(raw, RawName) and value is None:
            if raw.dotted in FUNCTIONS:
                raise self.names.uncalled(raw)
            raise self.names.unknown(raw)
        raise self.source.error("Only a field can be none. A question is asked with not: not event(...)", raw.start)

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
            listed = ", ".join(map(self.names.text, operand.items))
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
            edits = [Edit(min(left.start, right.start), max(left.end, right.end), f"{self.names.text(left)} {meant}")]
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
                f"{self.names.text(left)} is no age. Write age(...) around a moment to compare it with {written}",
                right.start,
            )
        if other is None:
            assert isinstance(right, RawConst)
            self._check_order(type_of(value), operator, left, right)
            other = constant(self.source, type_of(value), right, self.names.text(left), operator)
        else:
            self._check_types(value, other, operator, left, right)
        return Compare(value, operator, other)

    def _sides(self, left: Raw, right: Raw) -> tuple[Value, Value | None]:
        """The values of both; None for a right side that is written out. A bare word may be text without quotes."""
        first = self._try(left)
        second = None if isinstance(right, RawConst) else self._try(right)
        if first is None and second is not None:
            raise self.names.unquoted(left, type_of(second))
        if first is None:
            raise self.names.no_value(left)
        if second is None and not isinstance(right, RawConst):
            raise self.names.unquoted(right, type_of(first))
        return first, second

    def _try(self, raw: Raw) -> Value | None:
        """The value of a name or a call; None for a name that there is not."""
        if isinstance(raw, RawName):
            return self.names.resolve(raw)
        if isinstance(raw, RawCall):
            return self.calls.counted(raw)
        return None

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
            raise whole_days(self.source, written, right, f"{value.field} is a date, and its age")
        return Compare(value, operator, written)

    def _check_order(self, kind: FieldType, operator: Operator, left: Raw, right: RawConst) -> None:
        line = LINE.get(kind.kind)
        word = right.value
        if line is not None and operator != "==" and isinstance(word, str) and word in kind.values and word not in line:
            raise self.source.error(
                f'"{word}" is off the line: it is neither below nor above any stage. Ask for it with ==', right.start
            )
        if kind.kind == "choice" and operator != "==":
            raise self.source.error(
                f"{self.names.text(left)} is a choice: its values have no order. Use == or in", left.start
            )

    def _check_types(self, value: Value, other: Value, operator: Operator, left: Raw, right: Raw) -> None:
        one, two = type_of(value), type_of(other)
        text = {"text", "choice"}
        same = one.kind == two.kind or {one.kind, two.kind} <= text
        if (
            not same
            and not (isinstance(other, Today) and one is INSTANT)
            and not (isinstance(value, Today) and two is INSTANT)
        ):
            raise self.source.error(
                f"{self.names.text(left)} is {one.in_words} and {self.names.text(right)} is {two.in_words}",
                right.start,
            )
        if one.kind == two.kind == "yes_no":
            raise self.source.error("Two fields of yes or no cannot be compared", right.start)
        if operator != "==" and "choice" in (one.kind, two.kind):
            raise self.source.error("The values of a choice have no order. Use == or in", left.start)

    def _one_of(self, left: Raw, sign: RawOperator, right: Raw) -> Condition:
        if isinstance(left, RawConst) and isinstance(right, RawName):
            if right.dotted in ("tags", "person.tags", "roles", "person.roles"):
                asked = f"{'tag' if 'tag' in right.dotted else 'role'}({self.names.text(left)})"
                edit = Edit(left.start, right.end, asked if sign == "in" else f"not {asked}")
                raise self.source.error(f"{right.dotted} is asked one by one", left.start, [edit])
            if self.names.resolve(right) is None:
                raise self.names.unknown(right)
            sign_meant = "==" if sign == "in" else "!="
            edit = Edit(left.start, right.end, f"{self.names.text(right)} {sign_meant} {self.names.text(left)}")
            raise self.source.error(f"{right.dotted} is one value, not a list", left.start, [edit])
        if (
            isinstance(right, RawConst)
            and isinstance(right.value, str | int | float)
            and not isinstance(right.value, bool)
        ):
            edit = Edit(right.start, right.end, f"[{self.names.text(right)}]")
            raise self.source.error("in needs a list", right.start, [edit])
        if not isinstance(right, RawList):
            raise self.source.error('in needs a list, such as ["a", "b"]', right.start)
        if isinstance(left, RawConst | RawList):
            raise self.source.error("Before in stands a field", left.start)
        value = self._try(left)
        if value is None:
            raise self.names.no_value(left)
        kind = type_of(value)
        if isinstance(value, Age) or kind.kind in ("yes_no", "instant"):
            raise self.source.error(
                f"{self.names.text(left)} is compared with < or >, or stands alone; a list cannot name it", left.start
            )
        items: list[Constant] = []
        for item in right.items:
            if isinstance(item, RawName):
                if self.names.resolve(item) is None:
                    raise self.names.unquoted(item, kind)
                raise self.source.error("A list holds written values, not fields", item.start)
            if not isinstance(item, RawConst):
                raise self.source.error("A list holds written values", item.start)
            items.append(constant(self.source, kind, item, self.names.text(left), "=="))
        if not items:
            raise self.source.error("The list is empty: nothing is in it", right.start)
        return OneOf(value, tuple(dict.fromkeys(items)))

    def _open_segment(self, name: str, at: int) -> Condition:
        """The meaning of a segment that is named at this offset."""
        if name in self.opened:
            circle = " -> ".join((*self.opened[self.opened.index(name) :], name))
            raise self.source.error(f"Segments go in a circle: {circle}", at)
        if name not in self.known:
            if len(self.opened) >= DEEPEST:
                raise self.source.error(f"Segments inside segments, more than {DEEPEST} deep", at)
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
                raise self.source.error(said, at) from None
        return Segment(name, self.known[name])


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
