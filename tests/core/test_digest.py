"""Digests: equal values, equal digests."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfs_mail.core.campaign import Campaign, Entry, ReleaseContent
from rfs_mail.core.digest import digest
from rfs_mail.core.release import Draft, release_digest

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def _shuffled(value: object) -> object:
    if isinstance(value, dict):
        return {key: _shuffled(value[key]) for key in reversed(list(value))}
    return [_shuffled(item) for item in value] if isinstance(value, list) else value


@given(JSON)
def test_the_order_of_keys_does_not_matter(value: object) -> None:
    """The same mapping written in another order has the same digest; 64 hexadecimal digits."""
    assert digest(value) == digest(_shuffled(value))
    assert len(digest(value)) == 64


@given(JSON, JSON)
def test_other_values_have_other_digests(one: object, other: object) -> None:
    """Two values share a digest only if they are written alike."""
    assert (digest(one) == digest(other)) == (repr(_sorted(one)) == repr(_sorted(other)))


def _sorted(value: object) -> object:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def test_models_tuples_and_sets_are_read_by_what_they_hold() -> None:
    """A model equals its JSON, a tuple its list, a set its sorted items."""
    entry = Entry(kind="event", event="signup")
    assert digest(entry) == digest(entry.model_dump(mode="json"))
    assert digest(("a", "b")) == digest(["a", "b"])
    assert digest({"b", "a"}) == digest(["a", "b"])


@pytest.mark.parametrize(("value", "error"), [(object(), TypeError), ({1: 2}, TypeError), (math.nan, ValueError)])
def test_what_json_cannot_say_is_refused(value: object, error: type[Exception]) -> None:
    """Better no digest than one that depends on how Python prints."""
    with pytest.raises(error):
        digest(value)


def test_a_draft_changes_with_each_of_its_parts() -> None:
    """The digest covers definition, mails and context, and the release all drafts and the content."""
    campaign = Campaign(
        id="a", entity="rfs", topic="t", languages=("en",), entry=Entry(kind="event", event="signup"), steps=()
    )
    plain = Draft(campaign, {}, ReleaseContent())
    renamed = Draft(campaign.model_copy(update={"name": "A"}), {}, ReleaseContent())
    segment = Draft(campaign, {}, ReleaseContent(segments={"s": "endorsable"}))
    assert len({plain.digest, renamed.digest, segment.digest}) == 3
    content = ReleaseContent()
    digests = {release_digest(content, drafts) for drafts in ({}, {"a": plain}, {"a": renamed}, {"b": plain})}
    assert len(digests) == 4
