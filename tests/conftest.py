"""
Fixtures for all tests.

`store` runs a test twice, on SQLite and on PostgreSQL; each test has a database of its own with all tables and no rows.
A second `Store` on the same database is `Store(store.url.render_as_string(hide_password=False))`.
"""

import os
import shutil
import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from rfs_mail.store.database import Store
from tests.postgres_server import SERVER_VARIABLE, NoServer, Server, shared_server

settings.register_profile(
    "rfs-mail",
    deadline=None,  # how long an example takes says something about the machine only
    max_examples=100,
    suppress_health_check=[HealthCheck.too_slow],  # for the same reason
)
settings.load_profile("rfs-mail")

_RUN = os.environ.get("PYTEST_XDIST_TESTRUNUID") or uuid.uuid4().hex
_OWNER = os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line for each reason why tests were skipped, however many they are."""
    reasons = Counter(str(report.longrepr[2]) for report in terminalreporter.stats.get("skipped", []))
    for reason, count in reasons.items():
        terminalreporter.write_line(f"{count} skipped: {reason.removeprefix('Skipped: ')}", yellow=True)


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """RFS_MAIL_* variables of whoever runs the tests must not reach the product."""
    for name in [name for name in os.environ if name.startswith("RFS_MAIL_") and name != SERVER_VARIABLE]:
        monkeypatch.delenv(name)


@pytest.fixture
def now() -> datetime:
    """A Monday, 10:00 in New York: mail may leave."""
    return datetime(2026, 11, 23, 15, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file; copied, never opened."""
    path = tmp_path_factory.mktemp("template") / "template.db"
    store = Store(f"sqlite:///{path}")
    try:
        store.upgrade()
    finally:
        store.close()
    return path


@pytest.fixture(scope="session")
def postgres_server() -> Server:
    """The PostgreSQL of this run; skips where there is none."""
    try:
        return shared_server(_RUN, _OWNER)
    except NoServer as reason:
        pytest.skip(str(reason))


@pytest.fixture
def sqlite_store(sqlite_template: Path, tmp_path: Path) -> Iterator[Store]:
    """A migrated SQLite database without rows."""
    path = tmp_path / "rfs-mail.db"
    shutil.copyfile(sqlite_template, path)
    store = Store(f"sqlite:///{path}")
    yield store
    store.close()


@pytest.fixture
def postgres_store(postgres_server: Server) -> Iterator[Store]:
    """A migrated PostgreSQL database without rows."""
    name = f"test_{uuid.uuid4().hex}"
    store = Store(postgres_server.create(name).render_as_string(hide_password=False))
    yield store
    store.close()
    postgres_server.drop(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest) -> Store:
    """A migrated database without rows: every test that asks for it runs on both."""
    found: Store = request.getfixturevalue("sqlite_store" if request.param == "sqlite" else "postgres_store")
    return found
