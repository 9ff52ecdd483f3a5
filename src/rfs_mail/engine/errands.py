"""Tasks for staff: what is to be done, and that it is done or not to be done."""

from collections.abc import Sequence
from datetime import datetime

from rfs_mail.errors import NotFoundError
from rfs_mail.store import tasks
from rfs_mail.store.database import Store
from rfs_mail.store.types import AnyRow


def list_tasks(store: Store, *, state: str | None, for_: str | None, limit: int) -> list[AnyRow]:
    """Tasks with the address and names of their people, the nearest due first; `state` None: also closed ones."""
    with store.read() as connection:
        return tasks.search(connection, state=state, for_=for_, limit=limit)


def close_tasks(
    store: Store, ids: Sequence[int], *, state: str, by: str, note: str | None, now: datetime
) -> tuple[int, ...]:
    """Close open tasks as done or dropped, all or none. Raises NotFoundError for one that is not open."""
    with store.begin() as connection:
        for one in ids:
            if not tasks.close(connection, one, state=state, by=by, note=note, now=now):
                raise NotFoundError(
                    f"There is no open task {one}. Nothing was changed; `tasks list` shows what is open."
                )
    return tuple(ids)
