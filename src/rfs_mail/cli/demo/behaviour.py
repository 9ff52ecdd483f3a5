"""
What people do after a mail, at rates like those that advocacy groups see, and always the same for the same mail.

Clicks are few, unsubscribes fewer; a gateway follows every link before its owner sees the mail; some who click sign up
for the call or raise their hand. What somebody does is drawn from her address and the mail, so that a run that sends
the same mails sees the same people.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from random import Random

from rfs_mail.cli.demo.maillog import Received
from rfs_mail.cli.demo.people import MARIA, SEED, Someone

CLICKS: Mapping[str, float] = {
    "welcome/hello": 0.12, "welcome": 0.056, "nrfod": 0.021, "post_filing": 0.15, "endorsement": 0.25,
}  # fmt: skip
"""Campaign, or campaign/step -> who follows a link, of those who get the mail."""

LEAVES: Mapping[str, float] = {"welcome/hello": 0.006, "nrfod/day": 0.006}
"""Who leaves after a mail; the first mail of all costs most."""

LEAVES_ELSE = 0.003
ANSWERS = 0.2
"""Who taps an answer, where a mail offers one."""


class Act(StrEnum):
    """What somebody does with a mail."""

    CLICK = "click"
    SCAN = "scan"
    ONE_CLICK = "one_click"
    STOP_PAGE = "stop_page"
    ANSWER = "answer"
    PREFERENCES = "preferences"
    VIEW = "view"


@dataclass(frozen=True, slots=True)
class Reaction:
    """One thing somebody does, when, and with which mail."""

    at: datetime
    act: Act
    received: Received
    choice: str = ""
    """On the page behind the link: entity, topic or partners."""
    pick: float = 0.0
    """Which of several links or answers, 0 to 1."""


def react(received: Received, someone: Someone | None, *, answers: bool) -> list[Reaction]:
    """What comes of one mail; `answers` says that it offers some."""
    step = f"{received.campaign}/{received.step}"
    rng = Random(f"{SEED} {received.recipient.casefold()} {step}")
    came = received.date
    done: list[Reaction] = []
    if someone is not None and someone.scanned:
        done.append(Reaction(came + timedelta(seconds=2), Act.SCAN, received))
    if received.recipient == MARIA:
        return [Reaction(came + timedelta(minutes=rng.randrange(20, 240)), Act.CLICK, received)]
    at = came + timedelta(minutes=4) + timedelta(hours=min(rng.expovariate(1 / 5), 60))
    if rng.random() < CLICKS.get(step, CLICKS.get(received.campaign, 0.05)):
        done.append(Reaction(at, Act.CLICK, received, pick=rng.random()))
    elif rng.random() < 0.01:
        done.append(Reaction(at, Act.VIEW, received))
    if rng.random() < ANSWERS and answers:
        done.append(Reaction(at + timedelta(minutes=1), Act.ANSWER, received, pick=rng.random()))
    if rng.random() < 0.001:
        done.append(Reaction(at + timedelta(minutes=2), Act.PREFERENCES, received))
    if rng.random() < LEAVES.get(step, LEAVES_ELSE):
        by_button = rng.random() < 0.65
        choice = "entity" if by_button else rng.choices(("entity", "topic", "partners"), (6, 3, 1))[0]
        act = Act.ONE_CLICK if by_button else Act.STOP_PAGE
        done.append(Reaction(at + timedelta(minutes=3), act, received, choice))
    return done
