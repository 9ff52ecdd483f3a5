"""
What happens to people outside their mail: they register for a call and come, or do not; talk to somebody; file; apply.

The shares are those that have been told: 17 in 100 who sign up come to a call, 10 talk to somebody, few file within two
months. It reaches the store as attendance lists, forms and staff bring it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from random import Random

from rfs_mail.cli.demo.people import FIRST_DAY, FULL, MARIA, SEED, Size, Someone
from rfs_mail.engine.happenings import Happening

ATTENDS = 0.65
"""Of those who registered."""

FILING_FROM = date(2026, 12, 1)
"""When Wisconsin's papers can be handed in for the first time."""


@dataclass(frozen=True, slots=True)
class Call:
    """One intro call of the calendar."""

    key: str
    starts_at: datetime


@dataclass(frozen=True, slots=True)
class News:
    """Something that staff or a form tell us at `at`."""

    at: datetime
    source: str
    happenings: tuple[Happening, ...] = ()
    filed: str = ""
    """The address of somebody who has filed: staff write it down for the window that she wants."""


@dataclass
class Life:
    """Plans what happens to everybody; what follows from a click is planned when the click comes."""

    size: Size
    calls: Sequence[Call]
    people: dict[str, Someone]
    """By address, as in the files."""
    _booked: dict[str, set[str]] = field(default_factory=dict)
    """Call key -> who registered."""

    def begin(self) -> list[News]:
        """What happens to people by themselves."""
        news: list[News] = []
        for one in self.people.values():
            rng = Random(f"{SEED} life {one.address}")
            if one.address == MARIA:
                news += self._maria()
            elif one.group == "older":
                if rng.random() < 0.015:
                    news += self._file(one, self._moment(rng, self._filing_from, self._end), rng)
            elif one.group in ("early", "form", "burst"):
                joined = max(one.signed_up_at, self._start)
                if rng.random() < 0.14:
                    news += self.register(one, joined + timedelta(hours=rng.randrange(1, 200)))
                if rng.random() < 0.07:
                    news += self._explore(one, joined + timedelta(days=rng.randrange(1, 14)), rng)
        return news

    # -- calls ---------------------------------------------------------------------------------------------------------

    def lists(self) -> list[datetime]:
        """When the attendance lists come in: the morning after each call."""
        return [call.starts_at + timedelta(hours=16) for call in self.calls]

    def register(self, one: Someone, at: datetime) -> list[News]:
        """She registers for the next call, where one is left."""
        call = next((call for call in self.calls if call.starts_at > at + timedelta(hours=1)), None)
        if call is None or one.address in self._booked.setdefault(call.key, set()):
            return []
        self._booked[call.key].add(one.address)
        told = Happening(
            one.address, "registered", at, ref=call.key, key=f"call form:{call.key}:{one.address}:registered"
        )
        return [News(at, "call form", (told,))]

    def attendance(self, at: datetime) -> tuple[News, list[News]]:
        """The list of the call that ended last before `at`: who came, who did not; and what follows from it."""
        call = max((call for call in self.calls if call.starts_at < at), key=lambda call: call.starts_at)
        told: list[Happening] = []
        later: list[News] = []
        for address in sorted(self._booked.get(call.key, ())):
            one, rng = self.people[address], Random(f"{SEED} call {call.key} {address}")
            came = address == MARIA or rng.random() < ATTENDS
            name = "attended" if came else "missed"
            ended = call.starts_at + timedelta(hours=1)
            key = f"call list:{call.key}:{address}"
            told.append(Happening(address, name, ended, ref=call.key, key=key, active=came))
            if came:
                told.append(Happening(address, "stage", ended, value="onboarded"))
                if address != MARIA and rng.random() < 0.6:
                    later += self._explore(one, at + timedelta(days=rng.randrange(3, 14)), rng)
        return News(at, "attendance list", tuple(told)), later

    def pick_office(self, one: Someone, at: datetime) -> list[News]:
        """She has found an office that she might want."""
        return self._explore(one, at, Random(f"{SEED} office {one.address}"))

    # -- further on ----------------------------------------------------------------------------------------------------

    def _explore(self, one: Someone, at: datetime, rng: Random) -> list[News]:
        """She talked to somebody, and looks at an office; a few go all the way."""
        at = datetime.combine(at.date(), time(16, rng.randrange(60)), UTC)
        news = [News(at, "call notes", (Happening(one.address, "stage", at, value="exploring"),))]
        if rng.random() < 0.18:
            news += self._file(one, self._moment(rng, max(at + timedelta(days=3), self._filing_from), self._end), rng)
        return news

    def _file(self, one: Someone, at: datetime, rng: Random) -> list[News]:
        before = at - timedelta(days=rng.randrange(1, 3))
        return [
            News(before, "staff", (Happening(one.address, "stage", before, value="committed"),)),
            News(at, "staff", filed=one.address),
        ]

    def apply(self, one: Someone, at: datetime) -> list[News]:
        """She sends her application for an endorsement."""
        told = Happening(one.address, "endorsement_applied", at, key=f"endorsement form:{one.address}")
        return [News(at, "endorsement form", (told,))]

    def raise_hand(self, one: Someone, at: datetime) -> list[News]:
        """She says on the day's page that it is she."""
        told = Happening(one.address, "recommitted", at, key=f"hand form:{one.address}")
        return [News(at, "raise your hand", (told,))]

    def _maria(self) -> list[News]:
        """Maria talks to a volunteer after the call, decides, hands in her papers when that is possible, applies."""
        first_call = min((call.starts_at for call in self.calls if call.starts_at > self._start), default=self._start)
        news = []
        for stage, days in (("exploring", 8), ("committed", 15), ("filed", 35)):
            day = (first_call + timedelta(days=days) * self.size.days / FULL.days).date()
            at = datetime.combine(day, time(18, 20), UTC)
            if stage == "filed":
                opening = datetime.combine(FILING_FROM, time(18, 20), UTC)
                news.append(News(max(at, opening), "staff", filed=MARIA))
            else:
                news.append(News(at, "staff", (Happening(MARIA, "stage", at, value=stage),)))
        return news

    @property
    def _start(self) -> datetime:
        return datetime.combine(FIRST_DAY, time(13), UTC)

    @property
    def _end(self) -> datetime:
        return self._start + timedelta(days=self.size.days - 1)

    @property
    def _filing_from(self) -> datetime:
        return datetime.combine(FILING_FROM, time(15), UTC)

    @staticmethod
    def _moment(rng: Random, start: datetime, end: datetime) -> datetime:
        """Some working hour between two moments; the first where there is nothing between."""
        days = max((end - start).days, 1)
        day = (start + timedelta(days=rng.randrange(days))).date()
        return max(start, datetime.combine(day, time(15 + rng.randrange(6), rng.randrange(60)), UTC))
