"""
Why something was not sent, not yet sent, or not entered: a closed list, each with a sentence and a remedy.

A reason is stored as its word, with the values it was decided on beside it (`detail`). The sentence is made here and
nowhere else, so that the log, `explain`, the pages and the demo say the same thing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Reason(StrEnum):
    """Every reason there is."""

    # never: the delivery ends
    SUPPRESSED = "suppressed"
    UNSUBSCRIBED = "unsubscribed"
    TOPIC_LEFT = "topic_left"
    NO_CONSENT = "no_consent"
    STOPPED = "stopped"
    ERASED = "erased"
    GOAL_REACHED = "goal_reached"
    EXITED = "exited"
    WHILE_ENDED = "while_ended"
    NOT_WANTED = "not_wanted"
    CLOSES_TOGETHER = "closes_together"
    ENDED = "ended"
    TOO_LATE = "too_late"
    CAPPED = "capped"
    CAMPAIGN_REMOVED = "campaign_removed"
    STEP_REMOVED = "step_removed"
    WINDOW_MOVED = "window_moved"
    NOT_ONLY_TO = "not_only_to"
    RENDER_FAILED = "render_failed"
    MESSAGE_REFUSED = "message_refused"
    POISON = "poison"
    REJECTED = "rejected"
    GAVE_UP = "gave_up"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    STAFF = "staff"

    # not yet: the delivery is held
    HELD_HOURS = "held_hours"
    HELD_CAP = "held_cap"
    HELD_PAUSED_CAMPAIGN = "held_paused_campaign"
    HELD_PAUSED_PERSON = "held_paused_person"
    HELD_MORE_URGENT = "held_more_urgent"
    HELD_FACTS = "held_facts"
    HELD_WINDOW = "held_window"
    HELD_DOUBT = "held_doubt"
    HELD_OPERATOR = "held_operator"
    HELD_WARM_UP = "held_warm_up"
    DEFERRED = "deferred"
    RELAY = "relay"

    # nobody knows
    SILENCE = "silence"
    HOLDER_DIED = "holder_died"

    # a step that made no delivery
    WHEN_FALSE = "when_false"
    NO_ANCHOR = "no_anchor"
    NO_CLOSING_TIME = "no_closing_time"
    MISSED = "missed"

    # never entered
    AUDIENCE = "audience"
    EXCLUDED = "excluded"
    BEFORE_FIRST_APPLY = "before_first_apply"
    ALREADY_ENROLLED = "already_enrolled"
    NOT_STARTED = "not_started"
    OVER = "over"
    HOLDOUT = "holdout"
    LATE = "late"
    NOT_APPLIED = "not_applied"
    NEEDS_WINDOW = "needs_window"


DATE_UNKNOWN: Final = frozenset({Reason.NO_ANCHOR, Reason.NO_CLOSING_TIME})
"""A step was passed because nobody knew its date, or the hour that it counts from."""


@dataclass(frozen=True, slots=True)
class Wording:
    """A sentence with `{placeholders}` for the detail, and what to do about it (empty: nothing to do)."""

    sentence: str
    remedy: str = ""


WORDINGS: dict[Reason, Wording] = {
    Reason.SUPPRESSED: Wording(
        "the address is suppressed ({because}{since})", "`suppressions list` shows it; only staff lift a bounce."
    ),
    Reason.UNSUBSCRIBED: Wording("unsubscribed from {entity}{since}", "Only a fresh opt-in by the person lifts this."),
    Reason.TOPIC_LEFT: Wording(
        'left the topic "{topic}"{since}', "The person can take it back on the preferences page."
    ),
    Reason.NO_CONSENT: Wording(
        "no consent for {entity} is recorded", "Import a row with --consent, or let the person opt in."
    ),
    Reason.STOPPED: Wording("staff stopped all mail: {because}", "`people restart EMAIL` lifts it."),
    Reason.ERASED: Wording("the person was erased"),
    Reason.GOAL_REACHED: Wording("the goal was reached: {expression}"),
    Reason.EXITED: Wording("an exit condition held: {expression}"),
    Reason.WHILE_ENDED: Wording("the `while` condition turned false: {expression}"),
    Reason.NOT_WANTED: Wording(
        "nothing she wants to run for means the filing window {window} any more",
        "Nothing to do: once she says that she wants it again, the countdown goes on at the next step ahead.",
    ),
    Reason.CLOSES_TOGETHER: Wording(
        "its filing window closes together with {window} by now, and her countdown to that one speaks of both",
        "Nothing to do: where the two part again, or that one is over for her, this countdown goes on.",
    ),
    Reason.ENDED: Wording("the campaign had ended for this enrollment ({at})"),
    Reason.TOO_LATE: Wording(
        "too late: it had to go by {not_after}",
        "Look at `status` for what held it up; a later `not_after` gives it room.",
    ),
    Reason.CAPPED: Wording(
        "capped: she had {mails} {span} (the cap is {cap}), and it would be too late by {fits_at}",
        "Raise [caps], or set `cap: exempt` or `priority: deadline` on the step.",
    ),
    Reason.CAMPAIGN_REMOVED: Wording("the campaign was removed from the release"),
    Reason.STEP_REMOVED: Wording("the step is gone from the campaign"),
    Reason.WINDOW_MOVED: Wording("the filing window moved (version {old} to {new})"),
    Reason.NOT_ONLY_TO: Wording(
        "`only_to` lets mail go to {only_to} alone", "Empty `only_to` in rfs-mail.toml to mail everyone."
    ),
    Reason.RENDER_FAILED: Wording(
        "the template failed: {error}", "Mend the template, `apply`, then `deliveries resolve ID --resend`."
    ),
    Reason.MESSAGE_REFUSED: Wording(
        "the message was refused before sending: {error}", "Mend what it names, then `apply`."
    ),
    Reason.POISON: Wording("the process died {times} times on this mail", "Look at it with `deliveries show ID`."),
    Reason.REJECTED: Wording("the receiving side refused it: {code} {reply}"),
    Reason.GAVE_UP: Wording("it was deferred for {hours} hours: {code} {reply}"),
    Reason.BOUNCED: Wording("it came back: {reply}"),
    Reason.COMPLAINED: Wording("the person reported it as spam"),
    Reason.STAFF: Wording("staff decided: {because}"),
    Reason.HELD_HOURS: Wording(
        "outside sending hours ({hours}, {days}) on the person's clock", "goes {until} by itself"
    ),
    Reason.HELD_CAP: Wording(
        "capped: she had {mails} {span} (the cap is {cap})", "goes {until} if nothing else is sent first"
    ),
    Reason.HELD_PAUSED_CAMPAIGN: Wording("the campaign is paused by {by}: {because}", "`campaigns resume {campaign}`"),
    Reason.HELD_PAUSED_PERSON: Wording("the person asked for a pause until {until}"),
    Reason.HELD_MORE_URGENT: Wording(
        "a deadline mail to the same person goes first ({campaign} {step})", "goes {until}"
    ),
    Reason.HELD_FACTS: Wording("something about the person just changed and is looked at first"),
    Reason.HELD_WINDOW: Wording("the filing window moved and the plan is being redone"),
    Reason.HELD_DOUBT: Wording(
        "nobody may trust the dates of {window} ({confidence})",
        "Find out, correct its row, and `windows import` it; it goes then, if it is not too late.",
    ),
    Reason.HELD_OPERATOR: Wording(
        "{operator} takes no more mail from us at present: {because}",
        "goes by itself, {until} at the latest unless {operator} wants less; `relays status` shows how fast it goes",
    ),
    Reason.HELD_WARM_UP: Wording(
        "{domain} is warming up at {operator}: day {day} allows {cap} mails, and they are used",
        "goes {until} or later, deadline mail first; `relays status` shows the ramp",
    ),
    Reason.DEFERRED: Wording("the receiving side said try later: {code} {reply}", "is tried again {until}"),
    Reason.RELAY: Wording(
        "the relay could not take it: {code} {reply}", "is tried again {until}; `status` shows the relay"
    ),
    Reason.SILENCE: Wording(
        "the relay went silent after the whole mail was handed over: nobody knows whether it arrived",
        "`deliveries resolve ID --sent` or `--resend`.",
    ),
    Reason.HOLDER_DIED: Wording(
        "the sending process died while the mail was on its way: nobody knows whether it arrived",
        "`deliveries resolve ID --sent` or `--resend`.",
    ),
    Reason.WHEN_FALSE: Wording("its `when` was false: {expression}"),
    Reason.NO_ANCHOR: Wording(
        "{anchor} is not known",
        "Add the date to data/calendar.yaml and `apply`, to the window's row and `windows import`, or to the person.",
    ),
    Reason.NO_CLOSING_TIME: Wording("{anchor} has no closing hour, and the step counts in hours"),
    Reason.MISSED: Wording("its time ({at}) was over when the person got there"),
    Reason.AUDIENCE: Wording("the audience does not hold: {expression}"),
    Reason.EXCLUDED: Wording("excluded: {expression}"),
    Reason.BEFORE_FIRST_APPLY: Wording(
        "it happened {at}, before the campaign was first applied ({applied})",
        "`entry: {{existing: all}}` takes them in.",
    ),
    Reason.ALREADY_ENROLLED: Wording("was in this campaign already ({at}), and it does not repeat"),
    Reason.NOT_STARTED: Wording("nothing started it: {what}"),
    Reason.OVER: Wording("every step would have been over"),
    Reason.HOLDOUT: Wording("in the holdout group ({share}), kept out on purpose"),
    Reason.LATE: Wording("came too late to join, and the campaign says `late: skip`"),
    Reason.NOT_APPLIED: Wording("the campaign was never applied", "Run `rfs-mail apply`."),
    Reason.NEEDS_WINDOW: Wording("no filing window of hers is known: {what}", "{do}"),
}


class _Gaps(dict[str, object]):
    def __missing__(self, key: str) -> str:
        return "?"


def sentence(reason: Reason | str, detail: Mapping[str, object] | None = None) -> str:
    """The sentence of a reason with its values filled in; a value that is not known reads `?`."""
    wording = WORDINGS[Reason(reason)]
    return wording.sentence.format_map(_filled(detail))


def remedy(reason: Reason | str, detail: Mapping[str, object] | None = None) -> str:
    """What to do about it; empty where there is nothing to do."""
    return WORDINGS[Reason(reason)].remedy.format_map(_filled(detail))


def _filled(detail: Mapping[str, object] | None) -> _Gaps:
    values = _Gaps(detail or {})
    values.setdefault("since", "")
    if "count" in values:
        values.setdefault("mails", "1 mail" if values["count"] == 1 else f"{values['count']} mails")
    return values
