"""
The few words that SQLite and PostgreSQL share but SQLAlchemy keeps in each dialect, and a faster way in for many rows.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Connection, Table, Text, bindparam, func, select
from sqlalchemy.dialects import postgresql, sqlite

from rfs_mail.store.types import BigId, to_microseconds


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
        kind = Text() if values and isinstance(values[0], str) else BigId
        given: BindParameter[Any] = bindparam(None, list(values), type_=postgresql.ARRAY(kind))
        return column == func.any(given)
    listed = func.json_each(json.dumps(values, ensure_ascii=False)).table_valued("value")
    return column.in_(select(listed.c.value))


# -- many rows at once -------------------------------------------------------------------------------------------------


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
