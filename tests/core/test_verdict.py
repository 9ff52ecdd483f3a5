"""What a reply means, and whom it is about."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfs_mail.core.verdict import (
    Accepted,
    BounceClass,
    Deferred,
    Phase,
    Rejected,
    Scope,
    Uncertain,
    connection_failed,
    enhanced_status,
    from_reply,
    goes_on,
    printable,
    refused_here,
    relay_refused,
)

HARD, INACTIVE, QUOTA = BounceClass.HARD, BounceClass.INACTIVE, BounceClass.QUOTA
POLICY, CONTENT, TRANSIENT = BounceClass.POLICY, BounceClass.CONTENT, BounceClass.TRANSIENT


@given(st.sampled_from(list(Phase)), st.integers(-1, 999), st.text(max_size=80))
def test_every_reply_has_a_verdict(phase: Phase, code: int, text: str) -> None:
    """Any code in any phase either lets the conversation go on or is a verdict that keeps the code."""
    if goes_on(phase, code):
        with pytest.raises(ValueError, match="not the end"):
            from_reply(phase, code, text)
        return
    verdict = from_reply(phase, code, text)

    assert code == verdict.code
    assert isinstance(verdict, Accepted) == (phase is Phase.DOT and 200 <= code < 300)
    assert not isinstance(verdict, Uncertain) or phase is Phase.DOT
    if isinstance(verdict, Rejected):
        assert 500 <= code < 600
        assert not (verdict.hard and verdict.scope is not Scope.RECIPIENT)
        assert verdict.requeue_without_attempt == (verdict.scope is Scope.SENDER)


@pytest.mark.parametrize("phase", list(Phase))
def test_421_is_the_connections(phase: Phase) -> None:
    """421 closes the connection, in any phase: the mail goes back without blame."""
    verdict = from_reply(phase, 421, "4.3.2 shutting down")

    assert Deferred(421, "4.3.2", "4.3.2 shutting down", phase, Scope.CONNECTION) == verdict
    assert verdict.requeue_without_attempt


@pytest.mark.parametrize("phase", [Phase.CONNECT, Phase.EHLO, Phase.STARTTLS, Phase.AUTH, Phase.MAIL])
@pytest.mark.parametrize("code", [500, 530, 535, 550, 554])
def test_5xx_before_the_recipient_is_about_us(phase: Phase, code: int) -> None:
    """A refusal before any recipient was named never blames a person, even if it says that a user is unknown."""
    verdict = from_reply(phase, code, "5.1.1 user unknown")

    assert isinstance(verdict, Rejected)
    assert (verdict.scope, verdict.bounce, verdict.hard) == (Scope.SENDER, POLICY, False)


@pytest.mark.parametrize("phase", [Phase.RCPT, Phase.DATA, Phase.DOT])
@pytest.mark.parametrize("code", [530, 535])
def test_a_missing_login_is_about_us_in_any_phase(phase: Phase, code: int) -> None:
    """530 and 535 are a matter of our settings, wherever they come."""
    verdict = from_reply(phase, code, "5.7.0 authentication required")

    assert isinstance(verdict, Rejected)
    assert Scope.SENDER is verdict.scope


@pytest.mark.parametrize(
    ("code", "text", "scope", "bounce"),
    [
        (550, "5.1.1 The email account that you tried to reach does not exist.", Scope.RECIPIENT, HARD),
        (550, "5.1.1 <x@example.org>: Recipient address rejected: User unknown", Scope.RECIPIENT, HARD),
        (553, "5.1.3 bad address syntax", Scope.RECIPIENT, HARD),
        (556, "5.1.10 domain does not accept mail", Scope.RECIPIENT, HARD),
        (550, "No such user here", Scope.RECIPIENT, HARD),
        (550, "Unknown user", Scope.RECIPIENT, HARD),
        (550, "x@example.org: user unknown", Scope.RECIPIENT, HARD),
        (550, "5.1.1 rejected, your address is listed by Spamhaus", Scope.RECIPIENT, POLICY),
        (550, "5.7.1 message refused by policy", Scope.RECIPIENT, POLICY),
        (550, "5.7.26 unauthenticated mail is not accepted", Scope.RECIPIENT, POLICY),
        (550, "5.7.515 Access denied, sending domain does not meet the required authentication level", None, POLICY),
        (550, "blocked using zen", Scope.RECIPIENT, POLICY),
        (554, "5.7.1 Client host [192.0.2.1] blocked using zen.spamhaus.org", Scope.SENDER, POLICY),
        (554, "5.7.1 <maria@example.org>: Relay access denied", Scope.SENDER, POLICY),
        (550, "relaying denied", Scope.SENDER, POLICY),
        (550, "5.7.1 Sender address rejected: not owned by user", Scope.SENDER, POLICY),
        (553, "sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)", Scope.SENDER, POLICY),
        (550, "5.2.1 The email account is disabled", Scope.RECIPIENT, INACTIVE),
        (550, "Requested action not taken: mailbox unavailable", Scope.RECIPIENT, INACTIVE),
        (550, "5.4.1 Recipient address rejected: Access denied", Scope.RECIPIENT, INACTIVE),
        (550, "5.0.0 no", Scope.RECIPIENT, INACTIVE),
        (550, "no", Scope.RECIPIENT, INACTIVE),
        (552, "5.2.2 mailbox full", Scope.RECIPIENT, QUOTA),
        (552, "Requested mail action aborted: exceeded storage allocation", Scope.RECIPIENT, QUOTA),
        (550, "5.4.6 routing loop", Scope.RECIPIENT, TRANSIENT),
        (554, "transaction failed", Scope.RECIPIENT, TRANSIENT),
        (550, "5.1.8 your domain does not exist", Scope.RECIPIENT, POLICY),
    ],
)
def test_refused_recipients(code: int, text: str, scope: Scope | None, bounce: BounceClass) -> None:
    """5xx to RCPT: hard only where the address is dead, never where the reply is about our reputation or set-up."""
    verdict = from_reply(Phase.RCPT, code, text)

    assert isinstance(verdict, Rejected)
    assert (scope or Scope.RECIPIENT, bounce) == (verdict.scope, verdict.bounce)
    assert (bounce is HARD) == verdict.hard


@pytest.mark.parametrize(
    ("code", "text", "scope", "bounce"),
    [
        (554, "5.7.1 spam", Scope.CONTENT, POLICY),
        (552, "5.3.4 too big", Scope.CONTENT, CONTENT),
        (550, "5.6.0 no", Scope.CONTENT, CONTENT),
        (554, "virus", Scope.CONTENT, CONTENT),
        (554, "delivery error: dd This user doesn't have a yahoo.example account", Scope.RECIPIENT, HARD),
        (550, "5.1.1 unknown", Scope.RECIPIENT, HARD),
        (552, "5.2.2 full", Scope.RECIPIENT, QUOTA),
    ],
)
def test_refused_messages(code: int, text: str, scope: Scope, bounce: BounceClass) -> None:
    """5xx to DATA or the dot is about the message, unless it says that it is about the mailbox."""
    for phase in (Phase.DATA, Phase.DOT):
        verdict = from_reply(phase, code, text)

        assert isinstance(verdict, Rejected)
        assert (scope, bounce) == (verdict.scope, verdict.bounce)


@pytest.mark.parametrize(
    ("phase", "code", "text", "scope", "bounce"),
    [
        (Phase.CONNECT, 450, "busy", Scope.SENDER, TRANSIENT),
        (Phase.AUTH, 454, "4.7.0 temporary failure", Scope.SENDER, TRANSIENT),
        (Phase.MAIL, 451, "4.3.0 busy", Scope.SENDER, TRANSIENT),
        (Phase.MAIL, 452, "4.3.1 insufficient system storage", Scope.SENDER, TRANSIENT),
        (Phase.RCPT, 450, "4.7.1 greylisted, try again later", Scope.RECIPIENT, TRANSIENT),
        (Phase.RCPT, 452, "4.2.2 over quota", Scope.RECIPIENT, QUOTA),
        (Phase.RCPT, 452, "mailbox full", Scope.RECIPIENT, QUOTA),
        (Phase.RCPT, 452, "4.3.1 insufficient system storage", Scope.RECIPIENT, TRANSIENT),
        (Phase.RCPT, 451, "4.7.650 rate limited", Scope.RECIPIENT, POLICY),
        (Phase.DOT, 451, "4.7.28 unusual rate", Scope.CONTENT, POLICY),
        (Phase.DOT, 451, "4.3.0 later", Scope.CONTENT, TRANSIENT),
        (Phase.DOT, 452, "4.2.2 full", Scope.RECIPIENT, QUOTA),
    ],
)
def test_deferrals(phase: Phase, code: int, text: str, scope: Scope, bounce: BounceClass) -> None:
    """4xx is tried again; before RCPT it is the relay that is busy, and the attempt does not count."""
    verdict = from_reply(phase, code, text)

    assert isinstance(verdict, Deferred)
    assert (scope, bounce) == (verdict.scope, verdict.bounce)
    assert (scope is Scope.SENDER) == verdict.requeue_without_attempt


@pytest.mark.parametrize("code", [-1, 100, 354, 600, 999])
def test_a_senseless_answer(code: int) -> None:
    """Nonsense before the dot breaks the connection; after it, nobody knows whether the mail was taken."""
    assert isinstance(from_reply(Phase.DOT, code, "what"), Uncertain)
    if code != 354:
        assert Scope.CONNECTION is getattr(from_reply(Phase.RCPT, code, "what"), "scope", None)
    assert Scope.CONNECTION is getattr(from_reply(Phase.DATA, 250, "what"), "scope", None)


@pytest.mark.parametrize(
    ("code", "text", "status"),
    [
        (550, "5.1.1 no", "5.1.1"),
        (550, " 5.01.001 no", "5.1.1"),
        (550, "sorry (#5.7.1)", "5.7.1"),
        (550, "5.1.1.2 is my address", ""),
        (550, "host 5.1.1 said", ""),
        (450, "5.1.1 no", ""),
        (250, "2.0.0 ok", "2.0.0"),
        (550, "5.7.515 no", "5.7.515"),
        (550, "", ""),
    ],
)
def test_enhanced_status(code: int, text: str, status: str) -> None:
    """The status stands first or after a #, has the class of the code, and is no IP address."""
    assert status == enhanced_status(code, text)


@given(st.text(max_size=3000))
def test_replies_are_printable_and_bounded(text: str) -> None:
    """Whatever a relay says is kept as one printable line of at most 500 characters."""
    kept = printable(text)

    assert kept.isprintable()
    assert len(kept) <= 500


def test_verdicts_without_a_reply() -> None:
    """What we find out ourselves is never hard, and says whose it is."""
    assert Scope.CONNECTION is connection_failed(Phase.RCPT, "broke").scope
    assert (
        relay_refused(Phase.STARTTLS, "no").scope,
        relay_refused(Phase.STARTTLS, "no").requeue_without_attempt,
    ) == (Scope.SENDER, True)
    assert (
        refused_here(Scope.RECIPIENT, "no").scope,
        refused_here(Scope.RECIPIENT, "no").hard,
        refused_here(Scope.RECIPIENT, "no").requeue_without_attempt,
    ) == (Scope.RECIPIENT, False, False)
