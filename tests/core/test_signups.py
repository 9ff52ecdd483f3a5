"""Rows into sign-ups."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfs_mail.core.campaign import FieldSpec
from rfs_mail.core.interest import Interest
from rfs_mail.core.signup_columns import Columns, match_columns
from rfs_mail.core.signups import (
    EVERY,
    Rejection,
    RowReader,
    Signup,
    Terms,
    external_key,
    weigh,
)
from rfs_mail.errors import UsageError

NOW = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
FIELDS = {"office_interest": FieldSpec(slug="office_interest", type="choice", values=("school_board", "county"))}


def reader(
    header: str,
    *,
    consent: str | None = "I agree",
    entity: str = "rfs",
    fields: Mapping[str, FieldSpec] = FIELDS,
    signed_up_at: datetime | None = None,
) -> RowReader:
    """A reader for a header written with commas."""
    terms = Terms(entity=entity, secret=b"s" * 32, consent_text=consent, signed_up_at=signed_up_at, now=NOW)
    return RowReader(match_columns(header.split(","), fields), fields, terms)


def signup(header: str, row: str, **terms: object) -> Signup:
    """The sign-up of one row; fails where it is rejected."""
    said = reader(header, **terms).read(2, row.split(","))  # type: ignore[arg-type]
    assert isinstance(said, Signup), said
    return said


# -- columns -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "field"),
    [
        ("E-Mail Address", "email"),
        (" EMAIL: ", "email"),
        ("Correo electrónico", "email"),
        ("FirstName", "given_name"),
        ("first_name", "given_name"),
        ("Last Name", "family_name"),
        ("Zip/Postal Code", "zip"),
        ("State", "state"),
        ("Date of Birth", "birth_year"),
        ("created_at", "signed_up_at"),
        ("Submission ID", "external_id"),
        ("Tag List", "tags"),
        ("Office Interest", "custom.office_interest"),
        ("custom.office_interest", "custom.office_interest"),
    ],
)
def test_a_header_is_known_by_its_usual_names(header: str, field: str) -> None:
    """Case, blanks, accents and punctuation do not matter."""
    columns = match_columns([header] if field == "email" else ["email", header], FIELDS)
    assert field in columns.fields


def test_a_bare_id_is_not_taken_for_the_submission() -> None:
    """A running number is the same in every file, so it would make different people one."""
    assert match_columns(["id", "email"], {}).unused == ("id",)


@pytest.mark.parametrize(
    ("header", "field"),
    [
        ("Office interest", "office_level"),
        ("What office are you interested in?", "office_level"),
        ("office_sought", "office_level"),
        ("Cargo de interés", "office_level"),
        ("Office State", "office_state"),
        ("OCD division ID", "office_division"),
        ("Election year", "election_year"),
        ("Año de la elección", "election_year"),
        ("Party path", "party_path"),
        ("Incumbent?", "incumbent"),
    ],
)
def test_columns_about_an_office_are_known(header: str, field: str) -> None:
    """By the headings of forms and exports; the state she lives in stays a column of its own."""
    assert {"email": 0, "state": 1, field: 2} == match_columns(["email", "state", header], {}).fields


def test_race_is_not_an_office() -> None:
    """On most lists it is a question about the person."""
    assert ("Race",) == match_columns(["email", "Race"], {}).unused


def test_a_declared_field_keeps_its_column() -> None:
    """A project's own office_interest goes on as it was, unless the column is given to the interest, or to both."""
    header = ["email", "Office interest"]
    kept = match_columns(header, FIELDS)
    assert ({"email": 0, "custom.office_interest": 1}, "custom.office_interest") == (kept.fields, kept.custom_office)
    given_away = match_columns(header, FIELDS, {"office_level": "office interest"})
    assert ({"email": 0, "office_level": 1}, None) == (given_away.fields, given_away.custom_office)
    both = match_columns(header, FIELDS, {"office_level": "#2", "office_interest": "#2"})
    assert {"email": 0, "office_level": 1, "custom.office_interest": 1} == both.fields
    beside = match_columns([*header, "Office sought"], FIELDS)
    assert ({"email": 0, "custom.office_interest": 1, "office_level": 2}, None) == (beside.fields, beside.custom_office)


def test_what_is_mapped_by_hand_comes_first() -> None:
    """By name, by what it looks like, and by number."""
    header = ["Mail", "Work E-mail", "What do you want?", "x"]
    mapping = {"email": "work e-mail", "office_interest": "#3", "given_name": "x"}
    columns = match_columns(header, FIELDS, mapping)
    assert columns.named() == {
        "email": "Work E-mail",
        "custom.office_interest": "What do you want?",
        "given_name": "x",
    }
    assert columns.unused == ("Mail",)


@pytest.mark.parametrize(
    ("header", "mapping", "told"),
    [
        (["name", "phone"], {}, "--map email=COLUMN"),
        (["maya@example.org", "Maya"], {}, "Put a header line above it"),
        (["email"], {"emial": "email"}, "Did you mean 'email'?"),
        (["email"], {"shoe_size": "email"}, "fields.yaml"),
        (["email", "Phone"], {"given_name": "Phon"}, "Did you mean 'Phone'?"),
        (["email", "email"], {"email": "email"}, "#1, #2"),
        (["email"], {"email": "#7"}, "the file has 1"),
    ],
)
def test_columns_that_cannot_be_matched_are_told(header: list[str], mapping: dict[str, str], told: str) -> None:
    """The message says what to write instead."""
    with pytest.raises(UsageError) as refused:
        match_columns(header, FIELDS, mapping)
    assert told in str(refused.value)


def test_columns_that_look_alike_are_told() -> None:
    """The one that is used comes first; the others are not used."""
    columns: Columns = match_columns(["Phone", "E-mail", "Email", "Phone #", "phone_number", "Zip"], {})
    assert columns.similar == (("Phone", "Phone #", "phone_number"), ("E-mail", "Email"))
    assert columns.unused == ("Phone", "Email", "Phone #", "phone_number")


def test_look_alikes_are_not_asked_about_once_it_was_said_which() -> None:
    """Whoever wrote --map has decided; other groups are still told."""
    columns: Columns = match_columns(["Phone", "E-mail", "Email", "Phone #"], {}, {"email": "Email"})
    assert columns.similar == (("Phone", "Phone #"),)


# -- rows --------------------------------------------------------------------------------------------------------------


def test_a_row_is_a_sign_up() -> None:
    """Every column in its field, checked."""
    said = signup(
        "email,first_name,last_name,zip,state,language,birth_year,signed_up_at,office_interest,tags,uuid",
        "Maya.O@Example.org,Maya,Okafor,53703,Wisconsin,English,1998,2026-11-03,School Board,a;b,77",
    )
    assert (said.address.key, said.address.mailbox) == ("maya.o@example.org", "Maya.O@example.org")
    assert said.fields == {
        "given_name": "Maya",
        "family_name": "Okafor",
        "state": "WI",
        "zip": "53703",
        "lang": "en",
        "birth_year": 1998,
    }
    assert (said.custom, said.tags, said.external_id) == ({"office_interest": "school_board"}, ("a", "b"), "77")
    assert (said.at, said.consent_text, said.notes) == (datetime(2026, 11, 3, 5, tzinfo=UTC), "I agree", ())


@pytest.mark.parametrize(
    ("header", "row", "state"),
    [
        ("email,zip", "maya@example.org,53703", "WI"),
        ("email,zip,state", "maya@example.org,53703, n/a ", "WI"),
        ("email,zip,state", "maya@example.org,53703,MN", "MN"),
        ("email,zip,state", "maya@example.org,53703,Ontario", None),
        ("email,zip", "maya@example.org,somewhere", None),
    ],
)
def test_a_zip_code_tells_the_state(header: str, row: str, state: str | None) -> None:
    """Where the row has none of its own: a deadline is her state's, and many forms ask for the ZIP code alone."""
    assert state == signup(header, row).fields.get("state")


def test_a_row_says_what_she_wants_to_run_for() -> None:
    """Apart from where she lives; what cannot be read is told with its line, and the row goes on."""
    header = "email,state,office_sought,office_state,election_year"
    said = signup(header, "maya@example.org,WI,School board; dog catcher,MN,2027")
    assert {"state": "WI"} == said.fields
    assert (Interest("school_board", "MN", election_year=2027),) == said.interests
    assert [(2, "office_level", "dog catcher", "dropped")] == [note[:4] for note in said.notes]
    assert () == signup(header, "maya@example.org,WI,,N/A,-").interests


def test_the_same_row_with_another_office_is_another_sign_up() -> None:
    """What she wants belongs to what a row says, and a row without it has the key that it always had."""
    plain = signup("email", "maya@example.org", fields={})
    board, council = (signup("email,office", f"maya@example.org,{office}") for office in ("school board", "council"))
    assert 3 == len({plain.key, board.key, council.key})
    assert plain.key == signup("email,office", "maya@example.org,not sure").key
    assert board.key == signup("email,office", "maya@example.org,School Board").key


def test_blank_cells_say_nothing() -> None:
    """Blanks and words for them leave the field alone; people may be called Null."""
    said = signup("email,first_name,last_name,state,zip", "maya@example.org,Null,N/A, null ,-")
    assert said.fields == {"given_name": "Null"}


@pytest.mark.parametrize(
    ("row", "field"),
    [
        (",Maya", "email"),
        ("maya at example.org,Maya", "email"),
        ("postmaster@example.org,Maya", "email"),
        ("Abuse@example.org,Maya", "email"),
        ("maya@example.org,Maya,surplus", "row"),
    ],
)
def test_a_row_without_a_person_is_rejected(row: str, field: str) -> None:
    """With the line, the field, a reason and all its cells."""
    said = reader("email,first_name").read(7, row.split(","))
    assert isinstance(said, Rejection)
    assert (said.line, said.field, list(said.cells)) == (7, field, row.split(","))
    assert said.reason


def test_a_short_row_is_filled_with_blanks() -> None:
    """Spreadsheets leave trailing cells out, and blank surplus ones in."""
    assert signup("email,first_name,last_name", "maya@example.org,Maya").fields == {"given_name": "Maya"}
    assert signup("email,first_name", "maya@example.org,Maya,,").fields == {"given_name": "Maya"}


@pytest.mark.parametrize(
    ("header", "row", "field", "kind"),
    [
        ("email,state", "maya@example.org,Ontario", "state", "dropped"),
        ("email,office_interest", "maya@example.org,dog catcher", "custom.office_interest", "dropped"),
        ("email,date", "maya@example.org,45964", "signed_up_at", "dropped"),
        ("email,first_name", "maya@example.org," + "x" * 10_000, "given_name", "dropped"),
        ("email,zip", "maya@example.org,2139", "zip", "mended"),
        ("email,state,zip", "maya@example.org,TX,2139", "zip", "dropped"),
        ("email", "maya@gmial.com", "email", "doubtful"),
        ("email", "info@example.org", "email", "doubtful"),
    ],
)
def test_a_cell_that_is_not_right_is_noted_and_its_row_goes_on(header: str, row: str, field: str, kind: str) -> None:
    """Dropped, mended or doubtful; the note stays short."""
    (note,) = signup(header, row).notes
    assert (note.line, note.field, note.kind) == (2, field, kind)
    assert len(note.value) <= 120


@pytest.mark.parametrize(
    ("name", "given", "family"),
    [
        ("Maya Okafor", "Maya", "Okafor"),
        ("Ana María López", "Ana", "María López"),
        ("OKAFOR; MAYA", "OKAFOR;", "MAYA"),
        ("Maya", "Maya", None),
    ],
)
def test_a_whole_name_is_split(name: str, given: str, family: str | None) -> None:
    """At the first blank."""
    fields = signup("email,name", f"maya@example.org,{name}").fields
    assert (fields.get("given_name"), fields.get("family_name")) == (given, family)


def test_a_family_name_before_a_comma_is_seen() -> None:
    """`LAST, FIRST` is how officials write."""
    said = reader("email,name").read(2, ["maya@example.org", "Okafor, Maya"])
    assert isinstance(said, Signup)
    assert said.fields == {"given_name": "Maya", "family_name": "Okafor"}


def test_rows_without_a_date_get_the_one_that_was_given() -> None:
    """The row's own date first, then the file's, then now."""
    given = datetime(2026, 3, 1, tzinfo=UTC)
    header, own, none = "email,date", "maya@example.org,2026-11-03", "maya@example.org,"
    assert signup(header, own, signed_up_at=given).at == datetime(2026, 11, 3, 5, tzinfo=UTC)
    assert signup(header, none, signed_up_at=given).at == given
    assert signup(header, none).at == NOW


def test_the_same_row_has_the_same_key() -> None:
    """In whatever order its columns are, however it is written, and whenever it is read."""
    first = signup("email,first_name,state,zip", "Maya@example.org,Maya,MA,02139")
    assert first.key == signup("zip,state,first_name,email", "2139,Massachusetts,Maya, maya@EXAMPLE.org").key
    assert first.key == signup("email,first_name,state,zip,phone", "maya@example.org,Maya,MA,02139,555").key


@pytest.mark.parametrize(
    ("header", "row", "terms"),
    [
        ("email,first_name", "maya@example.org,May", {}),
        ("email,first_name", "tom@example.org,Maya", {}),
        ("email,last_name", "maya@example.org,Maya", {}),
        ("email,first_name,date", "maya@example.org,Maya,2026-11-03", {}),
        ("email,first_name", "maya@example.org,Maya", {"entity": "rfs_civics"}),
        ("email,first_name", "maya@example.org,Maya", {"consent": None}),
    ],
)
def test_another_row_has_another_key(header: str, row: str, terms: dict[str, object]) -> None:
    """What it says, whom it is for, and whether it brings consent."""
    assert signup("email,first_name", "maya@example.org,Maya").key != signup(header, row, **terms).key


def test_an_id_of_another_system_is_the_key() -> None:
    """Whatever else the row says; for each entity, with consent or without."""
    header = "submission_id,email,first_name"
    first = signup(header, "77,maya@example.org,Maya")
    assert first.key == signup(header, "77,maya@example.org,May").key == external_key("77", "rfs", consent=True)
    keys = {
        first.key,
        signup(header, "77,m@example.org,", entity="x").key,
        signup(header, "77,m@example.org,", consent=None).key,
    }
    assert len(keys) == 3


# -- weighing ----------------------------------------------------------------------------------------------------------

_VALUES = st.sampled_from(["a", "b", "c"])
_DAYS = st.integers(0, 4)
_ROWS = st.lists(st.tuples(_DAYS, st.dictionaries(st.sampled_from(["state", "zip"]), _VALUES, max_size=2)), max_size=6)


def apply_rows(rows: list[tuple[int, dict[str, str]]]) -> dict[str, str]:
    """What is held after these rows, in this order."""
    held: dict[str, str] = {}
    provenance: dict[str, str] = {}
    for day, values in rows:
        at = NOW + timedelta(days=day)
        changes, dated = weigh(held, provenance, values, at)
        held.update(changes)  # type: ignore[arg-type]
        provenance.update(dict.fromkeys(dated, at.isoformat()))
    return held


@given(_ROWS)
def test_the_newest_value_of_each_field_is_held(rows: list[tuple[int, dict[str, str]]]) -> None:
    """Whatever the order rows come in; of the same date, the row that came last."""
    expected: dict[str, str] = {}
    for name in ("state", "zip"):
        said = [(day, place, values[name]) for place, (day, values) in enumerate(rows) if name in values]
        if said:
            expected[name] = max(said)[2]
    assert apply_rows(rows) == expected


def test_an_older_row_fills_gaps_and_nothing_else() -> None:
    """A field without a value takes an old one; one with a value keeps it."""
    provenance = {EVERY: NOW.isoformat()}
    weighed = weigh({"state": "WI", "zip": None}, provenance, {"state": "TX", "zip": "79901"}, NOW - timedelta(days=9))
    assert weighed.changes == {"zip": "79901"}


def test_a_field_that_was_cleared_stays_clear_for_older_rows() -> None:
    """Somebody took the value away; a row from before does not bring it back."""
    provenance = {"state": NOW.isoformat()}
    assert weigh({"state": None}, provenance, {"state": "TX"}, NOW - timedelta(days=1)).changes == {}
    assert weigh({"state": None}, provenance, {"state": "TX"}, NOW + timedelta(days=1)).changes == {"state": "TX"}
