"""Text that goes into headers: cleaned, encoded, quoted, folded."""

import unicodedata
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.headerregistry import AddressHeader

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfs_mail.core.headers import (
    ascii_address,
    clean_text,
    encoded_words,
    is_address,
    mailbox,
    phrase,
    unstructured,
)
from rfs_mail.errors import MessageError

HOSTILE = st.lists(
    st.one_of(
        st.text(max_size=20),
        st.text(st.characters(), max_size=5),
        st.text("\r\n\0\t \x85\u2028\u2029\u202e\u2066\ud800=?_\"'\\,;:<>@()[].", max_size=5),
        st.sampled_from(["=?", "?=", "=?utf-8?q?a=0D=0ABcc:_x=40y?=", "\r\nBcc: evil@example.org", "\n.\n", "x" * 100]),
    ),
    max_size=12,
).map("".join)


def parsed(raw: bytes) -> str:
    """What a reader makes of a header's value."""
    return str(message_from_bytes(raw + b"\r\n", policy=policy.default)[raw.partition(b":")[0].decode()])


def decoded(raw: bytes) -> str:
    """The display name before a `<`, by the rules of RFC 2047: nothing stands between two encoded words."""
    text = raw.partition(b": ")[2].decode("ascii").replace("\r\n ", " ").strip().strip('"')
    return str(make_header(decode_header(text))) if "=?" in text else text


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("three days left", "three days left"),
        ("a\r\nBcc: x@example.org", "a Bcc: x@example.org"),
        ("a\u2028b\u2029c\x85d", "a b c d"),
        ("  a \t  b  ", "a b"),
        ("a\0b\x1b[31mc", "ab[31mc"),
        ("evil\u202egpj.exe", "evilgpj.exe"),
        ("\ud83d half", "half"),
        ("Jose\u0301", "José"),
        ("=?utf-8?q?a=0D=0ABcc:_x=40y?=", "= ?utf-8?q?a=0D=0ABcc:_x=40y?="),
        ("=\0?utf-8?q?x?=", "= ?utf-8?q?x?="),
        ("==??", "== ??"),
        ("non\u00a0breaking", "non\u00a0breaking"),
        ("\U0001f5f3\ufe0f vote", "\U0001f5f3\ufe0f vote"),
    ],
)
def test_clean_text(raw: str, clean: str) -> None:
    """Line ends become blanks, invisible controls go, encoded words are broken, everything else stays."""
    assert clean == clean_text(raw)


@given(HOSTILE)
def test_clean_text_is_one_harmless_line(raw: str) -> None:
    """Whatever comes in, one line without controls, surrogates, line separators or `=?` comes out, and stays so."""
    clean = clean_text(raw)

    assert "=?" not in clean
    assert not {"Cc", "Cs", "Zl", "Zp"} & {unicodedata.category(letter) for letter in clean}
    assert not {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"} & {
        unicodedata.bidirectional(letter) for letter in clean
    }
    assert unicodedata.normalize("NFC", clean) == clean
    assert clean == clean_text(clean)


@given(HOSTILE.map(clean_text).filter(bool))
def test_encoded_words_are_short_and_whole(text: str) -> None:
    """Every encoded word has at most 75 octets, and each decodes by itself: no letter is cut in two."""
    words = encoded_words(text, 60)

    assert len(words[0]) <= 60
    assert all(len(word) <= 75 for word in words)
    decoded = [parsed(f"Subject: {word}\r\n".encode("ascii")) for word in words]
    assert text == "".join(decoded)


@given(HOSTILE.map(clean_text).filter(bool))
def test_a_subject_reads_as_it_was_written(text: str) -> None:
    """A reader gets back exactly the cleaned text, from lines of at most 78 octets."""
    raw = unstructured("Subject", text)

    assert text == parsed(raw)
    assert all(len(line) <= 76 for line in raw.split(b"\r\n"))
    assert raw.count(b"\r\n") == raw.count(b"\n") == raw.count(b"\r")


def test_an_ascii_subject_is_folded_at_blanks() -> None:
    """A long plain subject stays readable in the raw message: it is folded, not encoded."""
    raw = unstructured("Subject", "word " * 30 + "end")

    assert b"=?" not in raw
    assert raw.startswith(b"Subject: word word")
    assert all(line.startswith(b" word") for line in raw.split(b"\r\n")[1:-1])


def test_a_word_without_blanks_is_encoded() -> None:
    """A thousand letters without a blank do not make a line of a thousand octets."""
    raw = unstructured("Subject", "x" * 900)

    assert max(map(len, raw.split(b"\r\n"))) <= 76
    assert parsed(raw) == "x" * 900


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Maria Lopez", '"Maria Lopez"'),
        ("Name, Director <a@b>", '"Name, Director <a@b>"'),
        ("María", "=?utf-8?q?Mar=C3=ADa?="),
        ('say "hi"', "=?utf-8?q?say_=22hi=22?="),
        ("back\\slash", "=?utf-8?q?back=5Cslash?="),
        ("", ""),
        (" \r\n ", ""),
        ("Ελένη", "=?utf-8?b?zpXOu86tzr3Otw==?="),
    ],
)
def test_phrase(name: str, expected: str) -> None:
    """Plain ASCII is quoted, everything else encoded; nothing is escaped."""
    assert expected == phrase(name)


@given(HOSTILE)
def test_a_mailbox_is_one_mailbox(name: str) -> None:
    """Whatever the display name holds, a reader sees one mailbox with the intended address, and the name as cleaned."""
    raw = mailbox("To", name, "maria@example.org")
    header = message_from_bytes(raw + b"\r\n", policy=policy.default)["To"]

    assert isinstance(header, AddressHeader)
    assert [address.addr_spec for address in header.addresses] == ["maria@example.org"]
    assert clean_text(name)[:120].rstrip() == decoded(raw.rpartition(b"<")[0])
    assert all(len(line) <= 76 for line in raw.split(b"\r\n"))


def test_a_long_address_stays_within_a_line() -> None:
    """A name and the longest possible address fit into lines that every relay takes."""
    address = f"{'l' * 64}@{'.'.join(['d' * 60] * 3)}"
    raw = mailbox("To", "Größe " * 20, address)

    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert f" <{address}>\r\n".encode("ascii") in raw


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("maria@example.org", "maria@example.org"),
        ("Maria.Lopez+x@Example.org", "Maria.Lopez+x@Example.org"),
        ("maria@bücher.example", "maria@xn--bcher-kva.example"),
        ("o'neil!#$%&*/?^_`{|}~-@example.org", "o'neil!#$%&*/?^_`{|}~-@example.org"),
    ],
)
def test_ascii_address(given: str, expected: str) -> None:
    """An address that plain SMTP can carry stays, and a domain in other letters becomes its A-labels."""
    assert expected == ascii_address(given, "To")


@pytest.mark.parametrize(
    "address",
    [
        "",
        "maria",
        "@example.org",
        "maria@",
        "maría@example.org",
        "maria@straße.example",
        "maria@-example.org",
        "maria@example..org",
        ".maria@example.org",
        "ma..ria@example.org",
        "maria@example.org\r\nBcc: x@example.org",
        "maria@example.org ",
        "maria@example.org, eve@example.org",
        "<maria@example.org>",
        '"maria"@example.org',
        "maria@[127.0.0.1]",
        "=?utf-8?q?a?=@example.org",
        f"{'l' * 65}@example.org",
        f"maria@{'.'.join(['d' * 60] * 5)}",
        "maria@example.org\0",
        "maria@exam\u202eple.org",
    ],
)
def test_what_is_no_address_is_refused_by_field(address: str) -> None:
    """What plain SMTP cannot carry, or could carry more than an address, is refused with the header to blame."""
    with pytest.raises(MessageError) as caught:
        ascii_address(address, "To")

    assert caught.value.field == "To"
    assert not is_address(address)


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("Ma\u200bri\u2060a\ufeff", "Maria"),
        ("Ma\u00adria\U000e0041\U000e007f", "Maria"),
        ("Ma\u200dri\u200ca", "Maria"),
        ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"),
        ("\u0915\u094d\u200d\u0937", "\u0915\u094d\u200d\u0937"),
        ("\U0001f469\u200d\u2695\ufe0f", "\U0001f469\u200d\u2695\ufe0f"),
        ("\u0915\u200d\u200d\u0937", "\u0915\u0937"),
    ],
)
def test_hiding_characters_go_and_needed_joiners_stay(raw: str, clean: str) -> None:
    """Zero-width and tag characters are dropped; a joiner stays where Persian, Hindi or an emoji needs it."""
    assert clean == clean_text(raw)
