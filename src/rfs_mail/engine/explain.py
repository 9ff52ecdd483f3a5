"""
Why she got a mail, and why he did not: every campaign asked about one person.

Where somebody is or was in a campaign, each step says what became of it: sent, not sent and why, queued with what the
gate would say now, planned. Where she never entered, every condition is answered line by line with the values it was
asked of, and the event, date or window that was missing is named. In a campaign about filing windows all of this is
said window by window.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy import Connection

from rfs_mail.core.campaign import Branch, Step
from rfs_mail.core.eligibility import Decision, Expire, Hold, Skip
from rfs_mail.core.expression import Expression, evaluate
from rfs_mail.core.expression import explain as explain_expression
from rfs_mail.core.facts import PersonFacts
from rfs_mail.core.lifecycle import OPEN_STATES, DeliveryState
from rfs_mail.core.person import Person
from rfs_mail.core.reasons import Reason
from rfs_mail.core.script import Script
from rfs_mail.core.telling import Told, say_instant, tell
from rfs_mail.core.time_words import describe
from rfs_mail.engine import naming
from rfs_mail.engine.advance import Foreseen, foresee
from rfs_mail.engine.compose import is_about_windows
from rfs_mail.engine.entering import (
    Obstacle,
    mail_obstacles,
    obstacles,
    say_day_of,
    takes_in_from,
    window_obstacles,
)
from rfs_mail.engine.figures import kind_of
from rfs_mail.engine.gate import Rules, ask_gate
from rfs_mail.engine.her_windows import HerWindow, her_windows
from rfs_mail.engine.live import Live, zone_of
from rfs_mail.store import dossier, windows
from rfs_mail.store.facts import load_facts
from rfs_mail.store.types import AnyRow

_S = DeliveryState


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a condition: what was asked, the answer, what was looked at."""

    text: str
    holds: bool
    seen: str


@dataclass(frozen=True, slots=True)
class Line:
    """One condition of a campaign, asked of her now. `role` is audience, exclude, when, goal, exit or while."""

    role: str
    text: str
    holds: bool
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class StepAnswer:
    """
    What became of one step.

    `state` is sent, not sent, queued, on its way, uncertain, planned, waiting, done, skipped or not reached; `at` is
    when that was or will be. `remedy` says what comes next, or what to do; empty where there is nothing to do.
    """

    key: str
    kind: str
    state: str
    at: datetime | None = None
    sentence: str = ""
    remedy: str = ""
    reason: str | None = None
    delivery_id: int | None = None
    lines: tuple[Line, ...] = ()


@dataclass(frozen=True, slots=True)
class EnrollmentAnswer:
    """Her way through a campaign, once an occasion."""

    id: int
    occasion: str
    state: str
    entered_at: datetime
    ended_at: datetime | None
    sentence: str
    steps: tuple[StepAnswer, ...] = ()
    ended_because: str | None = None
    window_id: str | None = None
    """The filing window it is about; not the one of the occasion, where it was handed on to another."""
    office_zone: str = ""
    """The clock of that window's office."""


@dataclass(frozen=True, slots=True)
class WindowAnswer:
    """
    One filing window of hers in a campaign about windows.

    Where she did not enter for it, `obstacles` say why, or `together` names the window whose enrollment serves this one
    too, because they close together.
    """

    window: HerWindow
    enters_at: datetime | None = None
    """From when people enter for it, where the campaign says so."""
    enters: str = ""
    """The same in words, and where it comes from."""
    entered: bool = False
    together: str | None = None
    obstacles: tuple[Obstacle, ...] = ()
    lines: tuple[Line, ...] = ()


@dataclass(frozen=True, slots=True)
class CampaignAnswer:
    """
    One campaign. Where she never entered, `obstacles` say why; none of them: she enters at the next pass. Where she is
    in it, they say what keeps back all of its mail. `windows` are hers, the nearest first, in a campaign about windows.
    """

    campaign: str
    name: str
    state: str
    enrollments: tuple[EnrollmentAnswer, ...] = ()
    obstacles: tuple[Obstacle, ...] = ()
    lines: tuple[Line, ...] = ()
    windows: tuple[WindowAnswer, ...] = ()

    @property
    def entered(self) -> bool:
        """Is or was she in it?"""
        return bool(self.enrollments)


@dataclass(frozen=True, slots=True)
class Explanation:
    """The answer about one person."""

    person_id: int
    address: str
    name: str
    zone: str
    stage: str
    place: str
    campaigns: tuple[CampaignAnswer, ...] = field(default=())


def explain(
    connection: Connection,
    address: str,
    *,
    campaign: str | None = None,
    step: str | None = None,
    rules: Rules,
    now: datetime,
) -> Explanation:
    """
    Ask about one person over all campaigns, one of them, or one step of it. Reads only.

    Raises NotFoundError for whom or what is not there.
    """
    person = naming.find_person(connection, address)
    live = naming.need_live(connection)
    if campaign is not None:
        found = naming.find_campaign(live, campaign)
        step = naming.find_step(found, step) if step is not None else None
    asked = _Asked(connection, live, person, rules, now)
    wanted = [name for name in sorted(live.release.campaigns) if campaign in (None, name)]
    answers = [asked.campaign(name, step) for name in wanted if campaign is not None or asked.concerns(name)]
    answers.sort(key=lambda answer: not answer.entered)
    name = " ".join(part for part in (person.given_name, person.family_name) if part)
    place = ", ".join(part for part in (person.county, person.state, person.zip) if part)
    return Explanation(person.id, person.address, name, person.zone, person.stage, place, tuple(answers))


class _Asked:
    """All that is read once about a person, for every campaign."""

    def __init__(self, connection: Connection, live: Live, person: Person, rules: Rules, now: datetime) -> None:
        self.connection = connection
        self.live = live
        self.person = person
        self.now = now
        self.zone = zone_of(person.zone)
        self.enrollments: dict[str, list[AnyRow]] = {}
        for row in dossier.enrollments_of(connection, person.id):
            self.enrollments.setdefault(row.campaign_id, []).append(row)
        ids = [row.id for rows in self.enrollments.values() for row in rows]
        self.steps: dict[int, dict[str, AnyRow]] = {}
        for row in dossier.steps_of(connection, ids):
            self.steps.setdefault(row.enrollment_id, {})[row.step_key] = row
        self.deliveries: dict[int, dict[str, AnyRow]] = {}
        waiting = []
        for row in dossier.deliveries_of(connection, person.id):
            self.deliveries.setdefault(row.enrollment_id, {})[row.step_key] = row
            if row.state in OPEN_STATES:
                waiting.append(row.id)
        self.gate = ask_gate(connection, waiting, rules, now=now)
        about = {row.window_id for rows in self.enrollments.values() for row in rows if row.window_id is not None}
        self.windows = her_windows(connection, person, now=now, also=sorted(about))
        stored = windows.listing(connection, ids=[one.id for one in self.windows])
        self.known = {one.window.id: one.window for one in stored}
        self.with_window: dict[str, PersonFacts] = {}

    def concerns(self, name: str) -> bool:
        """A campaign that was removed concerns those who were in it alone."""
        return name in self.live.scripts or name in self.enrollments

    def campaign(self, name: str, step: str | None) -> CampaignAnswer:
        row = self.live.campaign(name)
        script = self.live.scripts.get(name)
        enrolled = [self.enrollment(script, one, step) for one in reversed(self.enrollments.get(name, []))]
        if enrolled or script is None:
            why: list[Obstacle] = []
            if script is None:
                why.append(Obstacle(Reason.CAMPAIGN_REMOVED, {}, self.told(Reason.CAMPAIGN_REMOVED, {})))
            elif any(one.state == "active" for one in enrolled):
                why = mail_obstacles(self.connection, self.live, name, script, self.person, now=self.now)
            of_windows = self.of_windows(name, script, enrolled) if script is not None else ()
            return CampaignAnswer(
                name, row.definition.name or name, row.state, tuple(enrolled), tuple(why), windows=of_windows
            )
        facts = self.facts()
        return CampaignAnswer(
            name,
            row.definition.name or name,
            row.state,
            obstacles=tuple(obstacles(self.connection, self.live, name, script, self.person, facts, now=self.now)),
            lines=tuple(self.entry_lines(script, facts)),
            windows=self.of_windows(name, script, []),
        )

    # -- windows -------------------------------------------------------------------------------------------------------

    def of_windows(self, name: str, script: Script, enrolled: list[EnrollmentAnswer]) -> tuple[WindowAnswer, ...]:
        """Her windows in a campaign about windows; of one that an event starts, those alone that she is in it for."""
        if not is_about_windows(script.campaign):
            return ()
        inside = {one.window_id for one in enrolled}
        starts = script.campaign.entry.kind == "filing_window"
        general: tuple[Obstacle, ...] = ()
        if enrolled and starts and any(window.id not in inside for window in self.windows):
            live, facts = self.live, self.facts()  # who is in it for one window may be kept out for the next
            general = tuple(obstacles(self.connection, live, name, script, self.person, facts, now=self.now))
        found = [
            WindowAnswer(window, entered=True) if window.id in inside else self.outside(name, script, window, general)
            for window in self.windows
            if window.id in inside or starts
        ]
        return self.serving_together(script, [self.with_entry(script, one) for one in found], enrolled)

    def outside(self, name: str, script: Script, window: HerWindow, general: tuple[Obstacle, ...]) -> WindowAnswer:
        """A window that she did not enter for; `general` keeps her out of every one."""
        facts = self.facts_with(window.id)
        why = window_obstacles(
            self.connection, self.live, name, script, self.person, window, facts, now=self.now
        )  # fmt: skip
        asked = [("goal", script.goal), *(("exit", one) for one in script.exits), ("while", script.while_)]
        asked.append(("require", script.require))
        lines = [
            self.line(role, one, facts)
            for role, one in asked
            if one is not None and one.uses_window and not one.uses_enrollment
        ]
        return WindowAnswer(window, obstacles=(*general, *why), lines=tuple(lines))

    def with_entry(self, script: Script, answer: WindowAnswer) -> WindowAnswer:
        """The same with the day from which people enter."""
        window = self.known.get(answer.window.id)
        at = takes_in_from(script, window) if window is not None else None
        if at is None or window is None or script.enters is None:
            return answer
        return replace(answer, enters_at=at, enters=f"{say_day_of(at, window)} on ({describe(script.enters)})")

    def serving_together(
        self, script: Script, found: list[WindowAnswer], enrolled: list[EnrollmentAnswer]
    ) -> tuple[WindowAnswer, ...]:
        """Windows that close together are one occasion: the first serves those for which nothing else stands there."""
        over = {one.window_id for one in enrolled if one.ended_because == Reason.GOAL_REACHED}
        answers: list[WindowAnswer] = []
        for answer in found:
            beside = [
                one
                for one in found
                if one.window.id != answer.window.id
                and one.window.closes_at is not None
                and (one.window.state, one.window.closes) == (answer.window.state, answer.window.closes)
            ]
            open_ones = [one for one in beside if one.window.id not in over and one.window.status != "cancelled"]
            inside = [one for one in open_ones if one.entered]
            ranks = [(len(one.obstacles), one.window.approximate, one.window.id) for one in beside if not one.entered]
            mine = (len(answer.obstacles), answer.window.approximate, answer.window.id)
            before = [rank for rank in ranks if rank[0] == mine[0] and rank < mine]
            first = inside[0].window.id if inside else min(before)[2] if before else None
            if answer.entered or first is None or (inside and _is_kept_out(answer)):
                answers.append(answer)
            else:
                answers.append(replace(answer, together=first))
        return tuple(answers)

    def facts_with(self, window_id: str) -> PersonFacts:
        """Her facts with this window as the window of the place."""
        if window_id not in self.with_window:
            found = load_facts(self.connection, [self.person.id], now=self.now, window_id=window_id)
            self.with_window[window_id] = found[self.person.id]
        return self.with_window[window_id]

    def facts(self, enrollment_id: int | None = None) -> PersonFacts:
        found = load_facts(self.connection, [self.person.id], now=self.now, enrollment_id=enrollment_id)
        return found[self.person.id]

    # -- conditions ----------------------------------------------------------------------------------------------------

    def entry_lines(self, script: Script, facts: PersonFacts) -> list[Line]:
        """What is asked at the door, line by line. What needs a window or an enrollment has no answer here."""
        asked = [*(("audience", one) for one in script.audience), *(("exclude", one) for one in script.exclude)]
        if script.goal is not None:
            asked.append(("goal", script.goal))
        asked += [("exit", one) for one in script.exits]
        if script.while_ is not None:
            asked.append(("while", script.while_))
        return [
            self.line(role, expression, facts)
            for role, expression in asked
            if not expression.uses_enrollment and not (expression.uses_window and facts.window is None)
        ]

    def line(self, role: str, expression: Expression, facts: PersonFacts) -> Line:
        parts = explain_expression(expression, facts, now=self.now)
        holds = evaluate(expression, facts, now=self.now)
        return Line(role, expression.text, holds, tuple(Part(each.text, each.value, each.seen) for each in parts))

    # -- her way through -----------------------------------------------------------------------------------------------

    def enrollment(self, script: Script | None, row: AnyRow, step: str | None) -> EnrollmentAnswer:
        steps: list[StepAnswer] = []
        if script is not None and row.state != "holdout":
            own = self.live.script_of(self.connection, row.campaign_id, row.revision_id) or script
            steps = self.step_answers(own, row, step)
        elif script is None:
            steps = [self.taken(key, "", row) for key in self.keys_of(row)]
        window = self.known.get(row.window_id or "")
        return EnrollmentAnswer(
            row.id, row.occasion, row.state, row.entered_at, row.ended_at, self.how_it_stands(script, row),
            tuple(steps), row.ended_because, row.window_id, window.zone if window is not None else "",
        )  # fmt: skip

    def keys_of(self, row: AnyRow) -> list[str]:
        return list(dict.fromkeys([*self.steps.get(row.id, {}), *self.deliveries.get(row.id, {})]))

    def how_it_stands(self, script: Script | None, row: AnyRow) -> str:
        came = say_instant(row.entered_at, self.zone, now=self.now)
        if row.state == "holdout":
            share = f"{script.campaign.holdout:.0%}" if script is not None else "a part"
            return f"{tell(Reason.HOLDOUT, {'share': share}, zone=self.zone, now=self.now).sentence} since {came}"
        entered = f"entered {came} ({_occasion(row.occasion)}{_handed_on(row)})"
        if row.state == "active":
            return f"{entered}, goes on"
        ended = say_instant(row.ended_at, self.zone, now=self.now) if row.ended_at is not None else "later"
        if row.ended_because is None:
            return f"{entered}, finished {ended}"
        return f"{entered}, ended {ended}: {self.told(row.ended_because, row.ended_detail).sentence}"

    def step_answers(self, script: Script, row: AnyRow, wanted: str | None) -> list[StepAnswer]:
        """Every step in the order of the file, then what was recorded for steps that are gone."""
        ahead = self.ahead(row)
        answers = []
        known: set[str] = set()
        for key, node in script.sequence.nodes.items():
            names = {key, node.step.was} if node.step.was else {key}
            known |= names
            if wanted not in (None, key):
                continue
            recorded = next((name for name in names if self.is_recorded(row, name)), None)
            if recorded is not None:
                answer = self.taken(recorded, kind_of(node.step), row)
            elif key in ahead:
                answer = self.foreseen(script, node.step, ahead[key])
            else:
                answer = StepAnswer(key, kind_of(node.step), "not reached", sentence=self.why_not_reached(row))
            lines = self.step_lines(script, node.step, row) if wanted is not None else ()
            answers.append(replace(answer, key=key, lines=tuple(lines)))
        if wanted is None:
            answers += [self.taken(key, "gone", row) for key in self.keys_of(row) if key not in known]
        return answers

    def ahead(self, row: AnyRow) -> dict[str, Foreseen]:
        if row.state != "active":
            return {}
        mail = next((one for one in self.deliveries.get(row.id, {}).values() if one.id == row.waiting_on), None)
        settles_at = max(mail.next_at, self.now) if mail is not None else None
        seen = foresee(self.connection, self.live, row, settles_at=settles_at, now=self.now)
        return {one.step_key: one for one in seen}

    def is_recorded(self, row: AnyRow, key: str) -> bool:
        return key in self.steps.get(row.id, {}) or key in self.deliveries.get(row.id, {})

    def why_not_reached(self, row: AnyRow) -> str:
        if row.state != "active":
            return "her way through the campaign had ended"
        return "not on her way: another arm was taken, or would be as things stand"

    def step_lines(self, script: Script, step: Step, row: AnyRow) -> tuple[Line, ...]:
        """The conditions of one step as they stand now, for whoever asks about that step."""
        facts = self.facts(row.id)
        asked: list[tuple[str, Expression]] = []
        if step.key in script.whens:
            asked.append(("when", script.whens[step.key]))
        asked += [(f"arm {number}", one) for number, one in enumerate(script.arms.get(step.key, ()), 1)]
        if step.key in script.waits:
            asked.append(("wait_for", script.waits[step.key]))
        return tuple(
            self.line(role, one, facts) for role, one in asked if not one.uses_window or facts.window is not None
        )

    # -- one step ------------------------------------------------------------------------------------------------------

    def taken(self, key: str, kind: str, row: AnyRow) -> StepAnswer:
        """A step that was taken: its mail where it made one, else what was recorded."""
        mail = self.deliveries.get(row.id, {}).get(key)
        if mail is not None:
            return self.mailed(key, mail)
        step = self.steps[row.id][key]
        if step.outcome == "skipped" and step.reason is not None:
            told = self.told(step.reason, step.detail)
            state = "not sent" if kind == "mail" else "skipped"
            return StepAnswer(key, kind, state, step.at, told.sentence, told.remedy, step.reason)
        sentence = {"timed_out": "waited to the end", "queued": "was queued; the log no longer has the mail"}
        said = sentence.get(step.outcome, "")
        if step.outcome == "done" and "arm" in (step.detail or {}):
            said = f"took arm {step.detail['arm'] + 1}"
        return StepAnswer(key, kind or "step", "done", step.at, said)

    def mailed(self, key: str, mail: AnyRow) -> StepAnswer:
        state = DeliveryState(mail.state)
        answer = StepAnswer(key, "mail", "sent", mail.settled_at, delivery_id=mail.id, reason=mail.reason)
        told = self.told(mail.reason, mail.detail) if mail.reason is not None else Told("")
        match state:
            case _S.SENT:
                return answer
            case _S.BOUNCED | _S.COMPLAINED:
                return _said(answer, state.value, told)
            case _S.SENDING:
                return _said(replace(answer, at=mail.sending_at), "on its way", told)
            case _S.UNCERTAIN:
                return _said(answer, "uncertain", told)
            case _S.QUEUED | _S.CLAIMED:
                return self.waiting(replace(answer, at=mail.next_at), mail, self.gate.get(mail.id))
            case _:
                return _said(answer, "not sent", told)

    def waiting(self, answer: StepAnswer, mail: AnyRow, decision: Decision | None) -> StepAnswer:
        """A mail in the outbox: what the gate would say now, else what held it last, else when it goes."""
        match decision:
            case Skip(reason, detail):
                return _said(answer, "not sent", self.told(reason, detail), reason)
            case Expire(_, detail):
                return _said(answer, "not sent", self.told(Reason.TOO_LATE, detail), Reason.TOO_LATE)
            case Hold(reason, _, detail) if mail.due_at <= self.now:
                return _said(answer, "not sent", self.told(reason, detail), reason)
        if mail.reason is not None and mail.next_at > self.now:
            return _said(answer, "not sent", self.told(mail.reason, mail.detail))
        when = say_instant(mail.next_at, self.zone, now=self.now)
        said = f"goes {when}" if mail.next_at > self.now else "goes at the next pass"
        return _said(answer, "queued", Told(said))

    def foreseen(self, script: Script, step: Step, seen: Foreseen) -> StepAnswer:
        """A step that lies ahead."""
        kind = kind_of(step)
        if seen.reason is not None:
            told = self.told(seen.reason, {"expression": "", **seen.detail})
            state = "not sent" if kind == "mail" else "skipped"
            return StepAnswer(
                step.key, kind, state, None, f"as things stand: {told.sentence}", told.remedy, seen.reason
            )
        said = [describe(script.times[step.key].at)]
        if step.when is not None:
            said.append(f"if then {step.when}")
        if seen.arm is not None:
            said.append(_arm(step, seen.arm))
        if seen.until is not None:
            said.append(f"waits until {say_instant(seen.until, self.zone, now=self.now)} at the latest")
        state = "waiting" if seen.until is not None and (seen.due_at or self.now) <= self.now else "planned"
        return StepAnswer(step.key, kind, state, seen.due_at, "; ".join(said))

    def told(self, reason: str, detail: Mapping[str, object] | None) -> Told:
        return tell(reason, detail, zone=self.zone, now=self.now)


def _is_kept_out(answer: WindowAnswer) -> bool:
    """Does something about this window itself keep her out, whatever she is in the campaign for?"""
    return any(one.reason in (Reason.GOAL_REACHED, Reason.EXITED, Reason.WHILE_ENDED) for one in answer.obstacles)


def _arm(step: Step, arm: int) -> str:
    action = step.action
    if isinstance(action, Branch) and arm < len(action.arms):
        return f"as things stand by {action.arms[arm].when}"
    return "as things stand by else"


def _occasion(occasion: str) -> str:
    """What brought her in, in words."""
    kind, _, what = occasion.partition(":")
    match kind:
        case "once":
            return "for the first time" if what == "1" else f"time {what}"
        case "window":
            window_id, moved, version = what.rpartition(":v")
            return f"for the move of {window_id} to version {version}" if moved else f"for the filing window {what}"
        case "calendar":
            return f"for {what}"
        case "event":
            return "by her sign-up" if what.startswith("signup-") else "by an event"
        case _:
            return occasion


def _handed_on(row: AnyRow) -> str:
    """Where the papers for the window that brought her in are in, and it goes on for another that closes with it."""
    kind, _, what = row.occasion.partition(":")
    if kind != "window" or row.window_id is None or what.rpartition(":v")[0] == row.window_id or what == row.window_id:
        return ""
    return f", handed on to {row.window_id}"


def _said(answer: StepAnswer, state: str, told: Told, reason: str | None = None) -> StepAnswer:
    return replace(answer, state=state, sentence=told.sentence, remedy=told.remedy, reason=reason or answer.reason)
