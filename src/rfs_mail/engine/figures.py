"""How campaigns are doing: who is in them, what each step did, and why mail did not go."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from rfs_mail.core.campaign import Branch, ChangeStep, Mail, Step, TaskStep, Wait
from rfs_mail.core.facts import window_day
from rfs_mail.core.filing_words import office_name
from rfs_mail.core.lifecycle import UNSETTLED, DeliveryState
from rfs_mail.core.time_words import describe
from rfs_mail.engine import naming
from rfs_mail.engine.compose import is_about_windows
from rfs_mail.engine.her_windows import say_closing_of
from rfs_mail.engine.live import Live
from rfs_mail.store import log
from rfs_mail.store.releases import LiveCampaign

_S = DeliveryState

_NOT_SENT = (_S.SKIPPED.value, _S.EXPIRED.value, _S.FAILED.value)
_ARRIVED = (_S.SENT.value, _S.BOUNCED.value, _S.COMPLAINED.value)


@dataclass(frozen=True, slots=True)
class CampaignLine:
    """One campaign in a list."""

    id: str
    name: str
    entity: str
    topic: str
    state: str
    revision: int
    active: int
    ended: int
    holdout: int
    state_by: str
    state_because: str | None


@dataclass(frozen=True, slots=True)
class StepLine:
    """
    One step of a campaign. `waiting`: active people who stand before it; the others are deliveries or, for a step that
    is no mail, people.
    """

    key: str
    kind: str
    when: str
    waiting: int = 0
    queued: int = 0
    sent: int = 0
    clicked: int = 0
    not_sent: int = 0
    uncertain: int = 0
    done: int = 0
    condition: str | None = None


@dataclass(frozen=True, slots=True)
class ReasonLine:
    """Why mail of a step did not go (or, `held`, has not gone yet), and how often."""

    step: str
    reason: str
    number: int
    held: bool


@dataclass(frozen=True, slots=True)
class WindowLine:
    """One filing window of a campaign about windows: how many people are in it for that window, and through."""

    window: str
    office: str
    state: str
    closes: str
    """In words, on the office's clock."""
    active: int
    finished: int
    goal: int
    exited: int
    """For another reason than the goal."""
    holdout: int


WINDOWS = 20
"""The most windows that are shown of a campaign."""


@dataclass(frozen=True, slots=True)
class CampaignFigures:
    """One campaign with its funnel."""

    line: CampaignLine
    about: Mapping[str, str]
    """What the file says, in words, by heading."""
    steps: tuple[StepLine, ...]
    reasons: tuple[ReasonLine, ...]
    endings: Mapping[str, int] = field(default_factory=dict)
    """Why enrollments ended -> how many; `finished` came to their end."""
    windows: tuple[WindowLine, ...] = ()
    """Of a campaign about windows: those that anybody was in it for, the nearest closing first, at most WINDOWS."""
    more_windows: bool = False


def list_campaigns(connection: Connection) -> list[CampaignLine]:
    """Every campaign that is or was live, the removed ones last. Raises NotFoundError where nothing was applied."""
    live = naming.need_live(connection)
    people = _enrollments(connection, None)
    lines = [_line(live.campaign(name), people.get(name, {})) for name in live.release.campaigns]
    return sorted(lines, key=lambda line: (line.state == "removed", line.id))


def campaign_figures(connection: Connection, campaign: str, *, now: datetime) -> CampaignFigures:
    """
    One campaign. Raises NotFoundError.

    Counts over all its rows, so a campaign of millions takes a second.
    """
    live = naming.need_live(connection)
    row = naming.find_campaign(live, campaign)
    people = _enrollments(connection, campaign)
    counted = log.endings(connection, campaign)
    endings = {each.ended_because: each.number for each in counted if each.ended_because != "holdout"}
    finished = people.get(campaign, {}).get("finished", 0)
    lines = _windows(connection, campaign, now) if is_about_windows(row.definition) else []
    return CampaignFigures(
        _line(row, people.get(campaign, {})),
        _about(live, row),
        tuple(_steps(connection, live, row)),
        tuple(_reasons(connection, campaign)),
        {**({"finished": finished} if finished else {}), **endings},
        tuple(lines[:WINDOWS]),
        len(lines) > WINDOWS,
    )


def _windows(connection: Connection, campaign: str, now: datetime) -> list[WindowLine]:
    """One more than are shown, so that it is known whether there are more."""
    rows = log.by_window(connection, campaign, today=window_day(now).isoformat(), limit=WINDOWS + 1)
    return [
        WindowLine(
            row.window_id, office_name(row.office, row.office_level, "en"), row.state or "",
            say_closing_of(row.closes_on, row.closes_time, row.zone) if row.zone else "the window is gone",
            row.active, row.finished, row.goal, row.exited, row.holdout,
        )
        for row in rows
    ]  # fmt: skip


def _enrollments(connection: Connection, campaign: str | None) -> dict[str, dict[str, int]]:
    people: dict[str, dict[str, int]] = {}
    for row in log.enrollment_figures(connection, campaign):
        people.setdefault(row.campaign_id, {})[row.state] = row.number
    return people


def _line(row: LiveCampaign, people: Mapping[str, int]) -> CampaignLine:
    definition = row.definition
    return CampaignLine(
        row.id,
        definition.name or row.id,
        definition.entity,
        definition.topic,
        row.state,
        row.revision.number,
        people.get("active", 0),
        people.get("finished", 0) + people.get("exited", 0),
        people.get("holdout", 0),
        row.state_by,
        row.state_because,
    )


def _about(live: Live, row: LiveCampaign) -> dict[str, str]:
    campaign = row.definition
    entry = campaign.entry
    starts = {
        "event": f"when somebody reaches the stage {entry.stage}" if entry.stage else f"on the event {entry.event}",
        "person": "once a person, as soon as the audience holds",
        "calendar": f"once a person and date of {entry.calendar}",
        "filing_window": "once a person and filing window",
    }[entry.kind]
    script = live.scripts.get(row.id)
    span = f", from {describe(script.enters)}" if script is not None and script.enters is not None else ""
    return {
        "speaks": campaign.entity,
        "topic": campaign.topic,
        "languages": ", ".join(campaign.languages),
        "starts": starts + span,
        "audience": " and ".join(campaign.audience),
        "exclude": " or ".join(campaign.exclude),
        "holdout": f"{campaign.holdout:.0%}" if campaign.holdout else "",
        "goal": campaign.goal.when if campaign.goal is not None else "",
        "exit": " or ".join(one.when for one in campaign.exit),
        "while": campaign.while_ or "",
        "ends": describe(script.ends) if script is not None and script.ends is not None else "",
        "rate": campaign.send.rate or "",
        "hours": f"{campaign.send.days} {campaign.send.hours}, her clock",
    }


def _steps(connection: Connection, live: Live, row: LiveCampaign) -> list[StepLine]:
    states: dict[str, dict[str, int]] = {}
    for each in log.figures(connection, row.id):
        states.setdefault(each.step_key, {})[each.state] = each.number
    passed: dict[str, dict[str, int]] = {}
    for each in log.passed_steps(connection, row.id):
        outcomes = passed.setdefault(each.step_key, {})
        outcomes[each.outcome] = outcomes.get(each.outcome, 0) + each.number
    waiting = log.waiting_at(connection, row.id)
    clicked = log.clicked_steps(connection, row.id)
    script = live.scripts.get(row.id)
    lines = []
    for step in row.definition.walk():
        of = states.get(step.key, {})
        outcomes = passed.get(step.key, {})
        when = describe(script.times[step.key].at) if script is not None else step.at or "at once"
        lines.append(
            StepLine(
                step.key,
                kind_of(step),
                when,
                waiting.get(step.key, 0),
                sum(of.get(state.value, 0) for state in UNSETTLED),
                sum(of.get(state, 0) for state in _ARRIVED),
                clicked.get(step.key, 0),
                sum(of.get(state, 0) for state in _NOT_SENT) + outcomes.get("skipped", 0),
                of.get(_S.UNCERTAIN.value, 0),
                outcomes.get("done", 0) + outcomes.get("timed_out", 0),
                step.when,
            )
        )
    return lines


def _reasons(connection: Connection, campaign: str) -> list[ReasonLine]:
    """Of deliveries that did not go or wait, and of steps that made none."""
    found: dict[tuple[str, str, bool], int] = {}
    for row in log.reasons(connection, campaign):
        if row.state in (_S.BOUNCED.value, _S.COMPLAINED.value):
            continue  # they went
        key = (row.step_key, row.reason, row.state in {state.value for state in UNSETTLED})
        found[key] = found.get(key, 0) + row.number
    for row in log.passed_steps(connection, campaign):
        if row.reason is not None:
            key = (row.step_key, row.reason, False)
            found[key] = found.get(key, 0) + row.number
    lines = [ReasonLine(step, reason, number, held) for (step, reason, held), number in found.items()]
    return sorted(lines, key=lambda line: (line.held, -line.number, line.step, line.reason))


def kind_of(step: Step) -> str:
    """What a step does, in a word: mail, wait, branch, task or change."""
    match step.action:
        case Mail():
            return "mail"
        case Wait():
            return "wait"
        case Branch():
            return "branch"
        case TaskStep():
            return "task"
        case ChangeStep():
            return "change"
