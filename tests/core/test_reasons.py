"""Every reason there is has a sentence, and every sentence its values."""

from string import Formatter

import pytest

from rfs_mail.core.reasons import WORDINGS, Reason, remedy, sentence


def test_every_reason_has_a_sentence() -> None:
    """The list is closed on both sides."""
    assert set(WORDINGS) == set(Reason)
    assert all(wording.sentence for wording in WORDINGS.values())


@pytest.mark.parametrize("reason", Reason)
def test_a_sentence_is_one_that_can_follow_a_colon(reason: Reason) -> None:
    """No capital at its start, no full stop at its end: `why: capped ..`."""
    said = WORDINGS[reason].sentence
    assert said[0] in "`{" or said[0].islower()
    assert not said.endswith(".")


@pytest.mark.parametrize("reason", Reason)
def test_values_are_filled_in(reason: Reason) -> None:
    """Each placeholder by its name, nothing left over."""
    wording = WORDINGS[reason]
    names = {name for _, name, _, _ in Formatter().parse(wording.sentence + wording.remedy) if name}
    said = sentence(reason, {name: f"<{name}>" for name in names}) + remedy(
        reason, {name: f"<{name}>" for name in names}
    )
    assert all(f"<{name}>" in said for name in names)
    assert "?" not in said


def test_what_is_not_known_is_a_question_mark() -> None:
    """A row of an older version, or a hand in the database: never an exception."""
    assert sentence(Reason.REJECTED) == "the receiving side refused it: ? ?"
    assert sentence("topic_left", {"topic": "running"}) == 'left the topic "running"'


def test_one_mail_is_not_one_mails() -> None:
    """Counts read as people say them."""
    said = [sentence(Reason.HELD_CAP, {"count": count, "span": "today", "cap": "1 a day"}) for count in (1, 2)]
    assert said == [
        "capped: she had 1 mail today (the cap is 1 a day)", "capped: she had 2 mails today (the cap is 1 a day)",
    ]  # fmt: skip


def test_a_value_with_braces_stays_as_it_is() -> None:
    """Replies and templates are full of them."""
    assert sentence(Reason.RENDER_FAILED, {"error": "{{ given_name }} {0}"}) == (
        "the template failed: {{ given_name }} {0}"
    )
