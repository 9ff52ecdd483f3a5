"""
Caps that a campaign breaks by itself: more mails in a day or in seven days than a person may get.

Only what is certain counts: mails whose days hang on one anchor, that have no `when`, on one way through the branches.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from rfs_mail.campaign_files.campaigns import Draft
from rfs_mail.core.campaign import Branch, Mail, Step, Wait
from rfs_mail.core.times import TimeExpr
from rfs_mail.engine.checking.bench import Bench, step_path
from rfs_mail.engine.checking.times import time_of
from rfs_mail.settings import Caps

MOST_WAYS = 64
"""Ways through the branches of one campaign that are looked at."""

_DAY = 24 * 60
_NOON = 12 * 60


@dataclass(frozen=True, slots=True)
class _Spot:
    """A time as minutes from an anchor. `exact` is false where only the day is known."""

    anchor: str
    minutes: int


@dataclass(frozen=True, slots=True)
class _Sent:
    """A mail that counts, on one way."""

    step: Step
    spot: _Spot
    deadline: bool

    @property
    def day(self) -> int:
        return self.spot.minutes // _DAY


def check_caps(bench: Bench, caps: Caps) -> None:
    """Warn of each mail that the mails before it in the same campaign would hold back."""
    for draft in bench.project.drafts:
        told: set[str] = set()
        for number, way in enumerate(_ways(bench, draft, draft.campaign.steps, (), _Spot("entry", 0))):
            if number >= MOST_WAYS:
                break
            _judge(bench, draft, way[0], caps, told)


def _judge(bench: Bench, draft: Draft, way: tuple[_Sent, ...], caps: Caps, told: set[str]) -> None:
    for anchor in dict.fromkeys(sent.spot.anchor for sent in way):
        line = sorted((sent for sent in way if sent.spot.anchor == anchor), key=lambda sent: sent.spot.minutes)
        for place, sent in enumerate(line):
            before = line[:place]
            same_day = [one for one in before if one.day == sent.day]
            same_week = [one for one in before if sent.day - one.day < 7]
            if caps.per_day and len(same_day) >= caps.per_day:
                said = _listed(same_day, f"the cap is {caps.per_day} a day")
                advice = "."  # no priority breaks the daily cap
            elif caps.per_week and len(same_week) >= caps.per_week and not sent.deadline:
                said = _listed(same_week, f"the cap is {caps.per_week} in 7 days")
                advice = " or, for a deadline, `priority: deadline`."
            else:
                continue
            if sent.step.key not in told:
                told.add(sent.step.key)
                bench.tell(
                    "warning",
                    "capped",
                    step_path(draft, sent.step.key),
                    f"would be held back: {said}. Move it, or set `cap: exempt`{advice}",
                )


def _listed(sent: list[_Sent], rule: str) -> str:
    names = ", ".join(dict.fromkeys(one.step.key for one in sent))
    return f"{names} of this campaign go before it, and {rule}"


def _ways(
    bench: Bench, draft: Draft, steps: tuple[Step, ...], sent: tuple[_Sent, ...], spot: _Spot
) -> Iterator[tuple[tuple[_Sent, ...], _Spot]]:
    """Every way through the steps: the mails that go, and where it ends."""
    if not steps:
        yield sent, spot
        return
    step, rest = steps[0], steps[1:]
    here = _moved(time_of(bench, draft, step), spot)
    match step.action:
        case Mail(cap="count", priority=priority) if step.when is None:
            sent = (*sent, _Sent(step, here, priority == "deadline"))
        case Wait():
            here = _Spot(f"after {step.key}", 0)
        case Branch(arms=arms, otherwise=otherwise):
            for inner in (*(arm.steps for arm in arms), otherwise):
                for gone, reached in _ways(bench, draft, inner, sent, here):
                    yield from _ways(bench, draft, rest, gone, reached)
            return
        case _:
            pass
    yield from _ways(bench, draft, rest, sent, here)


def _moved(at: TimeExpr | None, spot: _Spot) -> _Spot:
    """Where a step stands that comes after `spot`."""
    if at is None:
        return spot
    base = spot if at.is_relative else _Spot(str(at.anchor), _NOON if at.needs_window else 0)
    minutes = base.minutes + at.offset.days * _DAY + at.offset.minutes
    if at.wall is not None:
        minutes = minutes // _DAY * _DAY + at.wall.hour * 60 + at.wall.minute
    return _Spot(base.anchor, minutes)
