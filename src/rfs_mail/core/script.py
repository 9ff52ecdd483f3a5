"""
A campaign, read once: its expressions parsed, its times parsed, its steps laid out.

The engine works on this; the text of the file is not looked at again. Everything here was checked by `check` before it
could be applied, so an error here is a bug, not a finding.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from rfs_mail.core.campaign import Branch, Campaign, Mail, ReleaseContent, Step, Wait
from rfs_mail.core.duration import Duration, parse_duration
from rfs_mail.core.expression import Expression, Vocabulary, parse
from rfs_mail.core.send_hours import Rate, SendRules, parse_days, parse_rate, parse_send_hours
from rfs_mail.core.sequence import Sequence, sequence
from rfs_mail.core.times import TimeExpr, TimeNames, parse_time


@dataclass(frozen=True, slots=True)
class StepTimes:
    """The parsed times of one step; None where the file says nothing."""

    at: TimeExpr | None
    not_after: TimeExpr | None
    until: TimeExpr | None
    names: frozenset[str] = field(init=False, repr=False, compare=False)
    """The anchor names these times need."""
    counts_from_above: bool = field(init=False, repr=False, compare=False)
    """Whether the step has no time before the one above it is done."""

    def __post_init__(self) -> None:
        # Worked out once: they are asked for every person.
        said = [time for time in (self.at, self.not_after, self.until) if time is not None]
        object.__setattr__(self, "names", frozenset().union(*(time.names for time in said)))
        above = self.at is None or self.at.is_relative or (self.not_after is not None and self.not_after.is_relative)
        object.__setattr__(self, "counts_from_above", above)


@dataclass(frozen=True, slots=True)
class Script:
    """One campaign as the engine reads it."""

    campaign: Campaign
    sequence: Sequence
    audience: tuple[Expression, ...]
    exclude: tuple[Expression, ...]
    goal: Expression | None
    exits: tuple[Expression, ...]
    while_: Expression | None
    require: Expression | None
    whens: Mapping[str, Expression]
    waits: Mapping[str, Expression]
    arms: Mapping[str, tuple[Expression, ...]]
    times: Mapping[str, StepTimes]
    enters: TimeExpr | None
    leaves: TimeExpr | None
    ends: TimeExpr | None
    rules: Mapping[str, SendRules]
    """Mail step key -> days and hours."""
    expires: Duration
    rate: Rate | None
    reentry: Duration | None
    deadline_steps: tuple[str, ...]
    """Keys of the mail steps with `priority: deadline`."""

    @property
    def audience_moves_with_time(self) -> bool:
        """Somebody may qualify tomorrow though nothing about her changed."""
        return any(expression.depends_on_time for expression in (*self.audience, *self.exclude))

    @property
    def steps_on_her_dates(self) -> frozenset[str]:
        """The steps whose time hangs on a date field of the person: all of them, where `ends` does."""
        hanging = {key for key, times in self.times.items() if _on_her_dates(times.names)}
        return frozenset(self.times if self.ends is not None and _on_her_dates(self.ends.names) else hanging)

    @property
    def ending_moves_with_time(self) -> bool:
        """Goal, exit or `while` may turn though nothing about the person changed."""
        return any(
            expression.depends_on_time for expression in (self.goal, *self.exits, self.while_) if expression is not None
        )


def read_script(campaign: Campaign, content: ReleaseContent, campaigns: Mapping[str, tuple[str, ...]]) -> Script:
    """
    Read a campaign in its release: `content` names segments, fields and calendars, `campaigns` the step keys of all.

    Raises ExpressionError or TimeError where something does not parse.
    """
    names = time_names(content)
    plain = vocabulary(campaign, content, campaigns, in_enrollment=False)
    inside = vocabulary(campaign, content, campaigns, in_enrollment=True)
    steps = tuple(campaign.walk())

    def time(text: str | None) -> TimeExpr | None:
        return parse_time(text, names=names) if text is not None else None

    return Script(
        campaign=campaign,
        sequence=sequence(campaign),
        audience=tuple(parse(text, plain) for text in campaign.audience),
        exclude=tuple(parse(text, plain) for text in campaign.exclude),
        goal=parse(campaign.goal.when, inside) if campaign.goal else None,
        exits=tuple(parse(exit_.when, inside) for exit_ in campaign.exit),
        while_=parse(campaign.while_, inside) if campaign.while_ else None,
        require=parse(campaign.entry.require, plain) if campaign.entry.require else None,
        whens={step.key: parse(step.when, inside) for step in steps if step.when},
        waits={step.key: parse(step.action.wait_for, inside) for step in steps if isinstance(step.action, Wait)},
        arms={
            step.key: tuple(parse(arm.when, inside) for arm in step.action.arms)
            for step in steps
            if isinstance(step.action, Branch)
        },
        times={
            step.key: StepTimes(
                time(step.at),
                time(step.action.not_after) if isinstance(step.action, Mail) else None,
                time(step.action.until) if isinstance(step.action, Wait) else None,
            )
            for step in steps
        },
        enters=time(campaign.entry.from_),
        leaves=time(campaign.entry.to),
        ends=time(campaign.ends),
        rules={step.key: _rules(campaign, step) for step in steps if isinstance(step.action, Mail)},
        expires=parse_duration(campaign.send.expires),
        rate=parse_rate(campaign.send.rate) if campaign.send.rate else None,
        reentry=parse_duration(campaign.reentry) if campaign.reentry else None,
        deadline_steps=tuple(
            step.key for step in steps if isinstance(step.action, Mail) and step.action.priority == "deadline"
        ),
    )


def vocabulary(
    campaign: Campaign | None,
    content: ReleaseContent,
    campaigns: Mapping[str, tuple[str, ...]],
    *,
    in_enrollment: bool,
) -> Vocabulary:
    """The names that expressions of this campaign (None: of a segment or the command line) may use."""
    return Vocabulary(
        fields=content.fields,
        segments=content.segments,
        entities=frozenset(content.entities),
        topics=frozenset(content.topics),
        calendars=frozenset(content.calendars),
        steps=tuple(step.key for step in campaign.walk()) if campaign else (),
        was={step.key: step.was for step in campaign.walk() if step.was} if campaign else {},
        campaigns=dict(campaigns),
        in_window=campaign is not None and (campaign.entry.kind == "filing_window" or campaign.entry.per_window),
        in_enrollment=in_enrollment,
    )


def time_names(content: ReleaseContent) -> TimeNames:
    """The anchors that times of this release may name."""
    dates = [f"custom.{slug}" for slug, spec in content.fields.items() if spec.type == "date"]
    return TimeNames.of(calendar=content.calendars, person_dates=dates)


def _on_her_dates(names: frozenset[str]) -> bool:
    return any(name == "signed_up_at" or name.startswith("custom.") for name in names)


def _rules(campaign: Campaign, step: Step) -> SendRules:
    assert isinstance(step.action, Mail)
    own = step.action.send
    days = own.days if own and own.days else campaign.send.days
    hours = own.hours if own and own.hours else campaign.send.hours
    return SendRules(parse_days(days), parse_send_hours(hours))
