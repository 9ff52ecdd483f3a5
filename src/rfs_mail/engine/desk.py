"""What staff change by hand about one person: fields, the stage, what she wants, what happened, all mail stopped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from rfs_mail.core.campaign import FieldSpec
from rfs_mail.core.facts import window_day
from rfs_mail.core.interest import Interest
from rfs_mail.core.interest_words import read_wants, say_interest
from rfs_mail.core.person_fields import Refused, read_value
from rfs_mail.core.values import Stage
from rfs_mail.engine import feedback, naming
from rfs_mail.engine.filings import record_status
from rfs_mail.engine.live import Live, look
from rfs_mail.engine.standing import WINDOW_STAGES
from rfs_mail.engine.windows import find_window
from rfs_mail.engine.wishes import follow_wishes
from rfs_mail.errors import UsageError
from rfs_mail.store import events, people, suppressions, windows
from rfs_mail.store.database import Store
from rfs_mail.store.interests import add_interests, interests_of, set_interests


@dataclass(frozen=True, slots=True)
class Changed:
    """Which fields have another value now."""

    address: str
    fields: tuple[str, ...]
    wants: tuple[str, ...] | None = None
    """What she wants to run for now, where that was among the assignments."""


def set_fields(
    store: Store, address: str, assignments: Sequence[str], *, window: str | None, by: str, now: datetime
) -> Changed:
    """
    Set fields of a person from `FIELD=VALUE` texts: an empty value clears the field, `tag=x` and `untag=x` are tags.

    `wants=` says all that she wants to run for, `wants+=` one thing more (`core.interest_words.GRAMMAR`).
    `registered=`, `attended=` and `missed=` record what happened with a calendar name (`attended=intro_call`),
    `event=NAME` any other happening. With a window, `stage` is recorded about that window. Raises UsageError for what
    cannot be read, before anything is written.
    """
    with store.begin() as connection:
        person = naming.find_person(connection, address)
        live = look(connection)
        specs = live.content.fields if live is not None else {}
        happened, assignments = _happened(assignments, live)
        wishes, assignments = _wishes(assignments)
        values, tags = _read(assignments, specs, now)
        source = f"staff ({by})"
        stage = values.pop("stage", None)
        changed = list(people.set_fields(connection, person.id, values, now=now, source=source)) if values else []
        if window is not None:
            _check_window(connection, window, stage)
            moved = record_status(
                connection, live, person.id, window, str(stage), evidence=source, detail={"source": source}, now=now
            )
            changed += ["stage"] if moved else []
        elif stage is not None:
            _needs_no_window(connection, person.id, str(stage), now)
            event = people.set_stage(connection, person.id, str(stage), now=now, detail={"source": source})
            changed += ["stage"] if event is not None else []
        for name, ref in happened:
            events.add_event(
                connection,
                person.id,
                name,
                ref=ref,
                at=now,
                now=now,
                active=name != "missed",
                detail={"source": source},
            )
            changed.append(f"{name} {ref}".strip())
        for word, wanted in tags:
            done = (
                people.add_tag(connection, person.id, word, now=now)
                if wanted
                else people.remove_tag(connection, person.id, word)
            )
            changed += [f"{'tag' if wanted else 'untag'} {word}"] if done else []
        wants = None
        if wishes:
            news = [_want(connection, person.id, said, add=add, now=now) for add, said in wishes]
            changed += ["wants"] if any(news) else []
            wants = tuple(map(say_interest, interests_of(connection, [person.id]).get(person.id, ())))
        if live is not None and {"wants", "state"} & set(changed):
            follow_wishes(connection, live, person.id, now=now)
    return Changed(person.address, tuple(changed), wants)


def _needs_no_window(connection: Connection, person_id: int, stage: str, now: datetime) -> None:
    """Papers are handed in for an office: without its window, countdowns to it would go on. Raises UsageError."""
    if stage != "filed":
        return
    ahead = windows.wanted_by(connection, [person_id], ahead_from=window_day(now).isoformat())
    if ahead:
        some = ", ".join(ahead[:3]) + (f" and {len(ahead) - 3} more" if len(ahead) > 3 else "")
        raise UsageError(f"For which office did she file? She wants {some}. Say it: --window {ahead[0]}")


def _wishes(assignments: Sequence[str]) -> tuple[list[tuple[bool, tuple[Interest, ...]]], list[str]]:
    """What she wants, each as (beside what she wanted before?, what was said), and the assignments that are left."""
    wishes: list[tuple[bool, tuple[Interest, ...]]] = []
    rest: list[str] = []
    for text in assignments:
        name, equals, value = text.partition("=")
        if not equals or name.strip() not in ("wants", "wants+"):
            rest.append(text)
            continue
        said = read_wants(value)
        if isinstance(said, Refused):
            raise UsageError(f"{name.strip()}: {said.reason}.")
        wishes.append((name.strip() == "wants+", said))
    return wishes, rest


def _want(connection: Connection, person_id: int, said: Sequence[Interest], *, add: bool, now: datetime) -> bool:
    """Write down what somebody wants; False where that is no news."""
    if add:
        return bool(add_interests(connection, [(person_id, one) for one in said], now=now))
    return set_interests(connection, person_id, said, now=now)


_HAPPENINGS = ("registered", "attended", "missed")


def _happened(assignments: Sequence[str], live: Live | None) -> tuple[list[tuple[str, str]], list[str]]:
    """What happened, as (event name, what it was about), and the assignments that are left."""
    happened: list[tuple[str, str]] = []
    rest: list[str] = []
    for text in assignments:
        name, _, value = (part.strip() for part in text.partition("="))
        if name in _HAPPENINGS:
            happened.append((name, _calendar_ref(value, live)))
        elif name == "event":
            if not value.isidentifier():
                raise UsageError(f"event={value}: an event is one word, such as event=recommitted.")
            happened.append((value, ""))
        else:
            rest.append(text)
    return happened, rest


def _calendar_ref(value: str, live: Live | None) -> str:
    """A calendar name, or the key of one of its dates."""
    calendar = live.calendar if live is not None else {}
    known = [*calendar, *(one.key for dates in calendar.values() for one in dates)]
    if value not in known:
        raise UsageError(f"There is nothing called {value!r} in the calendar.{naming.hint(value, known)}")
    return value


def _check_window(connection: Connection, window: str, stage: object) -> None:
    if stage not in WINDOW_STAGES:
        said = ", ".join(f"stage={word}" for word in WINDOW_STAGES)
        raise UsageError(f"--window says which filing window a stage is about. Say one of: {said}.")
    find_window(connection, window)


def _read(
    assignments: Sequence[str], specs: Mapping[str, FieldSpec], now: datetime
) -> tuple[dict[str, object], list[tuple[str, bool]]]:
    values: dict[str, object] = {}
    tags: list[tuple[str, bool]] = []
    for text in assignments:
        name, equals, value = text.partition("=")
        name = name.strip()
        if not equals:
            raise UsageError(f"{text!r} sets nothing. Write FIELD=VALUE, such as stage=filed.")
        if name in ("tag", "untag"):
            tags.append((value.strip(), name == "tag"))
            continue
        if name == "stage":
            values[name] = _stage(value.strip())
            continue
        known = [*people.FIELDS, "stage", "wants", *(f"custom.{slug}" for slug in specs)]
        if name not in known:
            raise UsageError(f"A person has no field {name!r}.{naming.hint(name, known)} Fields: {', '.join(known)}.")
        if not value.strip():
            values[name] = None
            continue
        read = read_value(name, value, specs, now=now)
        if isinstance(read, Refused):
            raise UsageError(f"{name}: {read.reason}.")
        values[name] = read
    return values, tags


def _stage(word: str) -> str:
    stages = [stage.value for stage in Stage]
    if word not in stages:
        raise UsageError(f"There is no stage {word!r}.{naming.hint(word, stages)} Stages: {', '.join(stages)}.")
    return word


def stop(store: Store, address: str, *, because: str, now: datetime) -> int:
    """Stop all mail to a person, whoever speaks; returns how many deliveries were waiting and now never go."""
    if not because.strip():
        raise UsageError("Say why: --because TEXT. Whoever reads it in a year will want to know.")
    with store.begin() as connection:
        person = naming.find_person(connection, address)
        return feedback.stop_person(connection, person.id, because=because.strip(), now=now)


def restart(store: Store, address: str, *, now: datetime) -> bool:
    """Let mail to a person begin again; False where staff had not stopped it. Unsubscribes and complaints stay."""
    with store.begin() as connection:
        person = naming.find_person(connection, address)
        if person.stopped_at is None:
            return False
        suppressions.set_stopped(connection, person.id, None, now=now)
        return True
