"""The schema: one way up, the same on both databases, and no surprise for whoever opens an old or a new one."""

import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, insert, inspect, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.types import TypeEngine

import rfs_mail.store.migrations
from rfs_mail.errors import StoreError
from rfs_mail.store import schema
from rfs_mail.store.database import Store
from rfs_mail.store.tables import METADATA, TABLES
from rfs_mail.store.types import Instant
from tests.postgres_server import Server


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A database without tables."""
    if request.param == "sqlite":
        store = Store(f"sqlite:///{tmp_path / 'empty.db'}")
        yield store
        store.close()
        return
    server: Server = request.getfixturevalue("postgres_server")
    name = f"empty_{tmp_path.name}_{id(tmp_path)}".lower()
    store = Store(server.create_empty(name).render_as_string(hide_password=False))
    yield store
    store.close()
    server.drop(name)


def set_version(engine: Engine, version: str) -> None:
    """Pretend that the migrations went as far as `version`."""
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {schema.VERSION_TABLE} SET version_num = :version"), {"version": version})


def test_migrations_lead_to_the_tables_of_the_code(store: Store) -> None:
    """A migrated database differs in nothing from what tables.py declares."""
    # Alembic cannot compare the default '' on SQLite; both databases are made by the same lines of the same step.
    defaults = not store.is_sqlite
    with store.read() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": defaults}
        )
        assert compare_metadata(context, METADATA) == []


def test_every_index_is_as_declared(store: Store) -> None:
    """Each index has the columns, the uniqueness and the WHERE that tables.py gives it."""
    declared = {
        index.name: (
            index.table.name,
            [column.name for column in index.columns],
            bool(index.unique),
            _condition(str(index.dialect_options[store.engine.dialect.name]["where"])),
        )
        for table in TABLES.values()
        for index in table.indexes
    }
    found = {}
    with store.read() as connection:
        inspector = inspect(connection)
        option = f"{store.engine.dialect.name}_where"
        for table in TABLES:
            for index in inspector.get_indexes(table):
                if index.get("duplicates_constraint"):
                    continue
                where = str(index.get("dialect_options", {}).get(option))
                found[index["name"]] = (table, index["column_names"], bool(index["unique"]), _condition(where))
    assert found == declared
    assert sum(where != "none" for *_, where in found.values()) >= 5


def _condition(sql: str) -> str:
    """A WHERE without what PostgreSQL adds when it says it back: parentheses, casts, and ANY (ARRAY ...) for IN."""
    sql = sql.lower().replace("::text", "").replace("[]", "").replace("= any (array[", "in (").replace("])", ")")
    return "".join(sql.split()).replace("(", "").replace(")", "")


def test_a_person_has_one_delivery_in_flight(store: Store, now: datetime) -> None:
    """A person may have many queued deliveries, and one that is claimed or sending: the database itself says so."""
    delivery = TABLES["delivery"]
    row = {"enrollment_id": 1, "person_id": 7, "revision_id": 1, "any_hour": False, "deadline": False}
    row |= {"queued_at": now, "due_at": now, "next_at": now, "not_after": now, "attempt": 0, "rescues": 0}
    row |= {"resends": 0, "epoch": 0}
    states = ["queued", "queued", "sent", "sent", "claimed"]
    with store.begin() as connection:
        connection.execute(insert(delivery), [row | {"state": state} for state in states])
    with pytest.raises(IntegrityError), store.begin() as connection:
        connection.execute(insert(delivery).values(row | {"state": "sending"}))
    with store.begin() as connection:
        connection.execute(insert(delivery).values(row | {"person_id": 8, "state": "sending"}))


@pytest.mark.parametrize("name", ["person", "delivery", "batch"])
def test_an_id_is_never_given_again(store: Store, now: datetime, name: str) -> None:
    """When the newest row is erased or pruned, its id stays used: a link or a sleeping holder may still carry it."""
    table = TABLES[name]
    fill = {"integer": 0, "boolean": False, "text": "x", "blob": b"x", "bytea": b"x", "json": {}, "jsonb": {}}

    def give() -> int:
        row = {
            column.name: now if isinstance(column.type, Instant) else fill[_kind(column.type, store)]
            for column in table.columns
            if not column.nullable and column.name != "id"
        }
        return connection.execute(insert(table).values(row).returning(table.c.id)).scalar_one()

    with store.begin() as connection:
        first = give()
        connection.execute(table.delete())
        assert give() > first


def _kind(kind: TypeEngine[Any], store: Store) -> str:
    """What the database calls a column's type."""
    said = str(kind.compile(store.engine.dialect)).lower()
    return {"bigint": "integer", "varchar": "text"}.get(said, said)


def test_upgrade_is_idempotent(empty_store: Store) -> None:
    """A second upgrade finds nothing to do."""
    assert schema.current(empty_store.engine) is None
    empty_store.upgrade()
    assert schema.current(empty_store.engine) == schema.head()
    empty_store.upgrade()
    assert schema.current(empty_store.engine) == schema.head()
    assert schema.explain_mismatch(empty_store.engine) is None


def test_two_at_once_upgrade_once(empty_store: Store) -> None:
    """Two stores that upgrade the same database at the same moment both succeed, and it is migrated once."""
    url = empty_store.url.render_as_string(hide_password=False)
    stores = [empty_store, Store(url)]
    together, failures = threading.Barrier(2), []

    def work(store: Store) -> None:
        try:
            together.wait(30)
            store.upgrade()
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stores[1].close()
    assert failures == []
    assert schema.explain_mismatch(empty_store.engine) is None


def test_a_failing_step_leaves_nothing(empty_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps run in one transaction: when one fails, no table stays behind."""
    migrate = schema._migrate

    def fails_at_the_end(connection: Connection) -> None:
        migrate(connection)
        raise RuntimeError("power cut")

    monkeypatch.setattr(schema, "_migrate", fails_at_the_end)
    with pytest.raises(RuntimeError, match="power cut"):
        empty_store.upgrade()
    with empty_store.read() as connection:
        assert inspect(connection).get_table_names() == []


def test_an_empty_database_is_told_what_to_run(empty_store: Store) -> None:
    """A database without tables is refused with the command that mends it."""
    assert schema.explain_mismatch(empty_store.engine) == "The database has no tables yet. Run: rfs-mail db upgrade"


def test_an_older_database_is_told_what_to_run(store: Store) -> None:
    """A schema behind the program's is refused with the command that mends it."""
    set_version(store.engine, "0000")
    assert schema.explain_mismatch(store.engine) == (
        f"The database has schema 0000, this program needs {schema.head()}. Run: rfs-mail db upgrade"
    )


@pytest.mark.parametrize("version", ["9999", "deadbeef"])
def test_a_newer_database_is_left_alone(store: Store, version: str) -> None:
    """A schema that this program does not know is neither used nor upgraded, and the sentence says so."""
    set_version(store.engine, version)
    with pytest.raises(StoreError, match="a newer rfs-mail upgraded it"):
        store.check_schema()
    with pytest.raises(StoreError, match="a newer rfs-mail upgraded it"):
        store.upgrade()
    assert schema.current(store.engine) == version


def test_a_database_of_something_else_is_left_alone(empty_store: Store) -> None:
    """Tables of ours without a version mark belong to somebody else; nothing is created among them."""
    with empty_store.begin() as connection:
        connection.execute(text("CREATE TABLE event (id INTEGER)"))
    with pytest.raises(StoreError, match="table 'event'"):
        empty_store.upgrade()
    with empty_store.read() as connection:
        assert inspect(connection).get_table_names() == ["event"]


def test_a_missing_file_is_not_created_by_asking(tmp_path: Path) -> None:
    """Asking whether the schema fits makes no database where there was none."""
    store = Store(f"sqlite:///{tmp_path / 'none.db'}")
    with pytest.raises(StoreError, match="rfs-mail init"):
        store.check_schema()
    store.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["sqlite:///{folder}/none/rfs-mail.db", "postgresql://ada:s3cret@127.0.0.1:1/mail"])
def test_a_database_that_does_not_answer(tmp_path: Path, url: str) -> None:
    """Where nobody answers, the sentence names the database, without its password, and what to look at."""
    store = Store(url.format(folder=tmp_path))
    with pytest.raises(StoreError, match=r"cannot be opened: .*database_url") as refused:
        schema.current(store.engine)
    store.close()
    assert "s3cret" not in str(refused.value)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    """A file of another kind under the database's name is refused, and left as it is."""
    path = tmp_path / "rfs-mail.db"
    path.write_text("address,given_name\n" * 100)
    store = Store(f"sqlite:///{path}")
    with pytest.raises(StoreError, match="file is not a database"):
        store.check_schema()
    store.close()
    assert path.read_text().startswith("address,given_name")


def test_steps_are_numbered_in_one_line() -> None:
    """The steps are 0001, 0002 ... without a gap or a fork, and `head()` is the last of them."""
    config = Config()
    config.set_main_option("script_location", str(Path(rfs_mail.store.migrations.__file__).parent))
    steps = [step.revision for step in ScriptDirectory.from_config(config).walk_revisions()]
    assert steps == [f"{number:04}" for number in range(len(steps), 0, -1)]
    assert schema.head() == steps[0]
