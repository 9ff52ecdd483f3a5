"""The deadline of the story: the file that moves it, what is read from both, and what stays of it for `--keep`."""

import json
import shutil
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from rfs_mail.cli.demo.deadline import (
    MOVING,
    SHIPPED,
    Filed,
    Moved,
    Stood,
    note_filed,
    read_filed,
    read_windows,
    to_file,
    what_stood,
    write_moving,
)
from tests.render_samples import ROOT

BEGUN, MOVED_AT = datetime(2026, 11, 10, 12, tzinfo=UTC), datetime(2026, 12, 14, 16, tzinfo=UTC)
MOVED = Moved(
    MOVED_AT,
    date(2027, 1, 5),
    date(2027, 1, 8),
    3,
    0,
    2,
    0,
    "4 windows moved.",
    ("ana@example.org", "bo@example.org"),
    ("bo@example.org",),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the shipped windows."""
    for name in (SHIPPED, MOVING):
        (tmp_path / name).parent.mkdir()
    shutil.copy(ROOT / SHIPPED, tmp_path / SHIPPED)
    return tmp_path


def test_the_move_is_about_wisconsin_s_four_windows(folder: Path) -> None:
    """The file has the rows of Wisconsin that are ahead, three days later, and says that it is made up."""
    path = write_moving(folder, MOVED_AT.date())
    assert {one.window_id: (one.closes_on, one.closes_at) for one in read_windows(path, MOVED_AT)} == {
        f"wi-2027-spring-{office}": (date(2027, 1, 8), datetime(2027, 1, 8, 23, tzinfo=UTC))
        for office in ("county", "judicial", "municipal", "school-board")
    }
    text = path.read_text(encoding="utf-8")
    assert text.count("2027-01-08 17:00") == text.count("Made up for the demo") == 4  # the signatures move along


def test_what_stood_when(folder: Path) -> None:
    """Each window says what its file said, and Wisconsin's another thing from the move on."""
    write_moving(folder, MOVED_AT.date())
    said = what_stood(folder, BEGUN, MOVED)
    assert [(one.since, one.closes_on) for one in said["wi-2027-spring-county"]] == [
        (BEGUN, date(2027, 1, 5)), (MOVED_AT, date(2027, 1, 8)),
    ]  # fmt: skip
    assert [one.closes_on for one in said["tx-2027-may-municipal"]] == [date(2027, 2, 12)]
    assert what_stood(folder, BEGUN, None)["wi-2027-spring-county"] == said["wi-2027-spring-county"][:1]


def test_a_closing_without_an_hour_is_the_end_of_its_day(folder: Path) -> None:
    """Mississippi's first of February has no hour, so that the day is over when it ends at the office."""
    (one,) = (one for one in read_windows(folder / SHIPPED, BEGUN) if one.window_id.startswith("ms-2027"))
    assert (one.closes_on, one.closes_at) == (date(2027, 2, 1), datetime(2027, 2, 2, 6, tzinfo=UTC))


def test_what_can_be_filed_for(folder: Path) -> None:
    """The first that is open, and what is left; nothing where none is open yet, or where there is nothing to want."""
    known: list[Stood] = read_windows(folder / SHIPPED, BEGUN)
    school, county, texas = "wi-2027-spring-school-board", "wi-2027-spring-county", "tx-2027-may-municipal"
    assert to_file(known, [texas, county, school], date(2026, 12, 1)) == (county, (texas, school))
    assert to_file(known, [county], date(2026, 11, 30)) == (None, (county,))
    assert to_file(known, [], date(2026, 12, 1)) == (None, ())


def test_what_is_kept(folder: Path) -> None:
    """The move and who has filed come back as they were written."""
    assert Moved.of_values(json.loads(json.dumps(MOVED.as_values()))) == MOVED
    assert read_filed(folder) == []
    notes = [Filed("ana@example.org", "wi", ("tx",), 3), Filed("bo@example.org", "wi", (), 4)]
    for one in notes:
        note_filed(folder, one)
    assert read_filed(folder) == notes
