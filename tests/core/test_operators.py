"""Receiving operators: who receives for a domain, and what is known of each."""

import pytest

from rfs_mail.core.operators import KNOWN, OPERATORS, OTHER, Limits, operator, operator_of_hosts


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        ("gmail.com", "google"),
        ("hotmail.co.uk", "microsoft"),
        ("yahoo.com.mx", "yahoo"),
        ("att.net", "yahoo"),
        ("me.com", "apple"),
        ("comcast.net", "comcast"),
        ("nyc.rr.com", "charter"),
        ("example.org", "other"),
        ("live.example.org", "other"),
        ("yahoo-group.example", "other"),
    ],
)
def test_who_receives_for_a_domain(domain: str, expected: str) -> None:
    """Big operators are known by their domains, in every country; the rest is `other`."""
    assert expected == operator(domain)


def test_every_operator_has_limits_but_the_nameless() -> None:
    """What is known of one is known of all with a name; `other` is thousands and has none."""
    assert set(OPERATORS) == set(KNOWN)
    assert Limits() == KNOWN[OTHER]
    assert all(one.outstanding and one.rate for name, one in KNOWN.items() if name != OTHER)
    assert {"google": 250, "microsoft": 250, "yahoo": 200, "apple": 50, "comcast": 25_000, "gmx": 80} == {
        name: KNOWN[name].outstanding for name in ("google", "microsoft", "yahoo", "apple", "comcast", "gmx")
    }


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [
        (("aspmx.l.google.com", "alt1.aspmx.l.google.com"), "google"),
        (("school-example-org.mail.protection.outlook.com",), "microsoft"),
        (("example-org.k-v1.mx.microsoft",), "microsoft"),
        (("mta5.am0.yahoodns.net",), "yahoo"),
        (("MX01.Mail.iCloud.com.",), "apple"),
        (("us-smtp-inbound-1.mimecast.com",), "mimecast"),
        (("mail.example.org", "aspmx.l.google.com"), "other"),
        (("mail.notgoogle.com",), "other"),
        ((), "other"),
    ],
)
def test_who_runs_mail_hosts(hosts: tuple[str, ...], expected: str) -> None:
    """The host that is asked first says who it is, by whole labels of its name, in any case."""
    assert expected == operator_of_hosts(hosts)
