"""Links and return addresses that only we can make."""

import re
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfs_mail.core import tokens
from rfs_mail.core.headers import is_address
from rfs_mail.core.tokens import Keys, Kind
from rfs_mail.errors import TokenError

OLD = (1, b"an old secret of 32 octets ......")
NEW = (2, b"the new secret of 32 octets .....")
KEYS = Keys(2, (OLD, NEW))
IDS = st.integers(1, 2**63 - 1)


@given(st.sampled_from(list(Kind)), IDS)
def test_a_link_token_reads_back(kind: Kind, delivery_id: int) -> None:
    """Every kind of token reads back as its delivery, also in upper case, and holds lower-case letters and digits."""
    token = tokens.make(kind, delivery_id, KEYS)

    assert delivery_id == tokens.read(kind, token, KEYS) == tokens.read(kind, token.upper(), KEYS)
    assert re.fullmatch("[a-z2-7]{1,31}", token)


@given(IDS)
def test_a_mail_address_reads_back(delivery_id: int) -> None:
    """A return path, an unsubscribe address and a Message-ID survive folded case, and fit into a local part."""
    for make, read in (
        (tokens.make_return_path, tokens.read_return_path),
        (tokens.make_unsubscribe_address, tokens.read_unsubscribe_address),
        (tokens.make_message_id, tokens.read_message_id),
    ):
        address = make(delivery_id, KEYS, "bounce.example.org")

        assert is_address(address)
        assert delivery_id == read(address, KEYS)
        assert delivery_id == read(f"<{address.upper()}>", KEYS)
        assert delivery_id == read(address.partition("@")[0], KEYS)


def test_a_link_is_short() -> None:
    """With four thousand million deliveries a one-click link stays well under 75 octets, and holds no address."""
    assert len(f"https://m.example.org/u/{tokens.make('u', 2**32 - 1, KEYS)}") == 48


def test_the_same_delivery_has_the_same_token() -> None:
    """Tokens do not depend on the moment, so that a message can be built again; each kind has its own."""
    made = [tokens.make(kind, 7, KEYS) for kind in Kind]

    assert made == [tokens.make(kind, 7, KEYS) for kind in Kind]
    assert len(Kind) == len(set(made))


@pytest.mark.parametrize(("kind", "other"), [pair for pair in product(Kind, Kind) if pair[0] != pair[1]])
def test_a_token_of_one_kind_is_no_other(kind: Kind, other: Kind) -> None:
    """A token to view a mail cannot unsubscribe, nor any other way round."""
    with pytest.raises(TokenError):
        tokens.read(other, tokens.make(kind, 7, KEYS), KEYS)


def test_an_address_is_no_link_and_no_other_address() -> None:
    """The shorter seal of a mail address opens nothing else."""
    bounce = tokens.make_return_path(7, KEYS, "x.example.org")
    unsubscribe = tokens.make_unsubscribe_address(7, KEYS, "x.example.org")

    for wrong in (bounce.replace("b-", "u-", 1), "u-" + tokens.make("u", 7, KEYS)):
        with pytest.raises(TokenError):
            tokens.read_unsubscribe_address(wrong, KEYS)
    for wrong in (unsubscribe, unsubscribe.replace("u-", "b-", 1), "bounces@x.example.org", ""):
        with pytest.raises(TokenError):
            tokens.read_return_path(wrong, KEYS)
    with pytest.raises(TokenError):
        tokens.read_message_id(bounce.replace("b-", "m-", 1), KEYS)
    for kind in Kind:
        with pytest.raises(TokenError):
            tokens.read(kind, unsubscribe[2:].partition("@")[0], KEYS)


def test_old_keys_still_verify() -> None:
    """Tokens never expire: what an older key sealed is read after the change, and what an unknown one sealed is not."""
    old = tokens.make("u", 7, Keys(1, (OLD,)))

    assert tokens.read("u", old, KEYS) == 7
    assert old != tokens.make("u", 7, KEYS)
    with pytest.raises(TokenError):
        tokens.read("u", old, Keys(2, (NEW,)))
    with pytest.raises(TokenError):
        tokens.read("u", old, Keys(1, ((1, NEW[1]),)))


@given(IDS, st.data())
def test_one_changed_letter_is_found(delivery_id: int, data: st.DataObject) -> None:
    """Every single letter of a token counts, the last one too."""
    token = tokens.make("u", delivery_id, KEYS)
    place = data.draw(st.integers(0, len(token) - 1))
    letter = data.draw(
        st.sampled_from([letter for letter in "abcdefghijklmnopqrstuvwxyz234567" if letter != token[place]])
    )

    with pytest.raises(TokenError):
        tokens.read("u", token[:place] + letter + token[place + 1 :], KEYS)


@given(st.text(max_size=60))
def test_noise_is_no_token(noise: str) -> None:
    """Anything else is refused with one error, and nothing else is raised."""
    with pytest.raises(TokenError):
        tokens.read("u", noise, KEYS)
    with pytest.raises(TokenError):
        tokens.read_return_path(f"b-{noise}@bounce.example.org", KEYS)


@pytest.mark.parametrize("cut", [0, 1, 10, 22, 23])
def test_a_token_that_was_cut_is_refused(cut: int) -> None:
    """A link that a mail program broke is damaged, not somebody else's."""
    with pytest.raises(TokenError):
        tokens.read("u", tokens.make("u", 2**32 - 1, KEYS)[:cut], KEYS)


@pytest.mark.parametrize("delivery_id", [0, -1, 2**63])
def test_an_id_that_no_row_has(delivery_id: int) -> None:
    """Only ids of stored deliveries are sealed."""
    with pytest.raises(TokenError):
        tokens.make("u", delivery_id, KEYS)


@pytest.mark.parametrize(
    ("current", "secrets"),
    [(3, (OLD, NEW)), (1, (OLD, OLD)), (1, ((1, b"short"),)), (256, ((256, b"x" * 32),)), (1, ())],
)
def test_keys_that_do_not_fit(current: int, secrets: tuple[tuple[int, bytes], ...]) -> None:
    """Keys without the current one, a number twice, a short secret or a large number are refused."""
    with pytest.raises(TokenError):
        Keys(current, secrets)


def test_secrets_are_not_shown() -> None:
    """The representation of keys holds no secret."""
    assert "secret" not in repr(KEYS)


def test_keys_of_two_purposes_differ() -> None:
    """One secret gives a different key of 32 octets for every purpose, always the same one."""
    keys = {tokens.digest_key(secret, purpose) for secret in (b"x" * 32, b"y" * 32) for purpose in ("a", "b", "")}

    assert len(keys) == 6
    assert {32} == {len(key) for key in keys}
    assert tokens.digest_key(b"x" * 32, "a") in keys
