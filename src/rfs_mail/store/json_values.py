"""
One value of a JSON column in the SQL of both databases, guarded: one of another type is NULL, never an error.

Also text in the order of its code points, which PostgreSQL's own collations do not keep.
"""

import re
from decimal import Decimal
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, Dialect, Float, Numeric, Text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.visitors import InternalTraversal
from sqlalchemy.types import TypeDecorator, TypeEngine

JsonKind = Literal["text", "number", "date", "yes_no"]


class Number(TypeDecorator[float]):
    """A number as it is written: exact on PostgreSQL, as in Python on SQLite."""

    impl = Numeric
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(Numeric() if dialect.name == "postgresql" else Float())

    def process_bind_param(self, value: float | None, dialect: Dialect) -> Any:
        return Decimal(repr(value)) if value is not None and dialect.name == "postgresql" else value


class JsonValue(ColumnElement[Any]):
    """
    The member `name` of a JSON object column, or NULL where it has not this kind.

    text and date give text (a date only where it is written YYYY-MM-DD), number a number, yes_no `true` or `false`.
    """

    __visit_name__ = "rfs_json_value"
    inherit_cache = True
    _traverse_internals = [  # noqa: RUF012 - SQLAlchemy's own declaration
        ("column", InternalTraversal.dp_clauseelement),
        ("member", InternalTraversal.dp_string),
        ("kind", InternalTraversal.dp_string),
    ]

    def __init__(self, column: ColumnElement[Any], member: str, kind: JsonKind) -> None:
        if not _PLAIN.fullmatch(member):
            raise ValueError(f"{member!r} cannot be the name of a member of a JSON column")
        self.column = column
        self.member = member
        self.kind = kind
        self.type = Number() if kind == "number" else Text()


class ByCodePoint(ColumnElement[str]):
    """A text whose order is that of its code points, in every database."""

    __visit_name__ = "rfs_by_code_point"
    inherit_cache = True
    _traverse_internals = [("text", InternalTraversal.dp_clauseelement)]  # noqa: RUF012 - SQLAlchemy's own declaration

    def __init__(self, text: ColumnElement[str]) -> None:
        self.text = text
        self.type = Text()


_PLAIN: Final = re.compile(r"\w[\w-]*")
_DIGITS: Final = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]"


@compiles(JsonValue, "sqlite")
def _json_on_sqlite(element: JsonValue, compiler: SQLCompiler, **kw: Any) -> str:
    column = compiler.process(element.column, **kw)
    kind = f"json_type({column}, '$.\"{element.member}\"')"
    value = f"json_extract({column}, '$.\"{element.member}\"')"
    match element.kind:
        case "text":
            return f"CASE {kind} WHEN 'text' THEN {value} END"
        case "number":
            return f"CASE WHEN {kind} IN ('integer', 'real') THEN {value} END"
        case "date":
            return f"CASE WHEN {kind} = 'text' AND {value} GLOB '{_DIGITS}' THEN {value} END"
        case "yes_no":
            return f"CASE {kind} WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' END"


@compiles(JsonValue, "postgresql")
def _json_on_postgresql(element: JsonValue, compiler: SQLCompiler, **kw: Any) -> str:
    column = compiler.process(element.column, **kw)
    kind = f"jsonb_typeof({column} -> '{element.member}')"
    value = f"({column} ->> '{element.member}')"
    match element.kind:
        case "text":
            return f"CASE WHEN {kind} = 'string' THEN {value} END"
        case "number":
            return f"CASE WHEN {kind} = 'number' THEN {value}::numeric END"
        case "date":
            return f"CASE WHEN {kind} = 'string' AND {value} ~ '^{_DIGITS}$' THEN {value} END"
        case "yes_no":
            return f"CASE WHEN {kind} = 'boolean' THEN {value} END"


@compiles(ByCodePoint)
def _code_point(element: ByCodePoint, compiler: SQLCompiler, **kw: Any) -> str:
    return compiler.process(element.text, **kw)  # the order SQLite compares by anyway


@compiles(ByCodePoint, "postgresql")
def _code_point_on_postgresql(element: ByCodePoint, compiler: SQLCompiler, **kw: Any) -> str:
    return f'({compiler.process(element.text, **kw)}) COLLATE "C"'
