"""What staff ask every morning, asked on the command line of a whole installation."""

import json

import pytest

from rfs_mail.engine import feedback
from rfs_mail.store import outbox, tasks
from rfs_mail.store.tables import TABLES
from tests.cli.conftest import Desk, MakeDesk
from tests.world import at

WELCOME = """
name: Welcome
audience:
  - stage in ["signed_up", "onboarded"]
entry: {event: signup}
steps:
  - {key: hello, mail: a, cap: exempt}
  - {key: offices, at: entry + 2d @ 10:00, mail: b}
  - {key: call, at: entry + 3d, task: {title: "Call {{ given_name }}", for: region, due: 1d}}
goal: stage >= "exploring"
"""


@pytest.fixture
def desk(make_desk: MakeDesk) -> Desk:
    """Two people who signed up on a Monday; one tick an hour later."""
    desk = make_desk(welcome=WELCOME)
    desk.world.apply("11-23 09:00")
    desk.world.signs_up("maria", "11-23 10:00", family_name="Lopez", state="WI")
    desk.world.signs_up("ben", "11-23 10:00", state="OH")
    desk.world.tick("11-23 11:00")
    return desk


def export(desk: Desk, email: str) -> dict[str, list[dict[str, object]]]:
    found: dict[str, list[dict[str, object]]] = json.loads(desk.says("people", "export", email))
    return found


# -- the log -----------------------------------------------------------------------------------------------------------


def test_the_log_lists_who_got_what(desk: Desk) -> None:
    """A line each, the newest first, on the clock of its person."""
    assert desk.says("deliveries", "list") == (
        "ID  WHEN                  TO                 CAMPAIGN  STEP   STATE  WHY\n"
        "2   2026-11-23 11:00 EST  ben@example.org    welcome   hello  sent\n"
        "1   2026-11-23 11:00 EST  maria@example.org  welcome   hello  sent\n"
    )


def test_the_log_goes_on_where_it_ended(desk: Desk) -> None:
    """A list that is longer than its limit says how to go on."""
    first = desk.says("deliveries", "list", "--limit", "1")
    assert first.endswith("There are more: --after 2\n")
    assert [row["id"] for row in desk.json("deliveries", "list", "--limit", "1", "--after", "2")] == [1]


def test_the_log_is_narrowed_by_what_staff_know(desk: Desk) -> None:
    """By person, state and time; a reason comes with its sentence."""
    desk.world.settings_are(only_to=("maria@example.org",))
    desk.world.tick("11-25 10:00")
    rows = desk.json("deliveries", "list", "--since", "yesterday", "--state", "skipped")
    assert [(row["address"], row["reason"], row["why"]) for row in rows] == [
        ("ben@example.org", "not_only_to", "`only_to` lets mail go to maria@example.org alone")
    ]
    mine = desk.json("deliveries", "list", "--person", "MARIA@example.org", "--since", "2026-11-25")
    assert [row["step_key"] for row in mine] == ["offices"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--state", "snt"), "Did you mean sent?"),
        (("--reason", "caped"), "Did you mean capped?"),
        (("--campaign", "welcom"), "Did you mean welcome?"),
        (("--person", "nobody@example.org"), "Nobody here has the address nobody@example.org."),
        (("--since", "whenever"), "'whenever' is no moment."),
        (("--after", "x"), "'x' is no place in the list."),
    ],
)
def test_a_slip_in_a_question_gets_a_hint(desk: Desk, words: tuple[str, ...], said: str) -> None:
    """Asked wrongly is exit code 2, with what was probably meant."""
    assert said in desk.says("deliveries", "list", *words, code=2)


def test_a_delivery_is_shown_and_its_message_is_exact(desk: Desk) -> None:
    """The same bytes again, to the last one; then with a template that changed since."""
    card = desk.says("deliveries", "show", "1")
    assert card.startswith("Delivery 1: welcome hello to maria@example.org, sent\n")
    assert "  settled      2026-11-23 11:00 EST\n" in card
    found = desk.json("deliveries", "show", "1", "--message")
    assert (found["exact"], found["differs"]) == (True, [])
    assert found["message"].replace("\r\n", "\n").startswith("From: ")


def test_a_message_that_differs_says_so(desk: Desk) -> None:
    """Where the bytes do not come out as they went, that is wrong, and said."""
    table = TABLES["delivery"]
    with desk.world.store.begin() as connection:
        row = outbox.get(connection, 1)
        assert row is not None
        connection.execute(table.update().where(table.c.id == 1).values(made={**row.made, "size": 5, "sha256": "x"}))
    found = desk.json("deliveries", "show", "1", "--message", code=1)
    assert found["exact"] is False
    assert found["differs"][0]["sent"] == "5 bytes"
    said = desk.says("deliveries", "show", "1", "--message", code=1)
    assert said.startswith("not exact (built again, ")
    assert "\n  message: was '5 bytes', is now '" in said
    assert "\n  because: nothing that is kept with it has changed" in said


def test_uncertain_mail_is_decided_by_staff(desk: Desk) -> None:
    """Noted as sent or sent again; what needs no decision is refused by name."""
    desk.world.tick("11-25 10:00")
    table = TABLES["delivery"]
    with desk.world.store.begin() as connection:
        connection.execute(table.update().where(table.c.id.in_((1, 3, 4))).values(state="uncertain"))
    assert desk.says("deliveries", "resolve", "3", "--sent") == "1 delivery noted as sent.\n"
    said = desk.says("deliveries", "resolve", "4", "2", "99", "--resend", code=1)
    assert said == (
        "1 delivery queued again.\n"
        "Not decided: delivery 2 is sent; there is nothing to decide.\n"
        "Not decided: there is no delivery 99.\n"
    )
    desk.world.now = at("11-26 12:00")
    assert "it is too late now" in desk.says("deliveries", "resolve", "1", "--resend", code=1)
    assert desk.world.tick().sent == 1


def test_resolve_needs_a_decision(desk: Desk) -> None:
    """Neither word, or both, is no decision; nor is none at all about nothing."""
    assert "Say --resend or --sent." in desk.says("deliveries", "resolve", "1", code=2)
    assert "Say --resend or --sent." in desk.says("deliveries", "resolve", "1", "--sent", "--resend", code=2)
    assert "Name the deliveries" in desk.says("deliveries", "resolve", "--sent", code=2)


def test_what_failed_goes_again_when_the_template_is_mended(desk: Desk) -> None:
    """All that failed and still has time, at once."""
    table = TABLES["delivery"]
    with desk.world.store.begin() as connection:
        connection.execute(table.update().values(state="failed", reason="render_failed", detail={"error": "x"}))
    assert desk.says("deliveries", "resolve", "--failed", "--resend", "--step", "hello") == (
        "2 deliveries queued again.\n"
    )
    assert desk.world.tick("11-23 12:00").sent == 2


def test_following_shows_what_comes(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """--follow prints what is settled from now on, once each, until Ctrl-C."""
    turns = iter(["11-25 10:00", "11-25 10:00", None])

    def sleep(_seconds: float) -> None:
        when = next(turns)
        if when is None:
            raise KeyboardInterrupt
        desk.world.tick(when)

    monkeypatch.setattr("rfs_mail.cli.deliveries.time.sleep", sleep)
    lines = desk.run("deliveries", "list", "--follow").stdout.splitlines()
    assert [line.split("  ", 1)[1] for line in lines] == [
        "maria@example.org  welcome hello sent", "ben@example.org  welcome hello sent",
        "maria@example.org  welcome offices sent", "ben@example.org  welcome offices sent",
    ]  # fmt: skip


# -- people ------------------------------------------------------------------------------------------------------------


def test_people_are_found_by_condition(desk: Desk) -> None:
    """Everybody, or those for whom a condition holds; a slip gets the corrected line."""
    assert [row["address"] for row in desk.json("people", "list", "--where", 'state == "WI"')] == ["maria@example.org"]
    assert desk.says("people", "list", "--limit", "1").endswith("The first 1 person; --all shows everybody.\n")
    assert desk.says("people", "list", "--all", "--csv").count("@example.org") == 2
    assert 'Write: state == "WI"' in desk.says("people", "list", "--where", 'state = "WI"', code=2)
    assert "exclude each other" in desk.says("people", "list", "--where", "true", "--segment", "x", code=2)


def test_segments_are_counted(desk: Desk) -> None:
    """The named ones with their people, and any condition."""
    rows = {row["name"]: row["people"] for row in desk.json("segments", "list")}
    assert rows["wisconsin"] == 1
    assert desk.says("segments", "show", "wisconsin").startswith('wisconsin: 1 person\n  state == "WI"\n')
    assert desk.says("segments", "count", 'state in ["WI", "OH"]') == "2 people\n"
    assert "Did you mean wisconsin?" in desk.says("segments", "show", "wisconsn", code=2)


def test_what_lies_ahead_of_somebody_suppressed_says_that_it_does_not_go(desk: Desk) -> None:
    """Her way goes on, her mail does not: staff must not read the plan as mail."""
    said = "What lies ahead, if nothing changes. What she is suppressed for, above, does not go\n"
    assert said not in desk.says("people", "show", "maria@example.org")
    desk.says("suppressions", "add", "maria@example.org")
    assert said in desk.says("people", "show", "maria@example.org")


def test_a_person_is_shown_with_past_and_plan(desk: Desk) -> None:
    """What happened in order, then what lies ahead, all on her clock."""
    said = desk.says("people", "show", "maria@example.org")
    assert "  name     Maria Lopez\n" in said
    past, _, ahead = said.partition("What lies ahead")
    assert "2026-11-23 10:00 EST  entered welcome\n" in past
    assert "2026-11-23 11:00 EST  welcome hello sent  (delivery 1)\n" in past
    assert "2026-11-25 10:00 EST  welcome offices planned\n" in ahead
    found = desk.json("people", "show", "maria@example.org")
    assert [moment["step"] for moment in found["moments"] if moment["ahead"]] == ["offices"]


def test_setting_fields_is_checked_before_anything_is_written(desk: Desk) -> None:
    """A value that does not fit changes nothing; the same again says so; tags go on and off."""
    ben = ("people", "set", "ben@example.org")
    assert "Did you mean exploring?" in desk.says(*ben, "zip=43004", "stage=explorng", code=2)
    assert "no field" in desk.says(*ben, "shoe=43", code=2)
    assert export(desk, "ben@example.org")["person"][0]["zip"] is None
    assert desk.says(*ben, "zip=43004", "tag=vip") == "ben@example.org: zip, tag vip set.\n"
    assert "nothing changed" in desk.says(*ben, "zip=43004", "tag=vip")
    assert desk.says(*ben, "zip=", "untag=vip") == "ben@example.org: zip, untag vip set.\n"


def test_staff_say_what_somebody_wants(desk: Desk) -> None:
    """All of it, one thing more, and nothing; a slip changes nothing and names the nearest word."""
    ben = ("people", "set", "ben@example.org")
    assert "Nearest: school_board" in desk.says(*ben, "zip=43004", "wants=school_bord in WI", code=2)
    assert export(desk, "ben@example.org")["person"][0]["zip"] is None
    assert desk.says(*ben, "wants=school board in WI 2027; mayor") == (
        "ben@example.org: wants set.\nben@example.org wants school_board in WI 2027; municipal.\n"
    )
    assert "nothing changed" in desk.says(*ben, "wants=municipal; school_board in Wisconsin 2027")
    assert desk.says(*ben, "wants+=Judge as independent").endswith("; municipal; judicial as unaffiliated.\n")
    rows = export(desk, "ben@example.org")["interest"]
    assert [row["office_level"] for row in rows] == ["school_board", "municipal", "judicial"]
    assert "school_board" in desk.says("people", "show", "ben@example.org")
    assert desk.says(*ben, "wants=") == "ben@example.org: wants set.\nben@example.org wants nothing that we know of.\n"
    desk.says(*ben, "wants=any")
    desk.says("people", "erase", "ben@example.org", "--yes")
    assert desk.world.rows("interest", "id") == []


def test_staff_record_what_happened(desk: Desk) -> None:
    """A happening is an event that expressions see; an unknown calendar name is refused before anything is written."""
    assert "in the calendar" in desk.says("people", "set", "ben@example.org", "attended=nowhere", "zip=1", code=2)
    assert "one word" in desk.says("people", "set", "ben@example.org", "event=two words", code=2)
    desk.says("people", "set", "ben@example.org", "event=recommitted")
    assert desk.says("segments", "count", 'event("recommitted")').startswith("1 ")


def test_a_stage_can_be_about_a_window(desk: Desk) -> None:
    """--window needs a window that is known and a stage that is about one."""
    assert "no filing window" in desk.says("people", "set", "ben@example.org", "stage=filed", "--window", "w", code=2)
    window = TABLES["filing_window"]
    with desk.world.store.begin() as connection:
        connection.execute(window.insert().values(id="wi-2027", updated_at=desk.world.now))
    assert "Say one of" in desk.says("people", "set", "ben@example.org", "zip=43004", "--window", "wi-2027", code=2)
    desk.says("people", "set", "ben@example.org", "stage=filed", "--window", "wi-2027")
    assert [(row.window_id, row.status) for row in desk.world.rows("candidacy", "window_id", "status")] == [
        ("wi-2027", "filed")
    ]


def test_stop_stops_what_waits_and_restart_lifts_it(desk: Desk) -> None:
    """Staff's word holds at once, with the reason, until they take it back."""
    with desk.world.store.begin() as connection:
        connection.execute(TABLES["delivery"].update().values(state="queued"))
    said = desk.says("people", "stop", "ben@example.org", "--because", "asked by phone")
    assert "1 mail that waited will not go." in said
    assert desk.world.tick("11-23 12:00").sent == 1
    assert desk.says("people", "restart", "ben@example.org") == "ben@example.org: mail may go again.\n"
    assert "nothing changed" in desk.says("people", "restart", "ben@example.org")


def test_erasing_leaves_nothing_but_the_hash(desk: Desk) -> None:
    """Every row goes, the address stays suppressed, the link in her mail still works; a second time finds nobody."""
    assert "Say --yes." in desk.says("people", "erase", "ben@example.org", code=2)
    assert "is forgotten" in desk.says("people", "erase", "ben@example.org", "--yes")
    assert "Nobody here has the address" in desk.says("people", "erase", "ben@example.org", "--yes", code=2)
    with desk.world.store.begin() as connection:
        left = {
            name
            for name, table in TABLES.items()
            if "person_id" in table.c and connection.execute(table.select().where(table.c.person_id == 2)).all()
        }
        addressee = outbox.addressee(connection, 2)
        assert addressee is not None
        gone = feedback.unsubscribe(connection, addressee, scope="entity", source="one-click", now=desk.world.now)
    assert (left, addressee.person_id, gone.skipped) == (set(), None, 0)
    assert sorted(row["reason"] for row in desk.json("suppressions", "list")) == ["erased", "unsubscribed"]
    assert [row.address for row in desk.world.rows("person", "address")] == ["maria@example.org"]


def test_a_mail_at_the_wire_keeps_a_person_from_being_erased(desk: Desk) -> None:
    """What is leaving at this moment has to come to its end first."""
    with desk.world.store.begin() as connection:
        connection.execute(TABLES["delivery"].update().where(TABLES["delivery"].c.id == 1).values(state="sending"))
    assert "Try again in a minute." in desk.says("people", "erase", "maria@example.org", "--yes", code=2)


def test_an_export_has_every_table(desk: Desk) -> None:
    """Whoever asks what we know gets all of it."""
    found = export(desk, "maria@example.org")
    assert {"person", "signup", "consent", "enrollment", "delivery", "step_done"} <= set(found)


# -- campaigns ---------------------------------------------------------------------------------------------------------


def test_campaigns_are_listed_and_shown_with_their_funnel(desk: Desk) -> None:
    """How many are in it, what each step did, why mail did not go."""
    desk.world.settings_are(only_to=("maria@example.org",))
    desk.world.tick("11-25 10:00")
    assert [(row["id"], row["state"], row["active"]) for row in desk.json("campaigns", "list")] == [
        ("welcome", "running", 2)
    ]
    found = desk.json("campaigns", "show", "welcome")
    assert [(step["key"], step["sent"], step["not_sent"], step["waiting"]) for step in found["steps"]] == [
        ("hello", 2, 0, 0), ("offices", 1, 1, 0), ("call", 0, 0, 2),
    ]  # fmt: skip
    assert found["reasons"] == [{"step": "offices", "reason": "not_only_to", "number": 1, "held": False}]
    said = desk.says("campaigns", "show", "welcome")
    assert "2 people in it, 0 through" in said
    assert "Not sent, by reason\n          1  offices  not only to\n" in said


def test_pausing_stops_mail_and_says_who_did_it(desk: Desk) -> None:
    """A pause needs a reason, shows in status, and ends with resume; both once."""
    assert "Missing option" in desk.says("campaigns", "pause", "welcome", code=2)
    assert "is paused." in desk.says("campaigns", "pause", "welcome", "--because", "wrong date")
    assert "already" in desk.says("campaigns", "pause", "welcome", "--because", "wrong date")
    assert desk.world.tick("11-25 10:00").sent == 0
    assert "welcome is paused by" in desk.says("status", code=1)
    assert desk.says("campaigns", "resume", "welcome") == "welcome goes on.\n"
    assert desk.world.tick("11-25 10:30").sent == 2
    assert "Did you mean welcome?" in desk.says("campaigns", "pause", "welcom", "--because", "x", code=2)


def test_a_preview_is_the_mail_as_the_files_are_now(desk: Desk) -> None:
    """Text to the terminal, HTML to a file, for a sample or for a real person; applied or not."""
    said = desk.says("campaigns", "preview", "welcome", "hello", "--as", "maria@example.org")
    assert "Step:     hello (welcome/a, en)\nTo:       maria@example.org\n" in said
    assert "Unsubscribe" in said
    page = desk.world.folder / "mail.html"
    desk.says("campaigns", "preview", "welcome", "offices", "--html", str(page))
    assert "<html" in page.read_text()
    assert len(desk.json("campaigns", "preview", "welcome")) == 2
    assert "Did you mean hello?" in desk.says("campaigns", "preview", "welcome", "helo", code=2)
    assert "not written in fr" in desk.says("campaigns", "preview", "welcome", "hello", "--lang", "fr", code=2)
    assert "no variant urgent" in desk.says("campaigns", "preview", "welcome", "hello", "--variant", "urgent", code=2)


def test_a_test_goes_by_the_relay_and_is_no_delivery(desk: Desk) -> None:
    """Marked in its subject, recorded nowhere; suppression and only_to hold for it too."""
    before = len(desk.world.deliveries())
    said = desk.says("campaigns", "send-test", "welcome", "hello", "--to", "me@example.org")
    assert said.startswith("Sent to me@example.org by memory: [test] ")
    assert len(desk.world.deliveries()) == before
    desk.says("suppressions", "add", "me@example.org")
    assert "is suppressed" in desk.says("campaigns", "send-test", "welcome", "hello", "--to", "me@example.org", code=2)
    desk.world.settings_are(only_to=("@ourorg.example.org",))
    assert "only_to" in desk.says("campaigns", "send-test", "welcome", "hello", "--to", "you@example.org", code=2)


def test_a_campaign_that_is_not_there_cannot_be_previewed(desk: Desk) -> None:
    """It is not called broken: there is no such file, and the nearest name is offered."""
    said = desk.run("campaigns", "preview", "welcom")
    assert (2, "") == (said.exit_code, said.stdout)
    assert said.stderr.startswith("No file has the campaign welcom.")


def test_a_new_campaign_is_written_and_can_be_previewed(desk: Desk) -> None:
    """A starter lies in the files at once; the same id again is refused."""
    assert "campaigns/first.yaml" in desk.says("campaigns", "new", "first", "--from", "series")
    assert "Subject:" in desk.says("campaigns", "preview", "first")
    assert "already" in desk.says("campaigns", "new", "first", "--from", "series", code=2)


# -- every morning -----------------------------------------------------------------------------------------------------


def test_the_agenda_counts_people_by_hour(desk: Desk) -> None:
    """Queued and planned mails by hour, campaign and step; tasks are not mail."""
    assert desk.says("agenda") == "Nothing is planned for the next day.\n"
    assert desk.says("agenda", "--days", "7", "--zone", "America/New_York") == (
        "HOUR                  CAMPAIGN  STEP     PEOPLE\n"
        "2026-11-25 10:00 EST  welcome   offices       2\n"
        "\n2 mails in the next 7 days.\n"
    )
    assert 'No time zone "EST"' in desk.says("agenda", "--zone", "EST", code=2)


def test_status_is_fine_when_nothing_is_wrong(desk: Desk) -> None:
    """Nothing to look after is one line and exit code 0."""
    assert desk.says("status").startswith("Everything is fine.\n")


def test_status_names_everything_that_waits_for_a_person(desk: Desk) -> None:
    """Uncertain mail, failing templates, overdue tasks, rejected rows: each with what to do; exit code 1."""
    table, imports = TABLES["delivery"], TABLES["signup_import"]
    desk.world.ticks("11-25 10:00", "11-26 12:00")
    desk.world.now = at("11-28 12:00")
    with desk.world.store.begin() as connection:
        connection.execute(table.update().where(table.c.id == 3).values(state="uncertain"))
        failed = {"state": "failed", "reason": "render_failed", "detail": {"error": "b.md: no such name"}}
        connection.execute(table.update().where(table.c.id == 4).values(**failed))
        connection.execute(
            imports.insert().values(file="new.csv", started_at=desk.world.now, finished_at=desk.world.now, rejected=3)
        )
    troubles = desk.json("status", code=1)["status"]["troubles"]
    assert {trouble["kind"]: trouble["number"] for trouble in troubles} == {
        "uncertain": 1, "template": 1, "task": 2, "import": 3,
    }  # fmt: skip
    said = desk.says("status", code=1)
    assert "welcome offices: 1 mail failed: the template failed: b.md: no such name" in said
    assert "2 tasks for region overdue" in said


def test_watching_the_status_ends_with_ctrl_c(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """--watch looks again until it is told to end."""
    turns = iter([None])

    def sleep(_seconds: float) -> None:
        if next(turns, "over") == "over":
            raise KeyboardInterrupt

    monkeypatch.setattr("rfs_mail.cli.status.time.sleep", sleep)
    assert desk.says("status", "--watch").count("Everything is fine.") == 2


def test_tasks_are_done_or_dropped(desk: Desk) -> None:
    """Open ones with their people; closing one that is not open changes nothing."""
    desk.world.ticks("11-25 10:00", "11-26 12:00")
    rows = desk.json("tasks", "list", "--for", "region")
    assert [(row["title"], row["address"]) for row in rows] == [
        ("Call Maria", "maria@example.org"), ("Call Ben", "ben@example.org"),
    ]  # fmt: skip
    assert desk.says("tasks", "done", str(rows[0]["id"]), "--note", "left a message") == "1 task done.\n"
    refused = desk.says("tasks", "drop", str(rows[1]["id"]), str(rows[0]["id"]), code=2)
    assert f"no open task {rows[0]['id']}" in refused
    with desk.world.store.read() as connection:
        assert [row.id for row in tasks.search(connection)] == [rows[1]["id"]]
    assert desk.says("tasks", "drop", str(rows[1]["id"])) == "1 task dropped.\n"
    assert desk.says("tasks", "list") == "No open tasks.\n"


def test_explain_reads_from_left_to_right(desk: Desk) -> None:
    """The whole answer about one campaign, as staff read it."""
    assert desk.says("explain", "maria@example.org", "welcome") == (
        "maria@example.org  Maria Lopez  stage signed_up  WI  America/New_York\n"
        "\n"
        "welcome (Welcome)\n"
        "  entered Mon 23 Nov 10:00 her time (by her sign-up), goes on\n"
        "    hello    sent     2026-11-23 11:00 EST  (delivery 1)\n"
        "    offices  planned  2026-11-25 10:00 EST  2 days after she enters, 10:00 her time\n"
        "    call     planned  2026-11-26 10:00 EST  3 days after she enters\n"
    )
    assert "Did you mean hello?" in desk.says("explain", "maria@example.org", "welcome", "helo", code=2)
    assert desk.json("explain", "maria@example.org")["campaigns"][0]["enrollments"][0]["steps"][0]["state"] == "sent"


# -- suppressions ------------------------------------------------------------------------------------------------------


def test_staff_suppress_and_lift_their_own_word(desk: Desk) -> None:
    """Added once, listed with its reason, lifted with a reason; mail that waited does not go."""
    with desk.world.store.begin() as connection:
        connection.execute(TABLES["delivery"].update().values(state="queued"))
    assert desk.says("suppressions", "add", "ben@example.org") == "ben@example.org is suppressed.\n"
    assert "already" in desk.says("suppressions", "add", "ben@example.org")
    assert desk.world.tick("11-23 12:00").sent == 1
    assert [(row["address"], row["reason"]) for row in desk.json("suppressions", "list")] == [
        ("ben@example.org", "staff")
    ]
    assert "1 suppression lifted." in desk.says("suppressions", "remove", "ben@example.org", "--because", "mistake")
    assert desk.says("suppressions", "list") == "No suppressions.\n"
    assert [row["lifted_because"] for row in desk.json("suppressions", "list", "--lifted")] == ["mistake"]


def test_nobody_lifts_a_complaint_or_an_unsubscribe(desk: Desk) -> None:
    """Both are refused, with the reason why; what else there is, is lifted."""
    desk.world.unsubscribe(1)
    desk.says("suppressions", "add", "maria@example.org")
    said = desk.says("suppressions", "remove", "maria@example.org", "--because", "please", code=1)
    assert "1 suppression lifted." in said
    assert "stays suppressed (unsubscribed): the person unsubscribed, and only a fresh opt-in" in said
    with desk.world.store.begin() as connection:
        addressee = outbox.addressee(connection, 2)
        assert addressee is not None
        feedback.complain(connection, addressee, source="arf", now=desk.world.now)
    assert "nothing lifts that" in desk.says("suppressions", "remove", "ben@example.org", "--because", "x", code=1)
    assert "is not suppressed" in desk.says("suppressions", "remove", "zoe@example.org", "--because", "x", code=2)


@pytest.mark.parametrize(
    "text",
    [
        "ben@example.org\nzoe@example.org\nnobody\n\n",
        "name,E-mail\nBen,BEN@example.org\nZoe,zoe@example.org\nx,nobody\n",
    ],
)
def test_a_list_is_taken_over_once(desk: Desk, text: str) -> None:
    """Addresses a line or in a column; the figures add up, bad lines are named, and again changes nothing."""
    path = desk.world.folder / "list.csv"
    path.write_text(text)
    first = desk.json("suppressions", "import", str(path), code=1)
    again = desk.json("suppressions", "import", str(path), code=1)
    figures = ("rows", "new", "known", "rejected")
    assert [[report[name] for name in figures] for report in (first, again)] == [[3, 2, 0, 1], [3, 0, 2, 1]]
    assert first["first"][0][1] == "nobody"
    assert [(row["address"], row["reason"]) for row in desk.json("suppressions", "list")][-1] == (
        "ben@example.org", "imported",
    )  # fmt: skip


def test_a_list_without_addresses_is_refused(desk: Desk) -> None:
    """A file that is none, and one that is not there."""
    path = desk.world.folder / "list.csv"
    path.write_text("a,b\n1,2\n")
    assert "no column of addresses" in desk.says("suppressions", "import", str(path), code=2)
    assert "cannot be read" in desk.says("suppressions", "import", str(path) + "x", code=2)
