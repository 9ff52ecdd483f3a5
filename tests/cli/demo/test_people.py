"""The synthetic people: the same every time, at addresses that lead to nobody, where the story needs them."""

import csv
import io
import re
from collections import Counter
from itertools import pairwise

import pytest

from rfs_mail.cli.demo.people import FULL, MARIA, QUICK, Size, Someone, make_files, make_people, returning_file
from rfs_mail.core.person import parse_address
from rfs_mail.core.zones import zone_of

EVERYBODY = make_people(FULL)


def test_the_same_people_and_files_every_time() -> None:
    """Two makings give the same people and the same bytes."""
    again = make_people(FULL)
    assert EVERYBODY == again
    assert make_files(EVERYBODY, FULL) == make_files(again, FULL)


@pytest.mark.parametrize(("size", "number"), [(FULL, 5_000), (QUICK, 500)], ids=["full", "quick"])
def test_as_many_different_people_as_promised(size: Size, number: int) -> None:
    """The groups add up, and no two people share an address."""
    people = make_people(size)
    assert len({parse_address(one.address).key for one in people}) == number


def test_they_live_where_nobody_does() -> None:
    """Every address ends in a domain that is reserved for examples and tests."""
    domains = {one.address.partition("@")[2] for one in EVERYBODY}
    assert [one for one in domains if not one.endswith(("example.org", "example.com", "example.net", ".test"))] == []


def test_they_live_in_the_states_of_the_story() -> None:
    """Wisconsin, Texas and Mississippi have about their shares, and the far sides of zone lines are there."""
    states = Counter(one.state for one in EVERYBODY)
    shares = {state: states[state] / len(EVERYBODY) for state in ("WI", "TX", "MS")}
    assert {state: round(share, 2) for state, share in shares.items()} == {"WI": 0.12, "TX": 0.15, "MS": 0.03}
    zones = {(one.state, one.county): zone_of(one.state, one.county, one.zip) for one in EVERYBODY}
    assert zones["TX", "El Paso"] == "America/Denver"
    assert zones["MI", "Menominee"] == "America/Menominee"
    assert zones["TN", "Marion"] == "America/Chicago"


def test_four_in_ten_signed_up_in_the_week_before() -> None:
    """The week between Election Day and the first day brought two fifths of the list."""
    week = [one for one in EVERYBODY if one.group in ("early", "civics")]
    assert len(week) / len(EVERYBODY) == pytest.approx(0.4)
    assert {f"{one.signed_up_at:%Y-%m}" for one in week} == {"2026-11"}


def test_everybody_comes_in_some_file() -> None:
    """No one of the story is in no file, and files come in the order of their time."""
    files = make_files(EVERYBODY, FULL)
    written = {found for file in files for found in re.findall(r"[^\s,;]+@[^\s,;]+", file.text.casefold())}
    assert {one.address for one in EVERYBODY} - written == set()
    assert [file.at for file in files] == sorted(file.at for file in files)


def test_some_rows_are_no_good() -> None:
    """Every first file holds rows that an import has to reject, and later ones repeat rows of the day before."""
    files = make_files(EVERYBODY, FULL)
    exports = [file for file in files if file.name.startswith("form-") and "evening" not in file.name]
    ids = [
        [row["Submission ID"] for row in csv.DictReader(io.StringIO(file.text)) if "@@" not in row["Email"]]
        for file in exports
    ]
    assert sum(1 for before, after in pairwise(ids) if set(before) & set(after)) > len(ids) // 2
    assert any("@@" in file.text for file in exports)


def test_a_returning_list_names_people_as_a_partner_would() -> None:
    """The partner's list writes addresses in capitals, so that only the product can tell who they are."""
    maria = next(one for one in EVERYBODY if one.address == MARIA)
    file = returning_file([maria], maria.signed_up_at)
    assert list(csv.DictReader(io.StringIO(file.text))) == [
        {"Email": "MARIA@EXAMPLE.ORG", "First": "Maria", "Last": "Alvarez", "State": "WI"}
    ]


def test_maria_is_there_once() -> None:
    """The person whose story is told is one, alive and reachable."""
    found: list[Someone] = [one for one in EVERYBODY if one.address == MARIA]
    assert [(one.county, one.dead, one.slow, one.lang) for one in found] == [("Milwaukee", False, False, "en")]
