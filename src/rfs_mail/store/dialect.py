"""
The few words that SQLite and PostgreSQL share but SQLAlchemy keeps in each dialect, and a faster way in for many rows.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from operator import itemgetter
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Dialect,
    Insert,
    Integer,
    Table,
    Text,
    Update,
    bindparam,
    cast,
    func,
    literal,
    select,
    type_coerce,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.types import TypeDecorator

from rfs_mail.store.types import BigId, Instant, to_microseconds


def insert(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that can say ON CONFLICT, in the dialect of this connection."""
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)


def among(connection: Connection, column: ColumnElement[Any], values: Sequence[str] | Sequence[int]) -> Any:
    """
    `column IN (values)` as one parameter, for texts or whole numbers.

    An IN list of a parameter each is a new statement for every length of the list; this is one statement for all.
    """
    if connection.dialect.name == "postgresql":
        kind = BigId if isinstance(column.type, Integer) else Text()
        given: BindParameter[Any] = bindparam(None, list(values), type_=postgresql.ARRAY(kind))
        return column == func.any(given)
    listed = func.json_each(json.dumps(values, ensure_ascii=False)).table_valued("value")
    return column.in_(select(listed.c.value))


def among_bound(column: ColumnElement[Any], name: str, *, on_postgresql: bool) -> Any:
    """`among` of whole numbers for a statement that is built once: the parameter is given by name, later."""
    if on_postgresql:
        return column == func.any(bindparam(name, type_=postgresql.ARRAY(BigId)))
    listed = func.json_each(bindparam(name, type_=Text())).table_valued("value")
    return column.in_(select(listed.c.value))


def among_value(connection: Connection, values: Sequence[int]) -> Any:
    """What a parameter of `among_bound` is given."""
    return list(values) if connection.dialect.name == "postgresql" else json.dumps(list(values))


def gathered(column: ColumnElement[int], *, on_postgresql: bool) -> ColumnElement[Any]:
    """The whole numbers of a group as one value of its row: a list."""
    if on_postgresql:
        return func.array_agg(column, type_=postgresql.ARRAY(BigId))
    return func.json_group_array(column, type_=_Listed())


class _Listed(TypeDecorator[list[int]]):
    impl = Text
    cache_ok = True

    def process_result_value(self, value: Any, dialect: Dialect) -> list[int] | None:
        return None if value is None else list(json.loads(value))


def mapped(connection: Connection, key: ColumnElement[str], values: Mapping[str, str | int]) -> Any:
    """
    What a text column maps to, by one parameter whatever the number of values; NULL where it maps to nothing.

    Text on PostgreSQL, on SQLite what was given. The keys are slugs: they hold no quote and no backslash.
    """
    given = bindparam(None, json.dumps(values), type_=Text())
    if connection.dialect.name == "postgresql":
        return cast(given, postgresql.JSONB)[key].astext
    return func.json_extract(given, literal('$."') + key + literal('"'))


def mapped_instant(connection: Connection, key: ColumnElement[str], values: Mapping[str, datetime]) -> Any:
    """The same for instants."""
    if connection.dialect.name == "postgresql":
        return cast(mapped(connection, key, {one: at.isoformat() for one, at in values.items()}), Instant())
    return type_coerce(mapped(connection, key, {one: to_microseconds(at) for one, at in values.items()}), Instant())


# -- many rows at once -------------------------------------------------------------------------------------------------


def new_ids(connection: Connection, table: Table, count: int) -> list[int]:
    """
    Ids for so many new rows: nobody else gets them, since SQLite has one writer and PostgreSQL a sequence.

    Asking for them first is what lets rows go in by `insert_many`, which tells nothing back. On SQLite only for tables
    that never give an id twice (`sqlite_autoincrement`).
    """
    if not count:
        return []
    if connection.dialect.name == "postgresql":
        drawn = f"SELECT nextval(pg_get_serial_sequence('{table.name}', 'id')) FROM generate_series(1, %s)"
        return list(connection.exec_driver_sql(drawn, (count,)).scalars())
    given = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = ?), 0)"  # deleted ones too
    last = connection.exec_driver_sql(given, (table.name,)).scalar_one()
    return list(range(last + 1, last + 1 + count))


def insert_many(
    connection: Connection, table: Table, columns: tuple[str, ...], rows: Sequence[tuple[Any, ...]], *, again: str = ""
) -> None:
    """
    Insert rows of values that are ready for the driver: instants by `instants()`, JSON as text, no defaults.

    For a million rows, going through SQLAlchemy's types costs more than the database does. `again="ignore"` passes
    over rows that a unique key already holds.
    """
    if rows:
        statement = _insert_text(connection.dialect.name, table, columns, again)
        connection.exec_driver_sql(statement, list(rows))


def update_many(
    connection: Connection, table: Table, columns: tuple[str, ...], rows: Sequence[tuple[Any, ...]], *, state: str = ""
) -> None:
    """
    Set `columns` of many rows; each tuple ends with the row's id. Values as for `insert_many`.

    With a `state`, rows that are no longer in it stay as they are.
    """
    if rows:
        mark = _mark(connection.dialect.name)
        settings = ", ".join(f"{column} = {mark}" for column in columns)
        still = f" AND state = {mark}" if state else ""
        given = [(*row, state) for row in rows] if state else list(rows)
        connection.exec_driver_sql(f"UPDATE {table.name} SET {settings} WHERE id = {mark}{still}", given)


def execute_ready(connection: Connection, statement: Update | Insert, rows: Sequence[Mapping[str, Any]]) -> None:
    """
    Run one statement for each row of values that are ready for the driver: instants by `instants()`, JSON as text.

    The statement is compiled once a dialect and nothing is converted. Every row has the same names, those of the
    statement's bound parameters.
    """
    if not rows:
        return
    text, order, constants = _compiled(statement, connection.dialect)
    given = [{**constants, **row} for row in rows] if constants else [dict(row) for row in rows]
    if order:
        pick = itemgetter(*order)
        connection.exec_driver_sql(text, [pick(row) for row in given])
    else:
        connection.exec_driver_sql(text, given)


@lru_cache(maxsize=64)
def _compiled(statement: Update | Insert, dialect: Dialect) -> tuple[str, tuple[str, ...], dict[str, Any]]:
    """Its text, its parameters in order (none: by name), and the values that stand in it. Constants are plain."""
    compiled = statement.compile(dialect=dialect)
    constants = {name: value for name, value in compiled.params.items() if not compiled.binds[name].required}
    return str(compiled), tuple(compiled.positiontup or ()), constants


def instants(connection: Connection) -> Callable[[datetime | None], Any]:
    """How this database's driver takes an instant: microseconds on SQLite, an aware datetime on PostgreSQL."""
    if connection.dialect.name == "postgresql":
        return _aware
    kept: dict[int, tuple[int, datetime]] = {}  # the same objects are asked for again and again

    def microseconds(instant: datetime | None) -> int | None:
        if instant is None:
            return None
        known = kept.get(id(instant))
        if known is None:
            known = kept[id(instant)] = (to_microseconds(instant), instant)  # held, so that its id stays its own
        return known[0]

    return microseconds


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def json_text(value: Mapping[str, Any]) -> str:
    """A JSON column's value for `insert_many`."""
    return _encode(value) if value else "{}"


def _aware(instant: datetime | None) -> datetime | None:
    if instant is not None and instant.tzinfo is None:
        raise ValueError(f"a naive datetime has no instant: {instant!r}")
    return instant


def _mark(dialect: str) -> str:
    return "%s" if dialect == "postgresql" else "?"


@lru_cache(maxsize=64)
def _insert_text(dialect: str, table: Table, columns: tuple[str, ...], again: str) -> str:
    missing = [name for name in columns if name not in table.c]
    if missing:
        raise ValueError(f"{table.name} has no column {missing[0]}")
    marks = ", ".join([_mark(dialect)] * len(columns))
    tail = " ON CONFLICT DO NOTHING" if again == "ignore" else ""
    return f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({marks}){tail}"
