"""What staff read on the command line about filing windows: explain, people, figures, the log, agenda, previews."""

import pytest

from tests.cli.conftest import Desk, MakeDesk
from tests.cli.test_windows import BOARD, COUNCIL, COUNTDOWN, wants, write
from tests.world import at

HEAD = "id: countdown\nentity: rfs\ntopic: running\nlanguages: [en, es]\nsend: {days: Mon-Sun, hours: any}\n"
LATER = "wi-2027-county,WI,county,county board,2027-04-06,,2027-02-01,,America/Chicago,official,https://x.example\n"
LETTER = """\
---
subject: "{{ window.days_left | days }} to {{ office.filing_term }}: {{ office.names }}"
preheader: "Soon"
---
It closes {{ window.closes_at | office_time }}.
"""
CARTA = LETTER.replace("It closes", "Cierra el").replace("to {{", "para {{").replace("Soon", "Pronto")


@pytest.fixture
def desk(make_desk: MakeDesk) -> Desk:
    """A countdown with a mail that counts days, live; three windows; Maria wants two offices that close together."""
    mails = {f"countdown/{name}{lang}.md": text for name in "ab" for lang, text in (("", LETTER), (".es", CARTA))}
    desk = make_desk({"mails": mails}, countdown=HEAD + COUNTDOWN)
    desk.world.apply("11-10 09:00")
    desk.says("windows", "import", write(desk, BOARD.format("2027-01-05", "official"), COUNCIL, LATER), "--yes")
    wants(desk, desk.world.person("maria", "11-23 10:00", family_name="Lopez", state="WI", lang="es-US"))
    wants(desk, desk.world.person("ben", state="OH"))
    wants(desk, desk.world.person("cleo", state="WI", zone="America/Chicago"), "county")
    desk.world.tick("11-23 11:00")
    return desk


def test_explain_reads_window_by_window(desk: Desk) -> None:
    """The whole answer about one campaign, hours at the office where they differ, as staff read it."""
    assert desk.says("explain", "maria@example.org", "countdown") == (
        "maria@example.org  Maria Lopez  stage signed_up  WI  America/New_York\n"
        "\n"
        "countdown\n"
        "  wi-2027-board: School board, WI, closes Tue 5 Jan 2027 17:00 Central time, in 43 days\n"
        "    known   confirmed, official, version 1\n"
        "    hers    approximate: by office level and state\n"
        "    enters  from Sat 21 Nov 2026 on (45 days before filing closes)\n"
        "    source  https://x.example\n"
        "    entered Mon 23 Nov 11:00 her time (for the filing window wi-2027-board), goes on\n"
        "      t7  planned  2026-12-29 10:00 EST (09:00 at the office)  7 days before filing closes, 10:00 her time\n"
        "      t1  planned  2027-01-04 09:00 EST (08:00 at the office)  1 day before filing closes, 09:00 her time\n"
        "  wi-2027-council: council, WI, closes Tue 5 Jan 2027 17:00 Central time, in 43 days\n"
        "    known   confirmed, official, version 1\n"
        "    hers    approximate: by office level and state\n"
        "    enters  from Sat 21 Nov 2026 on (45 days before filing closes)\n"
        "    source  https://x.example\n"
        "    she is in it for wi-2027-board, and they close together: one occasion\n"
        "      goal  no   filed(window)                 no papers that we know of\n"
        '      exit  no   window.status == "cancelled"  window.status is confirmed\n'
    )
    said = desk.says("explain", "cleo@example.org")
    assert (
        "  wi-2027-county: county board, WI, closes Mon 1 Feb 2027, no hour known, Central time, in 70 days\n"
        "    not entered: nothing started it: for the window wi-2027-county it takes people in from Fri 18 Dec 2026 on "
        "(45 days before filing closes)\n"
    ) in said
    assert "wants=OFFICE in STATE" in desk.says("explain", "ben@example.org", "countdown")
    answer = desk.json("explain", "maria@example.org", "countdown")["campaigns"][0]
    assert ["wi-2027-board", "wi-2027-board"] == [
        answer["enrollments"][0]["window_id"],
        answer["windows"][1]["together"],
    ]


def test_explain_says_that_a_window_in_doubt_holds_its_mail(desk: Desk) -> None:
    """Her steps keep their times, and above them stands that nothing goes before somebody has found out."""
    said = "held: no mail of it goes while the sources for it disagree (confidence conflict)"
    assert said not in desk.says("explain", "maria@example.org", "countdown")
    desk.says("windows", "import", write(desk, BOARD.format("2027-01-05", "conflict")), "--yes")
    assert said in desk.says("explain", "maria@example.org", "countdown")


def test_a_person_is_shown_with_her_windows(desk: Desk) -> None:
    """What she wants, what is ahead with the days left, how far she is, the campaigns about it."""
    desk.says("people", "set", "maria@example.org", "stage=circulating", "--window", "wi-2027-council")
    said = desk.says("people", "show", "maria@example.org")
    assert "wants     school_board (in WI, where she lives); municipal (in WI, where she lives)\n" in said
    assert (
        "  wi-2027-board: School board, WI, closes Tue 5 Jan 2027 17:00 Central time (in 43 days)\n"
        "    known      confirmed, official; approximate: by office level and state\n"
        "    she        has not begun\n"
        "    campaigns  countdown in it\n"
    ) in said
    assert "she    circulating (staff (" in said
    found = desk.json("people", "show", "maria@example.org")
    assert ["school_board", "municipal"] == [one["office_level"] for one in found["wants"]]
    assert [43, 43] == [one["days_left"] for one in found["windows"]]
    assert ["wi-2027-board"] == [one["window_id"] for one in found["enrollments"]]


def test_mail_about_a_window_says_so(desk: Desk) -> None:
    """The log has the window, one window's mail can be listed, the figures and the agenda go by window."""
    desk.world.now = at("12-28 15:00")
    assert "countdown  t7    wi-2027-board       1\n" in desk.says("agenda", "--days", "2")
    desk.world.tick("12-29 15:00")
    shown = desk.says("deliveries", "show", "1")
    assert "  window       wi-2027-board, version 1: School board, WI, closes Tue 5 Jan 2027 17:00 Central" in shown
    listed = desk.json("deliveries", "list", "--window", "wi-2027-board")
    assert [("t7", "sent", "wi-2027-board", 1)] == [
        (one["step_key"], one["state"], one["window_id"], one["window_version"]) for one in listed
    ]
    assert "No such deliveries." in desk.says("deliveries", "list", "--window", "wi-2027-council")
    assert "Did you mean wi-2027-board?" in desk.says("deliveries", "list", "--window", "wi-2027-bord", code=2)
    figures = desk.says("campaigns", "show", "countdown")
    head, row = figures.split("By filing window, the nearest closing first\n")[1].splitlines()[:2]
    assert ["WINDOW", "OFFICE", "CLOSES", "IN", "IT", "GOAL", "FINISHED"] == head.split()
    assert "wi-2027-board School board WI Tue 5 Jan 2027 17:00 Central time 1 0 0" == " ".join(row.split())


def test_a_preview_is_about_a_real_window_at_the_steps_own_time(desk: Desk) -> None:
    """Hers, the one that is named, or the nearest ahead; days are counted from the step's time, in both languages."""
    said = desk.says("campaigns", "preview", "countdown", "t7", "--as", "maria@example.org", "--lang", "en")
    assert (
        "Window:   wi-2027-board, closes Tue 5 Jan 2027 17:00 Central time (she is in the campaign for it)\n"
        "Sent:     2026-12-29 10:00 EST (its own time)\n"
        "Subject:  7 days to hand in your papers: School board and council\n"
    ) in said
    spanish = desk.says("campaigns", "preview", "countdown", "t1", "--as", "maria@example.org")
    assert "Subject:  1 día para entregar tus papeles: Junta escolar y council\n" in spanish
    named = ("campaigns", "preview", "countdown", "t7", "--window", "wi-2027-county")
    assert "closes Mon 1 Feb 2027, no hour known, Central time (as you asked)\nSent:     2027-01-25 10:00 CST" in (
        desk.says(*named)
    )
    assert "Sent:     2027-01-31 18:00 CST\nSubject:  1 day to" in desk.says(*named, "--at", "2027-02-01T00:00Z")
    assert "(the nearest that she wants)" in desk.says("campaigns", "preview", "countdown", "--as", "cleo@example.org")
    sample = desk.json("campaigns", "preview", "countdown")
    assert [("wi-2027-board", True), ("wi-2027-board", True)] == [(one["window"], one["own_time"]) for one in sample]
    assert "(the nearest ahead in WI)" in sample[0]["about"]
    assert "Did you mean wi-2027-board?" in desk.says(*named[:4], "--window", "wi-2027-bord", code=2)
    test = desk.says(
        "campaigns", "send-test", "countdown", "t7", "--to", "me@example.org", "--window", "wi-2027-county"
    )
    assert test.startswith("Sent to me@example.org by memory: [test] 7 days to")


def test_a_preview_without_any_window_says_how_to_import_them(make_desk: MakeDesk) -> None:
    """No template error: the command that brings the windows in; and --window means nothing elsewhere."""
    plain = "entry: {event: signup}\nsteps: [{key: hello, mail: a}]"
    desk = make_desk(countdown=COUNTDOWN, plain=plain)
    desk.world.apply("11-10 09:00")
    assert "rfs-mail windows import data/filing_deadlines.csv" in desk.says("campaigns", "preview", "countdown", code=2)
    refused = desk.says("campaigns", "preview", "plain", "--window", "x", code=2)
    assert "plain is not about filing windows" in refused
