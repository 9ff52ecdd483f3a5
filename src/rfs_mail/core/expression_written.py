"""Written values: a text, a number or a date in quotes as a value of the type it is compared with."""

from datetime import date
from typing import Final

from rfs_mail.core.expression_names import nearest
from rfs_mail.core.expression_raw import RawConst
from rfs_mail.core.expression_source import Edit, Source
from rfs_mail.core.expression_tree import Constant, Length, Operator, quoted
from rfs_mail.core.vocabulary import DATE, FieldType
from rfs_mail.core.zones import state_code
from rfs_mail.errors import ExpressionError

_YEARS: Final = (1900, 2200)


def constant(source: Source, kind: FieldType, raw: RawConst, of: str, operator: Operator) -> Constant:
    """A written value of this type."""
    value = raw.value
    if value is None:
        raise source.error(f"none is no value of a list. Ask: {of} is none", raw.start)
    if isinstance(value, bool | Length):
        raise source.error(
            f"{of} is {kind.in_words}: {source.text[raw.start : raw.end]} does not compare with it", raw.start
        )
    if kind.kind == "number":
        return Constant(_number(source, raw, of), kind)
    if not isinstance(value, str):
        if kind.kind in ("date", "instant"):
            raise source.error(f'{of} is {kind.in_words}. Write a date such as "2026-12-03"', raw.start)
        edit = Edit(raw.start, raw.end, quoted(source.text[raw.start : raw.end]))
        raise source.error(f"{of} is {kind.in_words}", raw.start, [edit])
    if kind.kind in ("date", "instant"):
        return Constant(_date(source, raw, value, of), DATE)
    if kind.values and value not in kind.values:
        raise _no_such_word(source, raw, value, kind, of)
    if of.rpartition(".")[2] == "state" and kind.kind == "text" and operator == "==":
        code = state_code(value)
        if code is not None and code != value:
            raise source.error("States are two letters", raw.start, [Edit(raw.start, raw.end, quoted(code))])
    return Constant(value, kind)


def _number(source: Source, raw: RawConst, of: str) -> int | float:
    value = raw.value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    written = str(value).strip()
    plain = written.removeprefix("-").isascii() and written.removeprefix("-").isdigit()
    edits = [Edit(raw.start, raw.end, str(int(written)))] if plain and len(written) < 15 else []
    raise source.error(f"{of} is a number", raw.start, edits)


def _date(source: Source, raw: RawConst, value: str, of: str) -> str:
    try:
        day = date.fromisoformat(value)
    except ValueError:
        day = None
    if day is not None and not _YEARS[0] <= day.year <= _YEARS[1]:
        raise source.error(f"The year {day.year} is a slip of the keyboard", raw.start)
    if day is None or day.isoformat() != value:
        edits = [Edit(raw.start, raw.end, quoted(day.isoformat()))] if day else []
        raise source.error(
            f'{of} is a date, and "{value}" is none. A date is written year-month-day: "2026-12-03"',
            raw.start,
            edits,
        )
    return value


def _no_such_word(source: Source, raw: RawConst, value: str, kind: FieldType, of: str) -> ExpressionError:
    what = kind.kind if kind.kind in ("stage", "confidence") else of
    close = nearest(value, kind.values)
    known = f'nearest: "{close}"' if close else "there are " + " ".join(kind.values)
    message = f'No {what} "{value}"; {known}' if kind.kind != "choice" else f'{of} is never "{value}"; {known}'
    return source.error(message, raw.start)
