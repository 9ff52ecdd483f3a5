"""DKIM: an independent verifier takes what we sign, and nothing that was changed; the RFC's own example comes out."""

import base64
import pickle
import re
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from dkim.canonicalization import Relaxed, Simple
from hypothesis import given, settings
from hypothesis import strategies as st

from rfs_mail.core.dkim import (
    CANONICALIZATIONS,
    RELAXED_RELAXED,
    RELAXED_SIMPLE,
    Algorithm,
    Signer,
    Signers,
    compare,
    load_signer,
    record,
    record_line,
    relaxed_body,
    relaxed_header,
    sign,
    simple_body,
    stamp,
)
from rfs_mail.core.headers import clean_text
from rfs_mail.core.message import build
from rfs_mail.errors import MessageError, SettingsError
from tests.core.test_headers import HOSTILE
from tests.core.test_message import BODY, DATE, NAMES, parts, template
from tests.dkim_keys import DOMAIN, both, ed25519_pem, ed25519_signer, rsa_pem, rsa_signer, verified

NOW = DATE.replace(microsecond=250_000)
PLAIN = build(parts(), template())

# -- the RFC's own example ---------------------------------------------------------------------------------------------

RFC_8463_KEY = base64.b64decode("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=")
RFC_8463_HEADER = (
    b"From: Joe SixPack <joe@football.example.com>\r\n"
    b"To: Suzie Q <suzie@shopping.example.net>\r\n"
    b"Subject: Is dinner ready?\r\n"
    b"Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n"
    b"Message-ID: <20030712040037.46341.5F8J@football.example.com>"
)
RFC_8463_BODY = b"Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n\r\n"
RFC_8463_SIGNATURE = (
    b"DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n"
    b" d=football.example.com; i=@football.example.com;\r\n"
    b" q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n"
    b" subject : date : message-id : from : subject : date;\r\n"
    b" bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
    b" b="
)


def rfc_8463_signer() -> Signer:
    pem = Ed25519PrivateKey.from_private_bytes(RFC_8463_KEY).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    return load_signer(
        pem, domain="football.example.com", selector="brisbane", algorithm=Algorithm.ED25519, name="brisbane.pem",
        canonicalization=RELAXED_RELAXED,
    )  # fmt: skip


def test_the_example_of_rfc_8463() -> None:
    """Body hash, signature and record of RFC 8463 appendix A come out to the letter: Ed25519 is deterministic."""
    signer = rfc_8463_signer()
    body_hash = base64.b64encode(sha256(relaxed_body(RFC_8463_BODY)).digest())
    names, fields = relaxed_header(RFC_8463_HEADER + b"\r\n" + RFC_8463_SIGNATURE)
    covered = [fields[names.index(name)] for name in (b"from", b"to", b"subject", b"date", b"message-id")]
    octets = b"".join(covered) + fields[-1].removesuffix(b"\r\n")

    assert body_hash == b"2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8="
    assert base64.b64encode(signer.sign_octets(octets)) == (
        b"/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11BusFa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw=="
    )
    assert record(signer) == "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
    assert signer.record_name == "brisbane._domainkey.football.example.com"


# -- what we sign holds ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("canonicalization", CANONICALIZATIONS)
def test_both_signatures_hold(canonicalization: str) -> None:
    """An independent verifier takes the RSA signature, which stands first, and the Ed25519 signature below it."""
    signed = sign(both(canonicalization), PLAIN, now=NOW)

    assert [True, True] == verified(signed, both())
    assert [b"rsa-sha256", b"ed25519-sha256"] == re.findall(rb"DKIM-Signature: v=1; a=([\w-]+);", signed)
    assert signed.endswith(b"\r\n" + PLAIN)


def test_the_fields_of_a_signature() -> None:
    """The tags are those the RFCs ask for; both List-Unsubscribe fields are named twice, and there is no l=."""
    signed = sign([rsa_signer()], PLAIN, now=NOW)
    field = signed.removesuffix(PLAIN).removeprefix(b"DKIM-Signature: ").decode("ascii")
    tags = dict(
        tag.split("=", 1) for tag in re.sub(r"\r\n ", "", field.removesuffix("\r\n")).replace("; ", ";").split(";")
    )
    named = tags["h"].split(":")

    assert ["v", "a", "c", "d", "s", "t", "h", "bh", "b"] == list(tags)
    assert ("1", "relaxed/simple", DOMAIN, "rfs1") == (tags["v"], tags["c"], tags["d"], tags["s"])
    assert str(int(DATE.timestamp())) == tags["t"]
    assert {name.lower() for name in NAMES} | {"cc"} == set(named)
    assert {"x-auto-response-suppress", "cc"} == {name for name in named if named.count(name) == 1}
    assert len(named) == 2 * len(set(named)) - 2
    assert all(len(line) <= 78 for line in field.split("\r\n"))


def test_the_same_message_and_time_give_the_same_bytes() -> None:
    """A signature is a function of key, message and second, so that a signed message can be built again."""
    signed = sign(both(), PLAIN, now=NOW)

    assert signed == sign(both(), PLAIN, now=NOW + timedelta(milliseconds=700))
    assert signed == sign(both(), PLAIN, now=NOW.astimezone())
    assert signed != sign(both(), PLAIN, now=NOW + timedelta(seconds=1))


def test_many_threads_may_sign_with_one_key() -> None:
    """What eight threads sign at once is what one of them signs alone."""
    messages = [build(parts(message_id=f"{n}.abcdef@rfs.example.org"), template()) for n in range(32)]
    alone = [sign(both(), message, now=NOW) for message in messages]
    found: list[bytes] = [b""] * len(messages)

    def work(first: int) -> None:
        for number in range(first, len(messages), 8):
            found[number] = sign(both(), messages[number], now=NOW)

    threads = [threading.Thread(target=work, args=(first,)) for first in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert alone == found


def test_nobody_to_sign_leaves_a_message_as_it_is() -> None:
    """Without a key nothing is added."""
    assert PLAIN == sign((), PLAIN, now=NOW)


def test_a_header_that_is_there_twice_is_signed_twice() -> None:
    """Of two fields of one name the lower one is hashed first, as a verifier does; each of them is held."""
    raw = b"From: hello@rfs.example.org\r\nReferences: <1@x>\r\nTo: a@example.org\r\nReferences: <2@x>\r\n\r\nHi\r\n"
    signed = sign(both(), raw, now=NOW)

    assert [True, True] == verified(signed, both())
    for number in (b"1", b"2"):
        assert [False, False] == verified(signed.replace(b"<%b@x>" % number, b"<3@x>"), both())


@given(HOSTILE, HOSTILE, BODY, BODY, st.sampled_from(CANONICALIZATIONS))
@settings(deadline=None, max_examples=50)
def test_whatever_our_writer_writes_can_be_signed(
    name: str, subject: str, text: str, html: str, canonicalization: str
) -> None:
    """Random names, subjects and bodies: what the writer lets out, an independent verifier takes, by both keys."""
    mail = parts(
        to_name=name, subject=subject if clean_text(subject) else "x", text=f"{text}\n{parts().text}",
        html=f"{html}\n{parts().html}",
    )  # fmt: skip
    signed = sign(both(canonicalization), build(mail, template(from_name=name, list_name=name)), now=NOW)

    assert [True, True] == verified(signed, both())


@pytest.mark.parametrize(
    ("message", "now", "field"),
    [
        (b"From: a@example.org\r\n", NOW, "message"),
        (b"To: a@example.org\r\n\r\nHi\r\n", NOW, "From"),
        (b"From: a@example.org\r\nfrom : b@example.org\r\n\r\nHi\r\n", NOW, "From"),
        (PLAIN, NOW.replace(tzinfo=None), "DKIM-Signature"),
    ],
)
def test_what_must_not_be_signed_is_refused(message: bytes, now: datetime, field: str) -> None:
    """No header, no author or two of them, a time without a zone: refused, and the field is named."""
    with pytest.raises(MessageError) as caught:
        sign([rsa_signer()], message, now=now)

    assert field == caught.value.field


# -- what was changed does not -----------------------------------------------------------------------------------------


def changed(name: str) -> bytes:
    """Our message, signed, with one letter more in one header."""
    signed = sign(both(), PLAIN, now=NOW)
    start = signed.index(b"\r\n" + name.encode() + b": ") + 2
    end = re.compile(rb"\r\n(?![ \t])").search(signed, start)
    assert end is not None
    return signed[: end.start()] + b"x" + signed[end.start() :]


@pytest.mark.parametrize("name", NAMES)
def test_every_header_is_signed(name: str) -> None:
    """One letter more in any header of ours breaks both signatures."""
    assert [False, False] == verified(changed(name), both())


@pytest.mark.parametrize("name", [name for name in NAMES if name != "X-Auto-Response-Suppress"] + ["Cc"])
@pytest.mark.parametrize("lower", [False, True])
def test_one_more_of_a_header_breaks_the_signature(name: str, lower: bool) -> None:
    """A second From, a second List-Unsubscribe or a Cc, at the top or below: both signatures break."""
    signed = sign(both(), PLAIN, now=NOW)
    value = dict(re.findall(rb"^([\w-]+): (.*?)\r\n(?! )", PLAIN, re.MULTILINE | re.DOTALL)).get(name.encode())
    for more in (b"eve@example.org", value):
        if more is None:
            continue
        line = b"%b: %b\r\n" % (name.lower().encode() if lower else name.encode(), more)
        assert [False, False] == verified(line + signed, both())
        assert [False, False] == verified(signed.replace(b"MIME-Version", line + b"MIME-Version"), both())


@pytest.mark.parametrize(
    "spoil",
    [
        lambda raw: raw.replace(b"file now", b"file later"),
        lambda raw: raw + b"more\r\n",
        lambda raw: raw.replace(b"t=1", b"t=2"),
        lambda raw: raw.replace(b"d=rfs.example.org", b"d=example.org"),
        lambda raw: raw.replace(b":list-unsubscribe-post:", b":"),
        lambda raw: raw.replace(b"bh=", b"l=10; bh="),
    ],
)
def test_a_changed_message_is_found(spoil: Callable[[bytes], bytes]) -> None:
    """Another body, something behind it, another time, domain or list of headers: both signatures break."""
    signed = sign(both(), PLAIN, now=NOW)
    assert signed != spoil(signed)

    assert [False, False] == verified(spoil(signed), both())


def test_what_relays_do_to_blanks_is_survived() -> None:
    """Headers may be folded anew and capitalised; relaxed/relaxed also takes other blanks and lines in the body."""
    spaced = sign(both(RELAXED_RELAXED), build(parts(text="a  b\tc\n" + parts().text), template()), now=NOW)
    strict = sign(both(RELAXED_SIMPLE), PLAIN, now=NOW)
    folded = strict.replace(b"Subject: ", b"SUBJECT:\t\r\n  ").replace(b"OOF, AutoReply", b"OOF,  \r\n\tAutoReply ")
    body = (
        (spaced + b"\r\n\r\n")
        .replace(b"a  b", b"a b  \t")
        .replace(b"Hi Mar", b"Hi \t Mar")
        .replace(b"\r\nfile", b" \r\nfile")
    )

    assert [True, True] == verified(folded, both())
    assert [True, True] == verified(body + b"\r\n\r\n", both())
    assert [True, True] == verified(strict + b"\r\n\r\n", both())
    assert [False, False] == verified(strict.replace(b"\r\nfile", b" \r\nfile"), both())


BLANKS = st.lists(
    st.one_of(
        st.text("ab", max_size=3), st.sampled_from([" ", "  ", "\t", " \t ", "\r\n", "\r\n\r\n", " \r\n", "\t\r\n"])
    ),
    max_size=20,
).map(lambda pieces: "".join(pieces).encode())


@given(BLANKS)
def test_bodies_are_made_alike_as_others_do(body: bytes) -> None:
    """Both canonical forms are those of an independent implementation, for any mix of blanks and empty lines."""
    whole = body if body.endswith(b"\r\n") or not body else body + b"\r\n"

    assert Simple.canonicalize_body(whole) == simple_body(body)
    assert Relaxed.canonicalize_body(whole) == relaxed_body(body)


# -- whose key signs ---------------------------------------------------------------------------------------------------


def test_the_nearest_domain_signs() -> None:
    """The keys of the domain of From sign, else those of the nearest domain above it, else nobody."""
    above, below = rsa_signer(domain="example.org"), rsa_signer(domain="news.example.org")
    signers = Signers({"example.org": (above,), "news.example.org": (below,)})

    assert (above,) == signers.of("hello@example.org") == signers.of("hello@a.b.Example.ORG")
    assert (below,) == signers.of("hello@news.example.org") == signers.of("hello@x.news.example.org")
    assert () == signers.of("hello@badexample.org") == signers.of("hello@org") == Signers().of("hello@example.org")


def test_who_signed_is_found_again() -> None:
    """What is stored beside a message finds its keys, in its canonical form; None where one is gone."""
    now = Signers({DOMAIN: both()})
    said = stamp(both(RELAXED_RELAXED))

    assert both(RELAXED_RELAXED) == now.again(said)
    assert () == now.again(stamp(())) == now.again(None)
    assert Signers({DOMAIN: (rsa_signer(),)}).again(said) is None
    assert Signers().again(said) is None


# -- keys --------------------------------------------------------------------------------------------------------------


def test_a_key_goes_to_another_process() -> None:
    """Pickled and read again it is the same key and signs the same; in print it does not show itself."""
    for signer in both(RELAXED_RELAXED):
        again = pickle.loads(pickle.dumps(signer))
        assert signer == again
        assert sign([signer], PLAIN, now=NOW) == sign([again], PLAIN, now=NOW)
        assert "PRIVATE" not in repr(signer)


def as_pem(pem: bytes, encoding: PrivateFormat = PrivateFormat.TraditionalOpenSSL, password: bytes = b"") -> bytes:
    key = load_pem_private_key(pem, None)
    return key.private_bytes(Encoding.PEM, encoding, BestAvailableEncryption(password) if password else NoEncryption())


def test_a_key_may_be_written_as_openssl_writes_it() -> None:
    """`openssl genrsa` of any age: PKCS #1 and PKCS #8 are the same key, and show nothing of themselves."""
    signer = load_signer(as_pem(rsa_pem()), domain=DOMAIN, selector="rfs1", algorithm=Algorithm.RSA, name="old.pem")

    assert rsa_signer() == signer
    assert 2048 == signer.bits
    assert "sign_octets" not in repr(signer)


def dsa_pem() -> bytes:
    return dsa.generate_private_key(2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def public_pem() -> bytes:
    key = load_pem_private_key(rsa_pem(), None).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize(
    ("pem", "algorithm", "said"),
    [
        (lambda: b"", Algorithm.RSA, "is no private key"),
        (lambda: b"\xff\0", Algorithm.RSA, "is no private key"),
        (lambda: rsa_pem()[:800], Algorithm.RSA, "is no private key"),
        (public_pem, Algorithm.RSA, "is a public key"),
        (lambda: as_pem(rsa_pem(), PrivateFormat.PKCS8, b"secret"), Algorithm.RSA, "is encrypted"),
        (dsa_pem, Algorithm.RSA, "neither an RSA key nor an Ed25519 key"),
        (lambda: rsa_pem(1024), Algorithm.RSA, "1024 bits; 2048 to 4096"),
        (ed25519_pem, Algorithm.RSA, "dkim.ed25519_key_file"),
        (rsa_pem, Algorithm.ED25519, "dkim.key_file"),
    ],
)
def test_a_key_that_cannot_sign_is_refused(pem: Callable[[], bytes], algorithm: Algorithm, said: str) -> None:
    """Too short, of another kind, encrypted, public or no key at all: the file is named, and what is wrong with it."""
    with pytest.raises(SettingsError) as caught:
        load_signer(pem(), domain=DOMAIN, selector="rfs1", algorithm=algorithm, name="keys/a.pem")

    assert said in str(caught.value)
    assert "keys/a.pem" in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"domain": ""}, "dkim.domain"),
        ({"domain": "org"}, "dkim.domain"),
        ({"domain": "Example.org"}, "dkim.domain"),
        ({"domain": "bücher.example"}, "dkim.domain"),
        ({"domain": "example.org; s=evil"}, "dkim.domain"),
        ({"selector": ""}, "dkim.selector"),
        ({"selector": "a_b"}, "dkim.selector"),
        ({"selector": "a\r\n"}, "dkim.selector"),
        ({"selector": ".".join(["a" * 60] * 4)}, "dkim.selector"),
        ({"canonicalization": "simple/simple"}, "dkim.canonicalization"),
    ],
)
def test_a_domain_or_selector_that_cannot_be_is_refused(changes: dict[str, str], said: str) -> None:
    """They stand in every signature and in the DNS: nothing goes in that could end a tag or a name."""
    given: dict[str, Any] = {"domain": DOMAIN, "selector": "rfs1", "algorithm": Algorithm.RSA, "name": "a.pem"}
    with pytest.raises(SettingsError) as caught:
        load_signer(rsa_pem(), **(given | changes))

    assert said in str(caught.value)


# -- records -----------------------------------------------------------------------------------------------------------


def test_a_record_line_is_short_strings() -> None:
    """A string of a TXT record holds 255 octets; the pieces together are the record."""
    signer = rsa_signer()
    pieces = re.findall(r'"([^"]*)"', record_line(signer))

    assert record(signer) == "".join(pieces)
    assert max(map(len, pieces)) <= 255
    assert record_line(signer).startswith("rfs1._domainkey.rfs.example.org. IN TXT ( ")


def bare_rsa(signer: Signer) -> str:
    """The record with the key as RFC 6376 describes it: without its envelope."""
    key = load_pem_private_key(rsa_pem(), None).public_key()
    return f"p={base64.b64encode(key.public_bytes(Encoding.DER, PublicFormat.PKCS1)).decode()}"


@pytest.mark.parametrize(
    ("publish", "fits", "said"),
    [
        (lambda own: [record(own)], True, ""),
        (lambda own: [record(own) + ";"], True, ""),
        (lambda own: [record(own).replace("k=rsa; ", "")], True, ""),
        (lambda own: [record(own).replace("p=MIIB", "n=a note; p = MI IB")], True, ""),
        (lambda own: [record(own), "v=spf1 -all"], True, ""),
        (lambda own: [record(own) + "; h=sha1:sha256; s=email; t=s"], True, ""),
        (lambda own: [bare_rsa(own)], True, ""),
        (lambda own: [record(own) + "; t=y:s"], True, "test mode"),
        (lambda own: [], False, "has no TXT record"),
        (lambda own: ["v=spf1 -all"], False, "no DKIM key"),
        (lambda own: ["k=rsa; " + record(own)], False, "no DKIM key"),
        (lambda own: [record(own), record(own)], False, "has 2 keys"),
        (lambda own: [record(own).replace("DKIM1", "DKIM2")], False, "v=DKIM2"),
        (lambda own: ["v=DKIM1; p="], False, "revoked"),
        (lambda own: [record(own).replace("k=rsa", "k=ed25519")], False, "k=ed25519"),
        (lambda own: [record(own) + "; h=sha1"], False, "h=sha1"),
        (lambda own: [record(own) + "; s=other"], False, "s=other"),
        (lambda own: [record(rsa_signer(number=1))], False, "another key"),
        (lambda own: [record(own)[:-40]], False, "another key"),
        (lambda own: ["v=DKIM1; k=rsa; p=(nothing)"], False, "another key"),
    ],
)
def test_a_published_record_is_judged(publish: Callable[[Signer], list[str]], fits: bool, said: str) -> None:
    """What receivers would find at our selector: it fits, or the sentence says what is wrong with it."""
    judged = compare(rsa_signer(), publish(rsa_signer()))

    assert fits is judged.fits
    assert said in judged.said
    assert bool(said) is bool(judged.said)
    assert not said or "rfs1._domainkey.rfs.example.org" in judged.said


def test_an_ed25519_record_is_judged() -> None:
    """The bare 32 octets are the key, and nothing else is."""
    own = ed25519_signer()
    other = replace(own, public_key=bytes(32))

    assert compare(own, [record(own)]).fits
    assert not compare(own, [record(other)]).fits
