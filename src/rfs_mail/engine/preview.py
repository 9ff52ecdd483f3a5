"""
A mail before anybody gets it: as the files are now, for a sample person or for a real one, and as a test to oneself.

It is composed by what composes every mail, so that what is seen here is what goes out. Its links are sealed for a
delivery that does not exist: whoever follows one changes nothing. A mail about a filing window is shown for a real one,
at the step's own time, because it counts the days that are left.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from types import SimpleNamespace
from typing import cast
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from rfs_mail.campaign_files.load import Project
from rfs_mail.core.campaign import Branch, Campaign, Mail, ReleaseContent, Step, Wait
from rfs_mail.core.facts import window_day
from rfs_mail.core.filing_windows import DOUBTFUL, FilingWindow
from rfs_mail.core.local_time import MIDNIGHT, find_zone, local_instant
from rfs_mail.core.person import Person, address_hash, parse_address
from rfs_mail.core.script import Script, read_script
from rfs_mail.core.sequence import find_step
from rfs_mail.core.timing import Anchors, Civil, Instant, Planned, plan_step, resolve
from rfs_mail.core.verdict import Verdict
from rfs_mail.engine import naming
from rfs_mail.engine.compiling import compile_project
from rfs_mail.engine.compose import (
    PERSON_COLUMNS,
    Composed,
    Composer,
    Material,
    choose_source,
    is_about_windows,
)
from rfs_mail.engine.doors import enters_from
from rfs_mail.engine.gate import Rules
from rfs_mail.engine.her_windows import HerWindow, her_windows, say_closing
from rfs_mail.engine.live import Calendar, Occurrence
from rfs_mail.engine.windows import find_window
from rfs_mail.errors import CampaignFileError, NotFoundError, UsageError
from rfs_mail.store import dossier, suppressions, windows
from rfs_mail.store.outbox import Claimed
from rfs_mail.store.types import AnyRow
from rfs_mail.store.windows import About, Stored
from rfs_mail.transport.base import Envelope, Transport

NOBODY = 2**62
"""The id of the delivery that does not exist."""

SAMPLE: Mapping[str, object] = {
    "given_name": "Maya", "family_name": "Okafor", "state": "WI", "county": "Dane", "zip": "53703", "lang": None,
    "birth_year": 1998, "runs_before": 0, "endorsement": None, "endorsable": None, "source": None, "stage": "onboarded",
    "custom": {},
}  # fmt: skip
"""Whom a preview is for where nobody is named."""

PREFIX = "[test] "
"""What marks the subject of a test."""

SAMPLE_ADDRESS = "maya.okafor@example.org"
SAMPLE_ZONE = "America/Chicago"


@dataclass(frozen=True, slots=True)
class For:
    """For whom and when a mail is previewed. None and empty: the sample person, her language, the plain variant."""

    email: str | None = None
    lang: str | None = None
    variant: str = ""
    at: datetime | None = None
    window: str | None = None
    """The filing window; None: one of hers, else the nearest ahead."""


@dataclass(frozen=True, slots=True)
class _Subject:
    """What the mails of a campaign about filing windows are about, why that window, and when each step would go."""

    about: tuple[About, ...]
    words: str
    because: str
    times: Mapping[str, datetime]


@dataclass(frozen=True, slots=True)
class Previewed:
    """One mail as somebody would get it."""

    step: str
    template: str
    language: str
    variant: str
    subject: str
    text: str
    html: str
    composed: Composed
    at: datetime
    """As if it were sent then."""
    zone: str
    """The clock of whom it is for."""
    own_time: bool = False
    """`at` is the step's own time by the window."""
    window: str | None = None
    """The filing window that it is about."""
    about: str = ""
    """That window in words, and why it is this one."""


def preview(
    connection: Connection, project: Project, composer: Composer, campaign: str, step: str | None, whom: For, *,
    now: datetime,
) -> list[Previewed]:  # fmt: skip
    """
    The mails of a campaign as the files are now, or of one step of it.

    Raises NotFoundError or UsageError for what is not there, CampaignFileError where the files have errors, RenderError
    where a template fails for this person.
    """
    material = material_of(project, campaign)
    steps = (
        [step] if step is not None else [one.key for one in material.campaign.walk() if isinstance(one.action, Mail)]
    )
    if not steps:
        raise NotFoundError(f"{campaign} sends no mail, so there is nothing to preview.")
    subject = _subject_of(connection, project, material, whom, now)
    return [_previewed(connection, project.content, composer, material, key, whom, subject, now) for key in steps]


def material_of(project: Project, campaign: str, step: str | None = None) -> Material:
    """
    What the mails of a campaign are made from, as the files are now.

    Raises NotFoundError, or CampaignFileError where the campaign cannot be read, or a mail of it (of `step`, where one
    is named) cannot be made.
    """
    path = project.file_of(campaign)
    if not path:
        raise NotFoundError(f"No file has the campaign {campaign}.{naming.hint(campaign, project.campaigns)}")
    compiled = compile_project(project)
    draft = compiled.drafts.get(campaign)
    findings = [one for one in project.findings if one.path == path]
    for (file, key), failed in compiled.failures.items():
        findings += failed if file == path and step in (None, key) else ()
    errors = [one for one in findings if one.severity == "error"]
    if errors or draft is None:
        first = f"{str(errors[0]).rstrip('.')}. " if errors else f"{campaign} cannot be shown before it is mended. "
        raise CampaignFileError(f"{first}`rfs-mail check` shows everything.")
    return Material(draft.definition, draft.mails, draft.context)


def _previewed(
    connection: Connection, content: ReleaseContent, composer: Composer, material: Material, key: str, whom: For,
    subject: _Subject, now: datetime, *, to: str | None = None,
) -> Previewed:  # fmt: skip
    campaign = material.campaign
    found = find_step(campaign, key)
    mails = [one.key for one in campaign.walk() if isinstance(one.action, Mail)]
    if found is None or not isinstance(found.action, Mail):
        raise NotFoundError(
            f"{campaign.id} has no mail step {key}.{naming.hint(key, mails)} Mails: {', '.join(mails)}."
        )
    _check(campaign, found.action, whom)
    own = subject.times.get(found.key)
    at = whom.at or own or now
    row = _row(connection, campaign, found.action, found.key, whom, at)
    row.p_mailbox = to or row.p_mailbox
    if subject.about:
        row.window_id, row.window_version = subject.about[0].window.id, subject.about[0].version
    source = choose_source(material, found.action, row.p_lang, row.variant)
    composed = composer.compose(
        cast(Claimed, row), material, _calendar(content), tags=row.tags, windows=subject.about, now=at
    )
    message = BytesParser(policy=policy.default).parsebytes(composed.message)
    assert isinstance(message, EmailMessage)
    return Previewed(
        found.key,
        found.action.template,
        source.language,
        source.variant,
        str(message["Subject"]),
        _body(message, "plain"),
        _body(message, "html"),
        composed,
        at,
        row.p_zone,
        own_time=whom.at is None and own is not None,
        window=row.window_id,
        about=f"{subject.words} ({subject.because})" if subject.about else "",
    )


def _mails(campaign: Campaign) -> list[str]:
    return [one.key for one in campaign.walk() if isinstance(one.action, Mail)]


def _check(campaign: Campaign, mail: Mail, whom: For) -> None:
    if whom.lang is not None and whom.lang.partition("-")[0] not in campaign.languages:
        raise UsageError(f"{campaign.id} is not written in {whom.lang}. It has: {', '.join(campaign.languages)}.")
    variants = [name for name in mail.variants if name != "plain"]
    if whom.variant not in ("", "plain", *variants):
        there = f"It has: plain, {', '.join(variants)}." if variants else "It has none."
        raise UsageError(f"This mail has no variant {whom.variant}. {there}")


def _row(connection: Connection, campaign: Campaign, mail: Mail, key: str, whom: For, at: datetime) -> SimpleNamespace:
    """A row as the outbox would give it, of a delivery that does not exist."""
    person = naming.find_person(connection, whom.email) if whom.email is not None else None
    values, mailbox, zone = _person(person, at)
    enrollment = _enrollment(connection, campaign.id, person)
    variant = "" if whom.variant in ("", "plain") else whom.variant
    row = SimpleNamespace(
        id=NOBODY, message_id=None, step_key=key, campaign_id=campaign.id, entity_id=campaign.entity,
        topic=campaign.topic, variant=variant or mail.subject or "", person_id=person.id if person is not None else 0,
        enrollment_id=enrollment.id if enrollment is not None else 0, revision_id=0, window_id=None,
        window_version=None, entered_at=enrollment.entered_at if enrollment is not None else at,
        anchors=dict(enrollment.anchors or {}) if enrollment is not None else {},
        occurrence_key=enrollment.occurrence_key if enrollment is not None else None,
        tags=person.tags if person is not None else (), p_mailbox=mailbox, p_zone=zone,
        **{f"p_{name}": value for name, value in values.items()},
    )  # fmt: skip
    if enrollment is not None:
        row.window_id, row.window_version = enrollment.window_id, enrollment.window_version
    if whom.lang is not None:
        row.p_lang = whom.lang
    return row


def _person(person: Person | None, at: datetime) -> tuple[dict[str, object], str, str]:
    if person is None:
        return {**SAMPLE, "signed_up_at": at}, SAMPLE_ADDRESS, SAMPLE_ZONE
    return {name: getattr(person, name) for name in PERSON_COLUMNS}, person.mailbox, person.zone


def _enrollment(connection: Connection, campaign: str, person: Person | None) -> AnyRow | None:
    """Her latest way through this campaign, whose dates the mail is about."""
    if person is None:
        return None
    rows = [row for row in dossier.enrollments_of(connection, person.id) if row.campaign_id == campaign]
    return rows[-1] if rows else None


# -- the window --------------------------------------------------------------------------------------------------------


def _subject_of(connection: Connection, project: Project, material: Material, whom: For, now: datetime) -> _Subject:
    """What the mails are about, where the campaign is about filing windows."""
    if not is_about_windows(material.campaign):
        if whom.window is not None:
            raise UsageError(f"{material.campaign.id} is not about filing windows, so --window says nothing.")
        return _Subject((), "", "", {})
    person = naming.find_person(connection, whom.email) if whom.email is not None else None
    hers = her_windows(connection, person, now=now) if person is not None else ()
    chosen, because = _choose(connection, material.campaign, person, hers, whom, now)
    beside = [
        one.id
        for one in hers
        if one.wanted and not one.filed and one.status != "cancelled" and one.id != chosen.window.id
    ]
    together = [
        one for one in windows.listing(connection, ids=sorted(beside)) if one.window.closing == chosen.window.closing
    ]
    exactly = {one.id for one in hers if one.wanted and not one.approximate}
    before = windows.told_before(connection, [one.window.id for one in (chosen, *together)])
    about = tuple(
        About(one.window, one.version, one.window.id not in exactly, before.get(one.window.id))
        for one in (chosen, *together)
    )
    words = f"{chosen.window.id}, closes {say_closing(chosen.window)}"
    zone = find_zone(person.zone if person is not None else SAMPLE_ZONE)
    return _Subject(about, words, because, _times(project, material.campaign, chosen.window, zone, now))


def _choose(
    connection: Connection, campaign: Campaign, person: Person | None, hers: Sequence[HerWindow], whom: For,
    now: datetime,
) -> tuple[Stored, str]:  # fmt: skip
    """The window and why it is this one: as asked, the one she is in the campaign for, one she wants, the nearest."""
    if whom.window is not None:
        return find_window(connection, whom.window), "as you asked"
    enrollment = _enrollment(connection, campaign.id, person)
    if enrollment is not None and enrollment.window_id is not None:
        stored = windows.get(connection, enrollment.window_id)
        if stored is not None:
            return stored, "she is in the campaign for it" if enrollment.state == "active" else "she was in it for this"
    for one in hers:
        if one.wanted and one.days_left is not None and one.days_left >= 0 and one.status != "cancelled":
            return find_window(connection, one.id), "the nearest that she wants"
    ahead = [
        one
        for one in windows.listing(connection, closes_from=window_day(now).isoformat())
        if one.window.closes_on and one.window.confidence not in DOUBTFUL and one.window.status != "cancelled"
    ]
    if not ahead:
        raise NotFoundError(
            f"{campaign.id} is about filing windows, and none is known that is ahead. Import them: rfs-mail windows "
            "import data/filing_deadlines.csv, or name one of `windows list --all`: --window ID."
        )
    home = person.state if person is not None else SAMPLE["state"]
    near = [one for one in ahead if one.window.state == home]
    return (near[0], f"the nearest ahead in {home}") if near else (ahead[0], "the nearest ahead")


def _times(
    project: Project, campaign: Campaign, window: FilingWindow, zone: ZoneInfo, now: datetime
) -> dict[str, datetime]:
    """When each step goes for this window to somebody who was there in time; steps without a time are left out."""
    keys = {name: tuple(step.key for step in one.walk()) for name, one in project.campaigns.items()}
    script = read_script(campaign, project.content, keys)
    begins = enters_from(script, window.anchors()) if script.enters is not None else now
    entered = begins if isinstance(begins, datetime) else now
    moments = dict(window.anchors().moments) | {"entry": Instant(entered)}
    for name, dates in _calendar(project.content).items():
        ahead = [one.moment for one in dates if one.starts_at > entered]
        moments |= {name: ahead[0]} if ahead else {}
    return dict(_lay(script, campaign.steps, Anchors.of(moments, office=window.anchors().office), entered, zone))


def _lay(
    script: Script, steps: Sequence[Step], anchors: Anchors, above: datetime, zone: ZoneInfo
) -> Iterator[tuple[str, datetime]]:
    """(step, when) of steps that follow each other; the arms of a branch begin where it does."""
    for step in steps:
        times = script.times[step.key]
        plan = plan_step(
            times.at, not_after=times.not_after, anchors=anchors, previous=above, zone=zone,
            rules=script.rules.get(step.key), expires_after=script.expires,
        )  # fmt: skip
        if not isinstance(plan, Planned):
            continue
        yield step.key, plan.due_at
        above = plan.due_at
        if isinstance(step.action, Branch):
            for inside in (*(arm.steps for arm in step.action.arms), step.action.otherwise):
                yield from _lay(script, inside, anchors, above, zone)
        elif isinstance(step.action, Wait) and times.until is not None:
            end = resolve(times.until, anchors=anchors, previous=above, zone=zone)
            above = end if isinstance(end, datetime) else above


# -- the dates ---------------------------------------------------------------------------------------------------------


def _calendar(content: ReleaseContent) -> Calendar:
    """The dates as the files are now."""
    calendar: dict[str, tuple[Occurrence, ...]] = {}
    for name, given in content.calendars.items():
        dates = []
        for spec in given.occurrences:
            day, wall = date.fromisoformat(spec.on), time.fromisoformat(spec.time) if spec.time else None
            zone = find_zone(spec.zone)
            starts = local_instant(day, wall or MIDNIGHT, zone)
            dates.append(Occurrence(name, spec.key, Civil(day, wall, zone), starts))
        calendar[name] = tuple(sorted(dates, key=lambda one: one.starts_at))
    return calendar


def _body(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    return str(part.get_content()).replace("\r\n", "\n") if part is not None else ""


# -- a test to oneself -------------------------------------------------------------------------------------------------


def compose_test(
    connection: Connection, project: Project, composer: Composer, campaign: str, step: str, to: str, whom: For, *,
    rules: Rules, suppression_key: bytes, now: datetime,
) -> Previewed:  # fmt: skip
    """
    One mail for an address of the staff, its subject marked as a test.

    Raises UsageError where it must not go there, because suppression and `only_to` hold for this too; AddressError
    where it is no address; else as `preview`.
    """
    address = parse_address(to)
    if not rules.allows(address.mailbox):
        raise UsageError(f"`only_to` in rfs-mail.toml does not let mail go to {address.mailbox}.")
    material = material_of(project, campaign, step)
    hashed = address_hash(suppression_key, address.key)
    for row in suppressions.live(connection, hashed):
        if row.scope == "all" or (row.scope, row.scope_id) == ("entity", material.campaign.entity):
            raise UsageError(f"{address.mailbox} is suppressed ({row.reason}), and a test does not outvote that.")
    marked = {
        name: {key: source.model_copy(update={"subject": PREFIX + source.subject}) for key, source in sources.items()}
        for name, sources in material.mails.items()
    }
    test = Material(material.campaign, marked, material.content)
    subject = _subject_of(connection, project, material, whom, now)
    return _previewed(connection, project.content, composer, test, step, whom, subject, now, to=address.mailbox)


async def send_test(transport: Transport, mail: Previewed) -> Verdict:
    """Carry it out as any other mail, and say what the far side said. It is recorded nowhere."""
    await transport.open()
    try:
        envelope = Envelope(mail.composed.mail_from, mail.composed.rcpt_to)
        return await transport.send(envelope, mail.composed.message)
    finally:
        await transport.close()
