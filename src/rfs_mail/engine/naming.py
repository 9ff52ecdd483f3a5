"""What staff name on the command line, found: a person, a campaign, a step, a state, a moment. A slip gets a hint."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches

from sqlalchemy import Connection

from rfs_mail.core.duration import parse_duration
from rfs_mail.core.expression import Expression, parse
from rfs_mail.core.lifecycle import DeliveryState
from rfs_mail.core.local_time import MIDNIGHT
from rfs_mail.core.person import Person
from rfs_mail.core.reasons import Reason
from rfs_mail.core.script import vocabulary
from rfs_mail.engine.live import Live, look
from rfs_mail.errors import ExpressionError, NotFoundError, TimeError, UsageError
from rfs_mail.store import people
from rfs_mail.store.releases import LiveCampaign


def find_person(connection: Connection, address: str) -> Person:
    """The person with this address. Raises NotFoundError."""
    person = people.find_person(connection, address)
    if person is None:
        raise NotFoundError(f"Nobody here has the address {address}. `people list` shows who is known.")
    return person


def need_live(connection: Connection) -> Live:
    """What is live. Raises NotFoundError where nothing was ever applied."""
    live = look(connection)
    if live is None:
        raise NotFoundError("No campaign was applied yet. Run: rfs-mail apply")
    return live


def find_campaign(live: Live, name: str) -> LiveCampaign:
    """A campaign that is or was live. Raises NotFoundError."""
    if name not in live.release.campaigns:
        raise NotFoundError(f"There is no campaign {name}.{hint(name, live.release.campaigns)}")
    return live.campaign(name)


def find_step(campaign: LiveCampaign, key: str) -> str:
    """The key of a step of a campaign, also by its former key. Raises NotFoundError."""
    for step in campaign.definition.walk():
        if key in (step.key, step.was):
            return step.key
    keys = [step.key for step in campaign.definition.walk()]
    raise NotFoundError(f"Campaign {campaign.id} has no step {key}.{hint(key, keys)} Steps: {', '.join(keys)}.")


def states(words: Iterable[str]) -> tuple[str, ...]:
    """Delivery states. Raises UsageError for a word that is none."""
    known = [state.value for state in DeliveryState]
    for word in words:
        if word not in known:
            raise UsageError(f"No delivery is ever {word}.{hint(word, known)} States: {', '.join(known)}.")
    return tuple(words)


def reason(word: str | None) -> str | None:
    """A reason of the closed list. Raises UsageError for a word that is none."""
    known = [each.value for each in Reason]
    if word is not None and word not in known:
        raise UsageError(f"There is no reason {word}.{hint(word, known)} Reasons: {', '.join(known)}.")
    return word


def condition(live: Live, text: str) -> Expression:
    """An expression about people as staff type it. Raises UsageError, with the corrected text where it is known."""
    steps = {name: tuple(script.sequence.nodes) for name, script in live.scripts.items()}
    words = vocabulary(None, live.content, steps, in_enrollment=False)
    try:
        return parse(text, words)
    except ExpressionError as error:
        raise UsageError(str(error)) from error


def moment(text: str, *, now: datetime) -> datetime:
    """
    A moment as staff type it: `yesterday`, `today`, `2026-11-23`, `2026-11-23T10:00Z`, `3d` (so long ago).

    Days begin at midnight UTC; a time without a zone is UTC. Raises UsageError.
    """
    word = text.strip().lower()
    day = now.astimezone(UTC).date()
    ago = {"today": 0, "yesterday": 1, "tomorrow": -1}.get(word)
    if ago is not None:
        return datetime.combine(day - timedelta(days=ago), MIDNIGHT, tzinfo=UTC)
    if word == "now":
        return now
    if re.fullmatch(r"\d+\s*[a-z]+", word):
        try:
            return now - parse_duration(word).nominal
        except TimeError as error:
            raise UsageError(str(error)) from error
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        raise UsageError(
            f"{text!r} is no moment. Write today, yesterday, 3d (three days ago), 2026-11-23 or 2026-11-23T10:00Z."
        ) from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def hint(word: str, known: Iterable[str]) -> str:
    """` Did you mean ...?`, or nothing."""
    near = get_close_matches(word, list(known), 1)
    return f" Did you mean {near[0]}?" if near else ""
