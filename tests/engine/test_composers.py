"""Composing beside the process that sends: the same bytes, and whatever happens there costs nobody else a mail."""

import asyncio
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from rfs_mail.core.dkim import Signers
from rfs_mail.core.reasons import Reason
from rfs_mail.engine import composers as module
from rfs_mail.engine.compose import Composed
from rfs_mail.engine.composers import Composers, Group, Unwritten, Written, compose_group
from rfs_mail.engine.deliver import _open
from rfs_mail.store.tables import TABLES
from tests.dkim_keys import DOMAIN, both, verified
from tests.engine.conftest import MakeWorld
from tests.engine.test_advance import drip
from tests.engine.test_rescue import give_out
from tests.world import World, at

BATCH = TABLES["batch"]
ONE = drip("{key: one, mail: a}")
ENDLESS = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"


HELLO = "Hi {{ given_name or 'you' }} of {{ county or 'here' }}."


def group_of(make_world: MakeWorld, count: int, body: str = HELLO) -> tuple[World, Group]:
    """So many claimed mails; one person is called Endless, one None."""
    world = make_world({"drip": ONE}, mails={"drip/a.md": f"---\nsubject: A subject\n---\n{body}\n"})
    world.apply("11-23 10:00")
    world.crowd(1, given_name="Anna", county="Dane")
    world.now = at("11-23 10:00")
    for name, county in (("endless", "Dane"), ("none", None), *((f"q{number}", "Dane") for number in range(count - 3))):
        world.signs_up(name, given_name=name.capitalize(), county=county)
    give_out(world)
    with world.store.begin() as connection:
        found = [
            _open(connection, row.id, row.epoch, row.holder, {}) for row in connection.execute(BATCH.select()).all()
        ]
    (opened,) = [one for one in found if one is not None]
    group = Group(opened.rows, opened.revisions, opened.materials, opened.live.calendar, opened.tags, world.now)
    assert len(group.rows) == count
    return world, group


async def beside(world: World, group: Group, *, processes: int = 1) -> tuple[Composers, list[Written]]:
    """Composed by a process beside this one; `close` is the caller's."""
    composers = Composers(world.app.composer, processes)
    await composers._start()
    return composers, await composers.compose(group)


def told(written: list[Written]) -> Counter[object]:
    """Reason (None: composed) -> how many."""
    return Counter(one.reason if isinstance(one, Unwritten) else None for one in written)


def test_another_process_writes_the_same_bytes(make_world: MakeWorld) -> None:
    """And the second group needs the revision no more."""
    world, group = group_of(make_world, 6)
    here = compose_group(world.app.composer, group)

    async def there() -> tuple[list[Written], list[Written]]:
        composers, first = await beside(world, group)
        second = await composers.compose(group)
        await composers.close()
        return first, second

    first, second = asyncio.run(there())
    assert here == first
    assert here == second
    assert told(first) == {None: 6}


def test_another_process_signs_as_this_one_does(make_world: MakeWorld) -> None:
    """With both keys; a verifier that is not ours agrees."""
    world, group = group_of(make_world, 4)
    signers = both()
    composer = replace(world.app.composer, signers=Signers({DOMAIN: signers}))
    world.app.__dict__["composer"] = composer

    async def there() -> list[Written]:
        composers, written = await beside(world, group)
        await composers.close()
        return written

    written = asyncio.run(there())
    assert written == compose_group(composer, group)
    assert isinstance(written[0], Composed)
    assert verified(written[0].message, signers) == [True, True]


def test_a_mail_that_cannot_be_written_keeps_nobody_else(make_world: MakeWorld) -> None:
    """It says why, as it does in this process."""
    world, group = group_of(make_world, 5, body="Hi.{% if given_name == 'None' %}{{ 1 // 0 }}{% endif %}")

    async def there() -> list[Written]:
        composers, written = await beside(world, group)
        await composers.close()
        return written

    written = asyncio.run(there())
    assert written == compose_group(world.app.composer, group)
    assert told(written) == {None: 4, Reason.RENDER_FAILED: 1}


def test_a_process_that_is_killed_takes_nothing_along(make_world: MakeWorld) -> None:
    """Its group is composed again, and there is another process for the next."""
    world, group = group_of(make_world, 4)

    async def there() -> tuple[list[Written], list[Written], bool]:
        composers, _ = await beside(world, group)
        (first,) = composers._beside
        first.process.kill()
        again = await composers.compose(group)
        (second,) = composers._beside
        other = await composers.compose(group)
        await composers.close()
        return again, other, second is first

    again, other, same = asyncio.run(there())
    assert not same
    assert told(again) == {None: 4}
    assert again == other


def test_a_mail_that_never_ends_is_given_up_alone(make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """One person's values send the template round and round; the others get their mail, and hers says why not."""
    body = "{% if given_name == 'Endless' %}" + ENDLESS + "{% endif %}Hi."
    world, group = group_of(make_world, 4, body=body)
    monkeypatch.setattr(module, "PATIENCE", 4.0)

    async def there() -> list[Written]:
        composers, written = await beside(world, group)
        await composers.close()
        return written

    written = asyncio.run(there())
    assert told(written) == {None: 3, Reason.POISON: 1}
    blamed = next(row for row, one in zip(group.rows, written, strict=True) if isinstance(one, Unwritten))
    assert blamed.p_given_name == "Endless"


def test_where_no_process_can_be_had_the_thread_is_enough(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said once, and nothing is tried again."""
    world, group = group_of(make_world, 4)
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")

    async def there() -> tuple[list[Written], int]:
        composers, written = await beside(world, group)
        await composers.close()
        return written, composers.processes

    written, processes = asyncio.run(there())
    assert (told(written), processes) == ({None: 4}, 0)


def test_what_lies_in_the_working_folder_is_not_run(
    make_world: MakeWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is called like a library is a file, whoever put it there."""
    world, group = group_of(make_world, 4)
    (tmp_path / "jinja2.py").write_text("raise SystemExit('run by accident')")
    monkeypatch.chdir(tmp_path)

    async def there() -> list[Written]:
        composers, written = await beside(world, group)
        assert composers._beside
        await composers.close()
        return written

    assert told(asyncio.run(there())) == {None: 4}


def test_processes_begin_when_there_is_much_and_end_when_there_is_nothing(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A small tick needs none; a large one is worked off by it; after it there is none."""
    world, group = group_of(make_world, 4)
    monkeypatch.setattr(module, "MUCH", 7)
    monkeypatch.setattr(module, "REST_AFTER", 0.05)

    async def there() -> tuple[bool, bool, bool]:
        composers = Composers(world.app.composer, 1)
        await composers.compose(group)
        small = composers._starting is not None
        await asyncio.gather(composers.compose(group), composers.compose(group))
        assert composers._starting is not None
        await composers._starting
        large = bool(composers._beside)
        assert composers._resting is not None
        await composers._resting
        after = bool(composers._beside)
        await composers.compose(group)
        await composers.close()
        return small, large, after

    assert asyncio.run(there()) == (False, True, False)


def test_a_crowd_gets_its_mail_from_beside(make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything together: each once, each readable by the seal of its own links."""
    monkeypatch.setattr(module, "MUCH", 30)
    world = make_world({"drip": ONE})
    world.settings_are(composers=1)
    world.apply("11-23 10:00")
    world.crowd(220, "11-23 10:00")
    world.tick()
    assert Counter(row.state for row in world.deliveries()) == {"sent": 220}
    assert len({kept.envelope.rcpt_to for kept in world.transport.accepted}) == 220
