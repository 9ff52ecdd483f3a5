"""What the tests of the verbs share."""

from collections.abc import Callable
from pathlib import Path

import pytest

from rfs_mail.store.database import Store
from tests.world import World

MakeWorld = Callable[..., World]


@pytest.fixture
def make_world(sqlite_store: Store, tmp_path: Path) -> MakeWorld:
    """Make an installation with these campaigns, not applied yet; `store=` takes another database."""

    def make(campaigns: dict[str, str], *, store: Store | None = None, **files: str) -> World:
        return World(store or sqlite_store, tmp_path, campaigns, **files)

    return make
