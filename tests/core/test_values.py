"""Ordered words, two-valued comparison and records."""

import json
import pickle
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfs_mail.core.values import (
    CONFIDENCES,
    STAGES,
    STAGES_OFF_THE_LINE,
    Confidence,
    Record,
    Stage,
    compare,
)

WORDS = st.sampled_from([*STAGES, *sorted(STAGES_OFF_THE_LINE)])
ANYTHING = st.one_of(st.none(), WORDS, WORDS.map(Stage), st.text(max_size=4), st.integers())
ORDERINGS = ("lt", "lteq", "gt", "gteq")


def test_the_line_has_ten_stages_from_prospect_to_won() -> None:
    """The line is the one of the glossary."""
    line = "prospect signed_up onboarded exploring committed circulating filed on_ballot advanced won"
    assert tuple(line.split()) == STAGES
    assert {"lost", "withdrawn", "disqualified", "not_now"} == STAGES_OFF_THE_LINE


@given(WORDS, WORDS)
def test_stages_compare_by_their_place_on_the_line(left: str, right: str) -> None:
    """Order follows the line, and a stage off the line is neither below nor above anything."""
    known = left in STAGES and right in STAGES
    expected_less = known and STAGES.index(left) < STAGES.index(right)
    expected_at_most = known and STAGES.index(left) <= STAGES.index(right)
    assert (Stage(left) < Stage(right)) is expected_less
    assert (Stage(left) <= right) is expected_at_most
    assert (Stage(right) > left) is expected_less
    assert (left <= Stage(right)) is expected_at_most
    assert (left < Stage(right)) is expected_less
    assert (Stage(left) == right) is (left == right)


@given(ANYTHING, ANYTHING)
def test_comparing_a_stage_never_raises(left: object, right: object) -> None:
    """A stage can be put beside anything: words, missing values, numbers."""
    for operator in ("eq", "ne", *ORDERINGS):
        if isinstance(left, Stage) or isinstance(right, Stage):
            assert compare(operator, left, right) in (True, False)


@given(st.one_of(st.none(), st.integers(), WORDS.map(Stage)))
def test_a_missing_value_makes_every_comparison_false_but_the_negated_ones(value: object) -> None:
    """Two-valued: missing is false, and `not` keeps the people without a value."""
    for operator in ("eq", *ORDERINGS):
        assert compare(operator, None, value) is False
        assert compare(operator, value, None) is False
    assert compare("ne", None, value) is True
    assert compare("in", None, ["a", None]) is False
    assert compare("notin", None, ["a", None]) is True
    assert compare("in", "a", None) is False


def test_values_without_an_order_between_them_are_a_mistake() -> None:
    """A number against text raises: that is an error in the campaign, not in the person."""
    with pytest.raises(TypeError):
        compare("lt", "WI", 3)
    with pytest.raises(TypeError):
        compare("lt", date(2026, 1, 1), datetime(2026, 1, 1, tzinfo=UTC))


def test_confidence_runs_from_official_down_to_unknown() -> None:
    """The order of the reference: official first."""
    assert list(CONFIDENCES) == ["unknown", "conflict", "computed", "secondary", "corroborated", "official"]
    assert Confidence.OFFICIAL > "corroborated" > Confidence.SECONDARY > "computed" > Confidence.CONFLICT > "unknown"


def test_a_stage_is_its_word_everywhere() -> None:
    """Printing, JSON, sets and pickles treat it as text."""
    assert f"{Stage.FILED}" == "filed"
    assert json.dumps({"stage": Stage.FILED}) == '{"stage": "filed"}'
    assert Stage.FILED in {"filed"}
    assert pickle.loads(pickle.dumps(Stage.FILED)) is Stage.FILED
    with pytest.raises(ValueError, match="onborded"):
        Stage("onborded")


def test_a_record_answers_none_for_what_it_does_not_hold() -> None:
    """Missing-safe, in attributes and in brackets."""
    record = Record({"office": "Mayor", "milestones": {"petition_due": None}, "tags": ["a", "b"]})
    assert record.office == "Mayor"
    assert record.nothing is None
    assert record["nothing"] is None
    assert record.milestones == Record({"petition_due": None})
    assert record.tags == ("a", "b")
    assert pickle.loads(pickle.dumps(record)) == record


def test_a_record_cannot_be_changed() -> None:
    """Neither set nor deleted."""
    record = Record({"office": "Mayor"})
    with pytest.raises(AttributeError):
        record.office = "Judge"
    with pytest.raises(AttributeError):
        del record.office


def test_the_repr_of_a_record_shows_no_value() -> None:
    """Names of fields only, because reprs end up in logs."""
    assert repr(Record({"given_name": "Ada", "zip": "53703"})) == "Record(given_name, zip)"
