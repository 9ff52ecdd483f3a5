"""Addresses: one person, one key."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rfs_mail.core import person
from rfs_mail.core.person import (
    address_hash,
    identity_key,
    parse_address,
    role_account,
    suppression_form,
    typo_hint,
)
from rfs_mail.errors import AddressError

_LOCALS = st.from_regex(r"[A-Za-z0-9._+\-]{1,68}", fullmatch=True)
_LABELS = st.from_regex(r"[A-Za-z0-9\-]{1,12}", fullmatch=True) | st.sampled_from(
    ["xn--bcher-kva", "ab--cd", "a-", "-a", "a" * 63, "a" * 64, "local", "test", "example", "arpa", "a_b"]
)
_ENDINGS = st.sampled_from(
    ["com", "org", "test", "invalid", "local", "onion", "arpa", "c0m", "x", "xn--p1ai", "museum"]
)
_ADDRESSES = st.builds(
    lambda local, labels, ending: f"{local}@{'.'.join([*labels, ending])}",
    _LOCALS,
    st.lists(_LABELS, min_size=0, max_size=5),
    _ENDINGS,
)


@given(text=_ADDRESSES | st.emails() | st.text(max_size=40))
@example(text="POSTMASTER@example.org")
@example(text="InFo@example.org")
@example(text="a@" + ".".join(["b" * 60] * 5) + ".org")
@example(text="a" * 64 + "@" + ".".join(["b" * 60] * 3) + ".org")
@example(text="a@test")
@example(text="a@example.org\n")
def test_the_short_cut_agrees_with_the_library(text: str) -> None:
    """Whatever the plain pattern takes, email-validator takes with the same normal form."""
    match = person._PLAIN.fullmatch(text)
    if match is None:
        return
    try:
        expected = person._parse_carefully(text)
    except AddressError:
        expected = None
    try:
        actual = parse_address(text)
    except AddressError:
        actual = None
    assert expected == actual


@given(text=_ADDRESSES | st.emails())
def test_a_key_is_its_own_key(text: str) -> None:
    """Normalising a normal form changes nothing."""
    key = identity_key(text)
    if key is not None:
        assert key == identity_key(key)


@pytest.mark.parametrize(
    ("written", "key", "mailbox"),
    [
        ("Maya.Okafor@Example.ORG", "maya.okafor@example.org", "Maya.Okafor@example.org"),
        ("  maya@example.org\u00a0\u200b", "maya@example.org", "maya@example.org"),
        ("mailto:maya@example.org", "maya@example.org", "maya@example.org"),
        ("zoe\u0308@example.org", "zoë@example.org", "zoë@example.org"),
        ("maya@bücher.example", "maya@xn--bcher-kva.example", "maya@xn--bcher-kva.example"),
        ("maya@raised.test", "maya@raised.test", "maya@raised.test"),
    ],
)
def test_an_address_has_a_key_and_a_mailbox(written: str, key: str, mailbox: str) -> None:
    """The key is folded, the mailbox keeps the local part as typed, and sample domains are taken."""
    address = parse_address(written)
    assert (key, mailbox) == (address.key, address.mailbox)


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("maya at example.org", "invalid"),
        ("maya@localhost", "invalid"),
        ("maya@test", "invalid"),
        ("maya@printer.local", "invalid"),
        ("maya@[192.0.2.1]", "invalid"),
        ('"maya okafor"@example.org', "invalid"),
        ("Maya <maya@example.org>", "invalid"),
        ("maya@example.org, tom@example.org", "invalid"),
        ("maya@example.org\r\nBcc: x@example.org", "invalid"),
        ("ma\u200bya@example.org", "invalid"),
        ("=?utf-8?q?a?=@example.org", "encoded_word"),
        ("a" * 65 + "@example.org", "invalid"),
        ("x" * 10_000_000, "too_long"),
    ],
)
def test_what_cannot_be_mailed_is_refused(written: str, reason: str) -> None:
    """Refusals carry a stable reason."""
    with pytest.raises(AddressError) as refused:
        parse_address(written)
    assert refused.value.reason == reason


@pytest.mark.parametrize(
    ("key", "form"),
    [
        ("m.a.y.a+news@gmail.com", "maya@gmail.com"),
        ("maya@googlemail.com", "maya@gmail.com"),
        ("maya+news@outlook.com", "maya@outlook.com"),
        ("maya.o@outlook.com", "maya.o@outlook.com"),
        ("maya+news@example.org", "maya+news@example.org"),
        ("+x@gmail.com", "+x@gmail.com"),
    ],
)
def test_a_suppression_covers_the_spellings_of_one_mailbox(key: str, form: str) -> None:
    """Dots and plus fold where the provider is known to ignore them, and nowhere else."""
    assert form == suppression_form(key)


def test_the_hash_of_an_address_needs_its_key() -> None:
    """Two secrets give two hashes, spellings of one mailbox the same one, and no secret none."""
    first = address_hash(b"a" * 32, "maya@gmail.com")
    assert first == address_hash(b"a" * 32, "m.aya+x@googlemail.com")
    assert first != address_hash(b"b" * 32, "maya@gmail.com")
    assert len(first) == 16
    with pytest.raises(ValueError, match="suppression key is empty"):
        address_hash(b"", "maya@gmail.com")


@pytest.mark.parametrize(
    ("local", "expected"),
    [("abuse", "never"), ("postmaster", "never"), ("mailer-daemon", "never"), ("info", "role"), ("maya", None)],
)
def test_offices_are_told_from_people(local: str, expected: str | None) -> None:
    """RFC 2142 mailboxes are known; three of them never sign up."""
    assert expected == role_account(local)


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        ("gmial.com", "gmail.com"),
        ("gmail.con", "gmail.com"),
        ("gmial.con", "gmail.com"),
        ("example.ogr", "example.org"),
        ("gmail.com", None),
        ("example.org", None),
    ],
)
def test_typos_are_hints(domain: str, expected: str | None) -> None:
    """A domain that looks mistyped gets the one that was probably meant."""
    assert expected == typo_hint(domain)
