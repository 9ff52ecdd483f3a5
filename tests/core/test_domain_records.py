"""SPF, DMARC and MX as receivers read them, answered from a table."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfs_mail.core.domain_records import (
    Answer,
    DmarcRecord,
    MailHosts,
    Question,
    RecordType,
    ReverseName,
    Spf,
    Takes,
    UnknownAnswerError,
    Walk,
    aligned,
    mail_hosts,
    parse_dmarc,
    policy_of,
    reverse_name,
    spf,
    tree_walk,
)

Zone = Mapping[str, Any]
"""`TXT example.org` -> the values, or an Answer."""


def drive(walk: Walk[Any], zone: Zone, asked: list[Question] | None = None) -> Any:
    """Answer a walk from a table; what is not in it does not exist."""
    try:
        question = next(walk)
        while True:
            if asked is not None:
                asked.append(question)
            found = zone.get(f"{question.type} {question.name}", ())
            if isinstance(found, str):
                found = (found,)
            question = walk.send(found if isinstance(found, Answer) else Answer(tuple(found)))
    except StopIteration as end:
        return end.value


# -- SPF ---------------------------------------------------------------------------------------------------------------


def spf_of(**zone: Any) -> Spf:
    """The SPF of example.org; `a_b` in a name stands for a.b."""
    found: Spf = drive(spf("example.org"), {f"TXT {name.replace('_', '.')}": text for name, text in zone.items()})
    return found


@pytest.mark.parametrize(
    ("record", "lookups"),
    [
        ("v=spf1 -all", 0),
        ("v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 -all", 0),
        ("v=spf1 a mx -all", 2),
        ("v=spf1 a/24 mx//64 a:other.example.org/28 ~all", 3),
        ("v=spf1 exists:%{i}.list.example.org -all", 1),
        ("V=SPF1 A -ALL", 1),
        ("v=spf1 +a ?mx ~ptr -all", 3),
        ("v=spf1 a -all mx include:nothing.example.org", 1),
        ("v=spf1 exp=why.example.org moved=yes -all", 0),
        ("v=spf1", 0),
    ],
)
def test_lookups_of_a_record(record: str, lookups: int) -> None:
    """Terms that ask the DNS are counted up to `all`; addresses, modifiers and what is behind `all` cost nothing."""
    found = spf_of(example_org=record)
    assert (lookups, "", record) == (found.lookups, found.error, found.record)


def test_includes_and_redirects_are_counted_to_their_end() -> None:
    """An include costs one and what is in it; a redirect too, but only where no `all` stands."""
    found = spf_of(
        example_org="v=spf1 a include:one.example include:two.example redirect=three.example",
        one_example="v=spf1 mx a -all",
        two_example="v=spf1 include:one.example ip4:192.0.2.1 -all",
        three_example="v=spf1 a -all",
    )
    assert (1 + 1 + 2 + 1 + 1 + 2 + 1 + 1, "") == (found.lookups, found.error)
    ended = spf_of(example_org="v=spf1 redirect=three.example -all", three_example="v=spf1 a -all")
    assert (0, "") == (ended.lookups, ended.error)


@pytest.mark.parametrize(("number", "fits"), [(10, True), (11, False)])
def test_ten_lookups_are_the_limit(number: int, fits: bool) -> None:
    """Ten are allowed, one more is an error (RFC 7208 section 4.6.4)."""
    found = spf_of(example_org="v=spf1 " + " ".join(f"a:h{n}.example" for n in range(number)) + " -all")
    assert number == found.lookups
    assert fits == (found.error == "")
    if not fits:
        assert "it needs 11 DNS look-ups and 10 are allowed (RFC 7208 section 4.6.4)" == found.error


def test_a_record_that_includes_itself_ends() -> None:
    """A loop is more than ten, and the walk comes to an end."""
    found = spf_of(example_org="v=spf1 include:example.org -all")
    assert "it needs more than 40 DNS look-ups" in found.error


@pytest.mark.parametrize(
    ("zone", "error"),
    [
        ({"example_org": ("v=spf1 -all", "v=spf1 a -all")}, "example.org has 2 SPF records and may have one"),
        ({"example_org": "v=spf1 include:gone.example -all"}, "example.org includes gone.example, which has no SPF"),
        ({"example_org": "v=spf1 redirect=gone.example"}, "example.org includes gone.example, which has no SPF"),
        ({"example_org": "v=spf1 ipv4:192.0.2.1 -all"}, "example.org has the term 'ipv4:192.0.2.1', which SPF does"),
        ({"example_org": "v=spf1 include: -all"}, "example.org has an include without a domain"),
        (
            {"example_org": "v=spf1 include:in.example -all", "in_example": ("v=spf1 -all", "v=spf1 -all")},
            "in.example has 2 SPF records",
        ),
    ],
)
def test_what_receivers_call_an_error(zone: dict[str, Any], error: str) -> None:
    """A permanent error names the domain and the term."""
    assert spf_of(**zone).error.startswith(error)


@pytest.mark.parametrize(
    ("texts", "is_there"),
    [
        ((), False),
        (("google-site-verification=x",), False),
        (("v=spf10 -all",), False),
        (("spf2.0/pra -all",), False),
        (("hello", "v=spf1 -all"), True),
    ],
)
def test_only_an_spf_record_counts(texts: tuple[str, ...], is_there: bool) -> None:
    """Other TXT records beside it are nobody's business."""
    assert is_there == (spf_of(example_org=texts).record is not None)


@pytest.mark.parametrize(
    ("record", "note"),
    [
        ("v=spf1 +all", "it ends in +all, which allows everybody"),
        ("v=spf1 all", "it ends in +all, which allows everybody"),
        ("v=spf1 ?all", "it ends in ?all"),
        ("v=spf1 a", "it has no all at its end, so everybody else is neutral"),
        ("v=spf1 ptr -all", "example.org uses ptr, which is slow and should not be used (RFC 7208 section 5.5)"),
        (
            "v=spf1 include:%{d}.x.example -all",
            "example.org names %{d}.x.example by a macro, which is not followed here",
        ),
    ],
)
def test_what_is_allowed_and_unwise_is_noted(record: str, note: str) -> None:
    """It is no error, and said."""
    found = spf_of(example_org=record)
    assert ((note,), "") == (found.notes, found.error)


def test_no_answer_is_not_no_record() -> None:
    """A name server that does not answer makes nothing missing, at the first record or within an include."""
    away = Answer(known=False, why="timed out")
    with pytest.raises(UnknownAnswerError, match=r"TXT of example\.org could not be looked up: timed out"):
        spf_of(example_org=away)
    with pytest.raises(UnknownAnswerError, match=r"TXT of in\.example"):
        spf_of(example_org="v=spf1 include:in.example -all", in_example=away)


@given(st.text(max_size=120))
def test_any_text_is_read(text: str) -> None:
    """Whatever stands in a record: it is counted or refused, and nothing breaks."""
    found = drive(spf("example.org"), {"TXT example.org": f"v=spf1 {text}"})
    assert found.lookups >= 0


# -- DMARC -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("texts", "tags"),
    [
        (("v=DMARC1; p=none",), {"p": "none"}),
        (("v = DMARC1 ;p=reject;  rua=mailto:a@example.org ;",), {"p": "reject", "rua": "mailto:a@example.org"}),
        (("v=DMARC1;P=Reject; x; p=none",), {"p": "Reject"}),
        (("v=DMARC1",), {}),
        ((), None),
        (("v=dmarc1; p=none",), None),
        (("p=none; v=DMARC1",), None),
        (("v=DMARC12; p=none",), None),
        (("v=DMARC1; p=none", "v=DMARC1; p=reject"), None),
        (("v=spf1 -all", "v=DMARC1; p=none"), {"p": "none"}),
    ],
)
def test_a_policy_record_is_read(texts: tuple[str, ...], tags: dict[str, str] | None) -> None:
    """The version comes first, exactly; two records are none; other texts do not matter."""
    found = parse_dmarc("example.org", texts)
    assert tags == (None if found is None else dict(found.tags))


@pytest.mark.parametrize(
    ("said", "policy"), [("none", "none"), ("REJECT", "reject"), ("maybe", "none"), (None, "none")]
)
def test_a_policy_without_p_is_none(said: str | None, policy: str) -> None:
    """A missing or unknown p counts as none, and is noted."""
    record = DmarcRecord("example.org", {} if said is None else {"p": said})
    assert policy == record.policy
    assert (policy != (said or "").lower()) == bool(record.notes)


def test_tags_that_are_gone_are_noted() -> None:
    """RFC 9989 took pct, rf and ri away, and t=y only tests."""
    record = DmarcRecord("example.org", {"p": "none", "pct": "50", "t": "y"})
    assert (
        "pct= has no meaning any more (RFC 9989)",
        "t=y: the policy is only being tested",
    ) == record.notes


def walk(start: str, **records: str) -> Any:
    """The tree walk; `records` are domain -> what follows the version, `_` for a dot."""
    zone = {f"TXT _dmarc.{name.replace('_', '.')}": f"v=DMARC1; {tags}" for name, tags in records.items()}
    return drive(tree_walk(start), zone)


@pytest.mark.parametrize(
    ("start", "records", "organisation"),
    [
        # The rules of RFC 9989 section 4.10.2, one by one.
        ("mail.example.com", {"example_com": "p=none"}, "example.com"),
        ("a.mail.example.com", {"mail_example_com": "p=none", "example_com": "p=none"}, "example.com"),
        ("a.mail.example.com", {"mail_example_com": "psd=n", "example_com": "p=none"}, "mail.example.com"),
        ("mail.example.co.uk", {"example_co_uk": "p=none", "co_uk": "psd=y"}, "example.co.uk"),
        ("mail.example.co.uk", {"co_uk": "psd=y; p=reject"}, "example.co.uk"),
        ("co.uk", {"co_uk": "psd=y"}, "co.uk"),
        ("giant.bank.example", {"example": "psd=y", "giant_bank_example": "p=none"}, "bank.example"),
        ("mail.example.com", {}, "mail.example.com"),
        ("mail.example.com", {"com": "p=none"}, "com"),
        ("mail.example.com", {"mail_example_com": "psd=u", "example_com": "psd=u"}, "example.com"),
        ("Mail.Example.COM.", {"example_com": "p=none"}, "example.com"),
    ],
)
def test_the_organisational_domain(start: str, records: dict[str, str], organisation: str) -> None:
    """psd=n is it; one below psd=y is it, unless the walk began there; else the shortest name with a record."""
    assert organisation == walk(start, **records).domain


def test_the_walk_ends_where_it_must() -> None:
    """Nothing above a psd= is asked, and a long name jumps to its last seven labels (RFC 9989 section 4.10)."""
    asked: list[Question] = []
    drive(tree_walk("a.b.example.com"), {"TXT _dmarc.b.example.com": "v=DMARC1; psd=n"}, asked)
    assert ["_dmarc.a.b.example.com", "_dmarc.b.example.com"] == [one.name for one in asked]
    asked.clear()
    drive(tree_walk("a.b.c.d.e.f.g.h.i.j.mail.example.com"), {}, asked)
    assert [
        "_dmarc.a.b.c.d.e.f.g.h.i.j.mail.example.com",
        "_dmarc.g.h.i.j.mail.example.com",
        "_dmarc.h.i.j.mail.example.com",
        "_dmarc.i.j.mail.example.com",
        "_dmarc.j.mail.example.com",
        "_dmarc.mail.example.com",
        "_dmarc.example.com",
        "_dmarc.com",
    ] == [one.name for one in asked]


@pytest.mark.parametrize(("labels", "queries"), [(1, 1), (2, 2), (7, 7), (8, 8), (9, 8), (30, 8)])
def test_a_walk_asks_eight_times_at_most(labels: int, queries: int) -> None:
    """However long the name is."""
    asked: list[Question] = []
    drive(tree_walk(".".join(f"l{n}" for n in range(labels))), {}, asked)
    assert queries == len(asked)


@pytest.mark.parametrize(
    ("start", "records", "domain"),
    [
        ("mail.example.com", {"mail_example_com": "p=none", "example_com": "p=reject"}, "mail.example.com"),
        ("mail.example.com", {"example_com": "p=reject"}, "example.com"),
        ("a.b.example.com", {"b_example_com": "p=none", "example_com": "p=reject"}, "example.com"),
        ("example.gov", {"gov": "psd=y; p=reject"}, "gov"),
        ("example.gov", {}, None),
    ],
)
def test_the_policy_that_applies(start: str, records: dict[str, str], domain: str | None) -> None:
    """Its own record, else the organisation's, else the public suffix's; one in between does not count."""
    found = policy_of(walk(start, **records))
    assert domain == (found.domain if found else None)


@pytest.mark.parametrize(
    ("author", "other", "relaxed", "strict"),
    [
        ("example.com", "example.com", True, True),
        ("example.com", "bounces.example.com", True, False),
        ("news.example.com", "bounces.example.com", True, False),
        ("example.com", "example.net", False, False),
        ("example.com", "notexample.com", False, False),
        ("one.co.uk", "two.co.uk", False, False),
    ],
)
def test_alignment(author: str, other: str, relaxed: bool, strict: bool) -> None:
    """Relaxed asks for the same organisation, strict for the same name."""
    records = {"example_com": "p=none", "example_net": "p=none", "co_uk": "psd=y", "notexample_com": "p=none"}
    one, two = walk(author, **records), walk(other, **records)
    assert (relaxed, strict) == (aligned(one, two, strict=False), aligned(one, two, strict=True))


@pytest.mark.parametrize(("tags", "strict"), [({}, False), ({"adkim": "r"}, False), ({"adkim": "S"}, True)])
def test_strict_is_asked_for(tags: dict[str, str], strict: bool) -> None:
    """Without the tag alignment is relaxed."""
    assert strict == DmarcRecord("example.com", tags).is_strict("adkim")


def test_a_walk_without_an_answer_says_so() -> None:
    """A level that could not be asked leaves the organisation unknown; it is not skipped."""
    zone = {"TXT _dmarc.example.com": Answer(known=False, why="SERVFAIL")}
    with pytest.raises(UnknownAnswerError, match="SERVFAIL"):
        drive(tree_walk("mail.example.com"), zone)


# -- MX, PTR -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "found"),
    [
        (
            {"MX example.org": ("20 two.example.org.", "10 one.example.org.")},
            MailHosts(Takes.MX, ("one.example.org", "two.example.org")),
        ),
        ({"MX example.org": "0 ."}, MailHosts(Takes.REFUSED)),
        ({"A example.org": "192.0.2.1"}, MailHosts(Takes.IMPLICIT, ("example.org",))),
        ({}, MailHosts(Takes.NOWHERE)),
    ],
)
def test_who_takes_mail(zone: Zone, found: MailHosts) -> None:
    """MX by preference, a null MX takes none (RFC 7505), an address alone will do (RFC 5321 section 5.1)."""
    assert found == drive(mail_hosts("example.org"), zone)


def test_a_name_that_does_not_lead_back_is_not_confirmed() -> None:
    """Anyone may give an address any name; only its owner can let the name lead back."""
    zone = {
        "PTR 192.0.2.1": ("Mail.example.org.", "lie.example.net."),
        "A mail.example.org": ("192.0.2.7", "192.0.2.1"),
        "A lie.example.net": "192.0.2.99",
    }
    assert ReverseName("192.0.2.1", ("mail.example.org", "lie.example.net"), ("mail.example.org",)) == drive(
        reverse_name("192.0.2.1"), zone
    )
    assert RecordType.PTR == next(reverse_name("192.0.2.1")).type
