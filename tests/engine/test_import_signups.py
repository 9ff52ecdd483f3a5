"""Files of sign-ups in, with figures that add up."""

import csv
import gc
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from rfs_mail.core.campaign import Campaign, Entity, Entry, FieldSpec, Mail, ReleaseContent, Step, Topic
from rfs_mail.core.interest import Interest
from rfs_mail.engine import import_batches
from rfs_mail.engine.import_signups import ImportReport, import_signups
from rfs_mail.errors import UsageError
from rfs_mail.store.database import Store
from rfs_mail.store.interests import interests_of, set_interests
from rfs_mail.store.people import find_person
from rfs_mail.store.releases import Draft, save_release
from rfs_mail.store.suppressions import suppress
from rfs_mail.store.tables import TABLES

SECRET = b"s" * 32
FIELDS = {"office_interest": FieldSpec(slug="office_interest", type="choice", values=("school_board", "county"))}
NOW = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder for files of sign-ups."""
    made = tmp_path / "files"
    made.mkdir()
    return made


def write(folder: Path, content: str | bytes, name: str = "signups.csv") -> Path:
    """A file of sign-ups."""
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def load(store: Store, path: Path, **more: Any) -> ImportReport:
    """Import with consent to rfs."""
    settings = {
        "source": "web",
        "entity": "rfs",
        "consent_text": "I agree",
        "secret": SECRET,
        "fields": FIELDS,
        "now": NOW,
    }
    return import_signups(store, path, **{**settings, "pause": lambda seconds: None, **more})


def figures(report: ImportReport) -> tuple[int, int, int, int, int]:
    """rows, created, merged, unchanged, rejected."""
    return (report.rows, report.created, report.merged, report.unchanged, report.rejected)


def size(store: Store, table: str) -> int:
    """How many rows a table has."""
    with store.read() as connection:
        return connection.execute(select(func.count()).select_from(TABLES[table])).scalar_one()


def many(count: int) -> str:
    """A file of different people, some of them twice, some of them wrong."""
    lines = ["email,first_name,zip"]
    for number in range(count):
        who = number - 3 if number % 10 == 7 else number
        lines.append(f"p{who}{' at ' if number % 25 == 24 else '@'}example.org,P{number},{53700 + number % 50}")
    return "\n".join(lines)


def test_the_figures_add_up(store: Store, folder: Path) -> None:
    """Created + merged + unchanged + rejected = rows read, then who may be mailed and who may not."""
    path = write(
        folder,
        "email,first_name,state\n"
        "maya@example.org,Maya,WI\n"
        "tom@example.org,Tom,WI\n"
        "maya@example.org,May,\n"
        "tom@example.org,Tom,WI\n"
        "nobody,No,WI\n"
        "luis@example.org,Luis,Ontario\n",
    )
    report = load(store, path)
    assert figures(report) == (6, 3, 1, 1, 1)
    assert (report.people, report.may_be_mailed_by, report.may_not_be_mailed) == (3, {"rfs": 3}, {})
    assert [(note.kind, note.field, note.line, note.count) for note in report.notes] == [("dropped", "state", 7, 1)]
    with store.read() as connection:
        row = connection.execute(select(TABLES["signup_import"])).one()
    assert (row.rows, row.created, row.merged, row.unchanged, row.rejected) == (6, 3, 1, 1, 1)
    assert (row.started_at, row.finished_at, row.rejected_file) == (NOW, NOW, report.rejected_file)


def test_the_same_file_again_changes_nothing(store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over several batches and chunks: every row that was taken is unchanged, and nobody is touched."""
    monkeypatch.setattr(import_batches, "BATCH", 20)
    monkeypatch.setattr(import_batches, "CHUNK", 60)
    path = write(folder, many(250))
    first = load(store, path)
    touched = size(store, "touched")
    again = load(store, path, now=NOW + timedelta(days=1))
    assert figures(first) == (250, 220, 20, 0, 10)
    assert figures(again) == (250, 0, 0, 240, 10)
    assert (size(store, "touched"), size(store, "signup"), size(store, "person")) == (touched, 240, 220)
    assert (again.people, again.may_be_mailed_by) == (first.people, first.may_be_mailed_by) == (220, {"rfs": 220})


@pytest.mark.parametrize("batches", [1, 4, 7])
def test_after_a_crash_the_same_file_finishes_the_job(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch, batches: int
) -> None:
    """The rows that were in are unchanged, and all is as if nothing had happened."""
    monkeypatch.setattr(import_batches, "BATCH", 20)
    monkeypatch.setattr(import_batches, "CHUNK", 60)
    path = write(folder, many(250))

    class Crash(Exception):
        pass

    told: list[int] = []

    def crash(done: int, total: int, rows: int) -> None:
        told.append(rows)
        if len(told) == batches:
            raise Crash

    with pytest.raises(Crash):
        load(store, path, progress=crash)
    in_already = size(store, "signup")
    report = load(store, path)
    assert in_already > 0
    assert report.unchanged == in_already
    assert report.created + report.merged + report.unchanged == 240
    assert (size(store, "person"), size(store, "signup"), report.people) == (220, 240, 220)
    with store.read() as connection:
        imports = connection.execute(select(TABLES["signup_import"]).order_by(TABLES["signup_import"].c.id)).all()
    assert [row.finished_at for row in imports] == [None, NOW]
    assert all(row.created + row.merged + row.unchanged + row.rejected == row.rows for row in imports)


def test_rows_of_one_person_keep_their_order_over_batches(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of rows with the same date the last of the file wins, although a chunk is sorted by address."""
    monkeypatch.setattr(import_batches, "BATCH", 5)
    monkeypatch.setattr(import_batches, "CHUNK", 20)
    lines = [f"p{number % 7}@example.org,Name{number}" for number in range(70)]
    load(store, write(folder, "\n".join(["email,first_name", *lines])), signed_up_at=NOW)
    with store.read() as connection:
        people = [find_person(connection, f"p{number}@example.org") for number in range(7)]
    assert [person.given_name for person in people if person] == [f"Name{number}" for number in range(63, 70)]


def test_a_dry_run_tells_the_same_and_writes_nothing(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Figures, standing, notes and rejections are those of the import; not a row and not a file is made."""
    monkeypatch.setattr(import_batches, "BATCH", 20)
    monkeypatch.setattr(import_batches, "CHUNK", 60)
    load(store, write(folder, many(40), "earlier.csv"))
    before = {table: size(store, table) for table in TABLES}
    files = sorted(folder.iterdir())
    path = write(folder, many(250))
    tried = load(store, path, dry_run=True)
    assert {table: size(store, table) for table in TABLES} == before
    assert sorted(folder.iterdir()) == sorted([*files, path])
    done = load(store, path)
    own = {"dry_run", "import_id", "rejected_file", "would_start", "first_rejected"}
    assert tried.model_dump(exclude=own) == done.model_dump(exclude=own)
    assert (tried.dry_run, tried.import_id, tried.rejected_file) == (True, None, None)


@pytest.mark.parametrize("batch", [1, 2, 10])
def test_a_dry_run_sees_an_id_that_two_people_share(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    """In one batch and over several, as the import does."""
    monkeypatch.setattr(import_batches, "BATCH", batch)
    monkeypatch.setattr(import_batches, "CHUNK", 4)
    rows = ["uuid,email", "7,maya@example.org", "8,tom@example.org", "7,luis@example.org", "7,maya@example.org"]
    path = write(folder, "\n".join(rows))
    tried, done = load(store, path, dry_run=True), load(store, path)
    assert figures(tried) == figures(done)
    assert (done.created, done.rejected > 0, size(store, "identifier")) == (2, True, 2)


def test_a_dry_run_knows_whose_an_id_is_whoever_comes_first_in_a_later_batch(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The id is the first one's over all batches, and her later rows are hers in the dry run too."""
    monkeypatch.setattr(import_batches, "BATCH", 2)
    monkeypatch.setattr(import_batches, "CHUNK", 2)
    rows = ["uuid,email", ",luis@example.org", "7,maya@example.org", "7,luis@example.org", "7,maya@example.org"]
    path = write(folder, "\n".join(rows))
    tried, done = load(store, path, dry_run=True), load(store, path)
    assert (4, 2, 0, 1, 1) == figures(done)
    assert figures(done) == figures(tried)


def campaign(name: str, entity: str, **entry: Any) -> Draft:
    """A campaign of one mail."""
    step = Step(key="hello", action=Mail(template="welcome/hello"))
    made = Campaign(id=name, entity=entity, topic="t", languages=("en",), entry=Entry(**entry), steps=(step,))
    return Draft(made, {}, ReleaseContent())


def test_a_dry_run_says_what_would_start(store: Store, folder: Path) -> None:
    """People with consent whose sign-up is not older than the first apply, for campaigns that a sign-up starts."""
    told = {name: Entity(id=name, name=name, from_name=name, from_address=f"hello@{name}.example.org",
                         list_domain="example.org", bounce_domain="example.org", postal_address="x")
            for name in ("rfs", "rfs_civics")}  # fmt: skip
    content = ReleaseContent(entities=told, topics={"t": Topic(id="t", entity="rfs", name={"en": "T"})})
    drafts = {
        "welcome": campaign("welcome", "rfs", kind="event", event="signup"),
        "civics": campaign("civics", "rfs_civics", kind="event", event="signup"),
        "sunset": campaign("sunset", "rfs", kind="person"),
    }
    with store.begin() as connection:
        save_release(connection, content, drafts, now=NOW - timedelta(days=10), by="test")
    path = write(
        folder,
        "email,date\nmaya@example.org,2026-11-20\nmaya@example.org,2026-11-21\ntom@example.org,2026-11-01\nluis@x.test,\n",
    )
    assert load(store, path, dry_run=True).would_start == {"civics": 0, "welcome": 2}
    assert load(store, path, dry_run=True, consent_text=None).would_start == {"civics": 0, "welcome": 0}
    assert load(store, path).would_start is None
    assert load(store, path, dry_run=True).would_start == {"civics": 0, "welcome": 0}


def test_rejected_rows_are_written_down_and_can_be_imported_once_mended(store: Store, folder: Path) -> None:
    """Line, field and reason, then the row itself under its own header."""
    path = write(folder, 'email,first_name\nmaya at example.org,Maya\n"tom@example.org,Tom\nluis@example.org,Luis\n')
    report = load(store, path)
    assert figures(report) == (3, 1, 0, 0, 2)
    assert report.rejected_file is not None
    rejected = Path(report.rejected_file)
    with rejected.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["line"], row["field"], row["email"]) for row in rows] == [
        ("2", "email", "maya at example.org"),
        ("3", "row", None),
    ]
    assert all(row["reason"] for row in rows)
    rejected.write_text(rejected.read_text().replace(" at ", "@"))
    again = load(store, rejected)
    assert (again.created, again.columns) == (1, {"email": "email", "given_name": "first_name"})


def test_dropped_values_are_written_down(store: Store, folder: Path) -> None:
    """Nothing is lost silently, and no file is made for nothing."""
    report = load(store, write(folder, "email,state,office_interest\nm@example.org,Ontario,dog catcher\n"))
    assert report.rejected_file is None
    assert report.dropped_file is not None
    with Path(report.dropped_file).open(newline="") as file:
        rows = [(row["line"], row["field"], row["value"]) for row in csv.DictReader(file)]
    assert rows == [("2", "state", "Ontario"), ("2", "custom.office_interest", "dog catcher")]


def wanted(store: Store, name: str) -> tuple[Interest, ...]:
    """What somebody wants to run for."""
    with store.read() as connection:
        person = find_person(connection, f"{name}@example.org")
        assert person is not None
        return interests_of(connection, [person.id]).get(person.id, ())


def test_what_people_want_comes_in(store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of rows about one person all of it, each once, over batches; what cannot be read is told and written down."""
    monkeypatch.setattr(import_batches, "BATCH", 2)
    text = (
        "email,state,Office sought,office_state\n"
        "maya@example.org,WI,School Board,\n"
        "tom@example.org,WI,dog catcher,\n"
        "MAYA@example.org,,mayor; school board,\n"
        "luis@example.org,TX,Junta escolar,NM\n"
        "ana@example.org,TX,,\n"
    )
    report = load(store, write(folder, text))
    assert (5, 4, 1, 0, 0) == figures(report)
    assert (Interest("school_board"), Interest("municipal")) == wanted(store, "maya")
    assert (Interest("school_board", "NM"),) == wanted(store, "luis")
    assert () == wanted(store, "tom") == wanted(store, "ana")
    assert report.dropped_file is not None
    assert 'state_lower",dog catcher' in Path(report.dropped_file).read_text()
    assert "office_level" in report.columns
    before = size(store, "interest"), size(store, "touched")
    assert (5, 0, 0, 5, 0) == figures(load(store, write(folder, text)))
    assert before == (size(store, "interest"), size(store, "touched"))


def test_an_import_adds_to_what_people_want_and_takes_nothing_away(store: Store, folder: Path) -> None:
    """A later form adds; one from before the day she said it all herself does not bring back what she left out."""
    head = "email,office,signed_up_at\n"
    load(store, write(folder, f"{head}maya@example.org,mayor,2026-11-01\n"))
    load(store, write(folder, f"{head}maya@example.org,school board,2026-11-02\nmaya@example.org,,2026-11-03\n"))
    assert (Interest("municipal"), Interest("school_board")) == wanted(store, "maya")
    with store.begin() as connection:
        maya = find_person(connection, "maya@example.org")
        assert maya is not None
        set_interests(connection, maya.id, [Interest("county")], now=NOW)
    load(store, write(folder, f"{head}maya@example.org,mayor,2026-11-04\n"))
    assert (Interest("county"),) == wanted(store, "maya")
    load(store, write(folder, f"{head}maya@example.org,judge,2026-11-24\n"), now=NOW + timedelta(days=2))
    assert (Interest("county"), Interest("judicial")) == wanted(store, "maya")


def test_a_trial_writes_down_nothing_that_people_want(store: Store, folder: Path) -> None:
    """And says what it could not read."""
    report = load(store, write(folder, "email,office\nmaya@example.org,mayor\nben@example.org,boss\n"), dry_run=True)
    assert 0 == size(store, "interest")
    assert [("office_level", 3)] == [(note.field, note.line) for note in report.notes]


def test_a_field_that_takes_the_column_of_an_office_is_told(store: Store, folder: Path) -> None:
    """A project's own field keeps it, and whoever wonders about a countdown that does not begin learns how."""
    report = load(store, write(folder, "email,Office interest\nmaya@example.org,county\n"))
    assert () == wanted(store, "maya")
    assert ['--map office_level="Office interest"'] == [
        said[said.index("--map") :] for said in report.warnings if "--map" in said
    ]


def test_what_is_beside_the_file_is_never_overwritten(store: Store, folder: Path) -> None:
    """Somebody may be mending it."""
    kept = write(folder, "mine", "signups.rejected-1.csv")
    report = load(store, write(folder, "email\nnobody\n"))
    assert report.rejected_file == str(folder / "signups.rejected-1-again.csv")
    assert kept.read_text() == "mine"


def test_an_address_with_a_nul_is_nobody_s(store: Store, folder: Path) -> None:
    """Without the byte it would be another address: the row is rejected and says why; a NUL elsewhere is taken out."""
    content = b"email,first_name\nmaria@example.org\0.example.com,Maria\nzoe@example.org,Zo\0e\n"
    report = load(store, write(folder, content))
    assert report.rejected_because == {"email: the address holds a NUL byte: write it anew": 1}
    with store.read() as connection:
        assert find_person(connection, "maria@example.org.example.com") is None
        assert find_person(connection, "zoe@example.org") is not None


@pytest.mark.parametrize(
    ("content", "encoding", "delimiter"),
    [
        ("\ufeffemail,first_name\nzoe@example.org,Zoë\n".encode(), "utf-8", "comma"),
        ("email;first_name\r\nzoe@example.org;Zoë\r\n".encode("cp1252"), "utf-8, 1 line latin-1", "semicolon"),
        ("email\tfirst_name\nzoe@example.org\tZoë\n".encode("utf-16"), "utf-16", "tab"),
        ("email\tfirst_name\nzoe@example.org\tZoë\n".encode("utf-16-le"), "utf-16", "tab"),
        ("email,first_name\rzoe@example.org,Zo\0ë\r".encode(), "utf-8", "comma"),
        ("sep=;\nemail;first_name\nzoe@example.org;Zoë".encode(), "utf-8", "semicolon"),
    ],
)
def test_files_are_read_as_they_come(store: Store, folder: Path, content: bytes, encoding: str, delimiter: str) -> None:
    """Marks, encodings, delimiters, line ends and NUL bytes."""
    report = load(store, write(folder, content))
    with store.read() as connection:
        found = find_person(connection, "zoe@example.org")
    assert found is not None
    assert (found.given_name, report.encoding, report.delimiter) == ("Zoë", encoding, delimiter)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is empty"),
        (b"\n\n  \n", "is empty"),
        (b"PK\x03\x04\x14\x00", "Excel workbook"),
        (bytes(range(256)) * 10, "not a text file"),
        (b"SQLite format 3\0" + bytes(4000), "a database"),
        (b"name,phone\nMaya,555\n", "--map email=COLUMN"),
        (b"maya@example.org,Maya\n", "Put a header line above it"),
        (b'"email,name\nmaya@example.org,Maya\n', "the header cannot be read"),
    ],
)
def test_what_is_no_list_of_sign_ups_is_refused_before_anything_is_written(
    sqlite_store: Store, folder: Path, content: bytes, told: str
) -> None:
    """The message says what to do, and no import is noted."""
    with pytest.raises(UsageError) as refused:
        load(sqlite_store, write(folder, content))
    assert told in str(refused.value)
    assert size(sqlite_store, "signup_import") == 0


def test_a_file_that_is_not_there_is_told(sqlite_store: Store, folder: Path) -> None:
    """A missing file and a folder."""
    for path in (folder / "none.csv", folder):
        with pytest.raises(UsageError, match="cannot be read"):
            load(sqlite_store, path)


def test_a_huge_field_costs_its_value_or_its_row(store: Store, folder: Path) -> None:
    """Ten megabytes: dropped as a name, rejected as an address, no matter in a column that is not used."""
    huge = "x" * 10_000_000
    content = f"email,first_name,notes\nm@example.org,{huge},\n{huge},Tom,\nl@example.org,Luis,{huge}\n"
    report = load(store, write(folder, content))
    assert figures(report) == (3, 2, 0, 0, 1)
    assert report.rejected_because == {"email: 10,000,000 characters are too long for an address.": 1}
    assert [(note.field, note.reason) for note in report.notes] == [
        ("given_name", "10,000,000 characters; at most 200 fit")
    ]
    assert len(report.model_dump_json()) < 4000


def test_why_somebody_may_not_be_mailed_is_told(store: Store, folder: Path) -> None:
    """For want of consent, because she left, because her address bounced."""
    with store.begin() as connection:
        from rfs_mail.core.person import address_hash

        for name, reason in (("tom", "unsubscribed"), ("luis", "hard_bounce")):
            hashed = address_hash(SECRET, f"{name}@example.org")
            scope, scope_id = ("entity", "rfs") if reason == "unsubscribed" else ("all", "")
            suppress(connection, hashed, scope=scope, scope_id=scope_id, reason=reason, source="test", now=NOW)
    path = write(folder, "email\nmaya@example.org\ntom@example.org\nluis@example.org\n")
    report = load(store, path)
    assert (report.may_be_mailed_by, report.may_not_be_mailed) == ({"rfs": 1}, {"suppressed": 1, "unsubscribed": 1})
    report = load(store, path, entity="rfs_civics", consent_text=None)
    assert (report.may_be_mailed_by, report.may_not_be_mailed) == ({"rfs": 1}, {"no_consent": 2, "suppressed": 1})


def test_consent_that_comes_later_is_taken(store: Store, folder: Path) -> None:
    """The same file, first without consent and then with it."""
    path = write(folder, "email\nmaya@example.org\n")
    assert load(store, path, consent_text=None).may_be_mailed_by == {}
    assert load(store, path).may_be_mailed_by == {"rfs": 1}


def test_progress_is_told_in_bytes_and_rows(store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both grow, and end at the size of the file and the number of its rows."""
    monkeypatch.setattr(import_batches, "BATCH", 20)
    monkeypatch.setattr(import_batches, "CHUNK", 60)
    path = write(folder, many(250))
    told: list[tuple[int, int, int]] = []
    load(store, path, progress=lambda done, total, rows: told.append((done, total, rows)))
    assert told == sorted(told)
    assert told[-1] == (path.stat().st_size, path.stat().st_size, 250)


def test_without_a_suppression_key_nothing_is_imported(sqlite_store: Store, folder: Path) -> None:
    """Nobody could be kept out."""
    with pytest.raises(UsageError, match="suppression_key"):
        load(sqlite_store, write(folder, "email\nmaya@example.org\n"), secret=b"")


def test_the_collector_is_left_as_it_was(sqlite_store: Store, folder: Path) -> None:
    """Also where an import fails."""
    before = gc.get_threshold()
    load(sqlite_store, write(folder, "email\nmaya@example.org\n"))
    with pytest.raises(UsageError):
        load(sqlite_store, write(folder, "nothing\n"))
    assert gc.get_threshold() == before


def test_two_imports_at_once_make_each_person_once(store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same people from two sources, in opposite order: no import fails and nobody is there twice."""
    monkeypatch.setattr(import_batches, "BATCH", 10)
    monkeypatch.setattr(import_batches, "CHUNK", 20)
    people = [f"p{number}@example.org" for number in range(120)]
    one = write(folder, "\n".join(["email", *people]), "one.csv")
    two = write(folder, "\n".join(["email", *reversed(people)]), "two.csv")
    other = Store(store.url.render_as_string(hide_password=False))
    reports: dict[str, ImportReport] = {}

    def run(name: str, where: Store, path: Path) -> None:
        reports[name] = load(where, path, source=name)

    threads = [
        threading.Thread(target=run, args=("one", store, one)),
        threading.Thread(target=run, args=("two", other, two)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.close()
    assert {name: report.rows for name, report in reports.items()} == {"one": 120, "two": 120}
    assert sum(report.created for report in reports.values()) == 120
    assert (size(store, "person"), size(store, "signup"), size(store, "consent")) == (120, 240, 120)


_CELLS = st.sampled_from(["", "Maya", "a,b", 'say "x"', "two\nlines", "É", "2139"])
_EMAILS = st.sampled_from([f"p{number}@example.org" for number in range(5)] + ["nobody", "", "P1@EXAMPLE.org"])


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(rows=st.lists(st.tuples(_EMAILS, _CELLS, _CELLS), max_size=12))
def test_any_file_adds_up_and_is_unchanged_the_second_time(
    sqlite_store: Store, folder: Path, rows: list[tuple[str, str, str]]
) -> None:
    """Whatever its rows say."""
    path = folder / "any.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("email", "first_name", "zip"), *rows])
    first, again = load(sqlite_store, path), load(sqlite_store, path)
    for report in (first, again):
        assert report.created + report.merged + report.unchanged + report.rejected == report.rows
    assert (again.created, again.merged, again.rejected) == (0, 0, first.rejected)
    assert first.rows + first.blank_rows == len(rows)
