"""A whole installation looked at: real name server, real relay, real pages."""

import asyncio
import os
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from pydantic import SecretStr

from rfs_mail.clock import now
from rfs_mail.core.checkup import Check, Outcome
from rfs_mail.core.dkim import record
from rfs_mail.engine import doctor
from rfs_mail.engine.doctor import Installation, Report, examine, here, pages
from rfs_mail.network import dns as asking
from rfs_mail.settings import Dkim, Settings
from rfs_mail.store import ticks
from rfs_mail.store.database import Store
from rfs_mail.store.tables import TABLES
from rfs_mail.web import create_web
from tests.dkim_keys import rsa_pem, rsa_signer
from tests.engine.conftest import MakeWorld
from tests.engine.test_signing import write_key
from tests.network.name_server import NameServer, Zone
from tests.network.test_network import page
from tests.transport.certificates import make_certificate
from tests.transport.smtp_server import SmtpServer, Stall
from tests.world import World

SERIES = """
name: Series
entry: {event: signup}
audience: ['stage == "signed_up"']
steps:
  - {key: one, mail: a}
"""

# The entities of the tests: rfs.example.org and civics.example.org, each with bounces.*.
GOOD: Mapping[str, list[str]] = {
    "TXT bounces.rfs.example.org": ["v=spf1 include:relay.example.com -all"],
    "TXT relay.example.com": ["v=spf1 a mx -all"],
    "TXT rfs.example.org": ["v=spf1 -all"],
    "TXT _dmarc.rfs.example.org": ["v=DMARC1; p=none; rua=mailto:d@rfs.example.org"],
    "MX bounces.rfs.example.org": ["10 mx.example.com."],
    "MX rfs.example.org": ["10 mx.example.com."],
    "TXT bounces.civics.example.org": ["v=spf1 include:relay.example.com -all"],
    "TXT civics.example.org": ["v=spf1 -all"],
    "TXT _dmarc.civics.example.org": ["v=DMARC1; p=reject; rua=mailto:d@rfs.example.org"],
    "MX bounces.civics.example.org": ["10 mx.example.com."],
    "MX civics.example.org": ["10 mx.example.com."],
}


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    """An applied installation whose settings file is its owner's alone."""
    world = make_world({"series": SERIES})
    world.apply("11-23 09:00")
    path = world.folder / "rfs-mail.toml"
    path.write_text("# all settings come from the test\n")
    path.chmod(0o600)
    (world.folder / "rfs-mail.db").chmod(0o640)
    return world


def look(world: World, zone: Zone, *urls: str, **changes: Any) -> dict[str, Check]:
    """The checks by name, with these relays and this DNS; `changes` are settings."""
    return by_name(report(world, zone, *urls, **changes))


def report(world: World, zone: Zone, *urls: str, **changes: Any) -> Report:
    """The same, as it is."""
    relays = Settings.model_validate({"relay": [{"url": url} for url in urls]}).relay
    sound = {
        "base_url": "http://127.0.0.1:1", "secret_key": SecretStr("a" * 43), "suppression_key": SecretStr("b" * 43),
    }  # fmt: skip
    world.settings_are(**{"relay": relays, **sound, **changes})
    with NameServer(zone) as server:
        return asyncio.run(examine(world.app.installation(), server.place))


def by_name(found: Report) -> dict[str, Check]:
    names = [check.name for check in found.checks]
    assert len(names) == len(set(names))
    return {check.name: check for check in found.checks}


def outcome(checks: Mapping[str, Check], name: str) -> tuple[str, str]:
    """How a check ended and what was found; one that needs something done says what."""
    check = checks[name]
    assert check.remedy or check.outcome in (Outcome.OK, Outcome.SKIPPED)
    return check.outcome.value, check.found


@pytest.fixture
def relay() -> Iterator[SmtpServer]:
    """A plain relay on this machine."""
    with SmtpServer() as server:
        yield server


def url(server: SmtpServer, rest: str = "") -> str:
    return f"smtp://localhost:{server.port}{rest}"


# -- all of it ---------------------------------------------------------------------------------------------------------


def test_a_sound_installation_has_nothing_to_mend(world: World, tmp_path: Path) -> None:
    """Relay with TLS and login, good domains: all that can be ok is, and nothing was sent or changed."""
    made = make_certificate(tmp_path)
    with SmtpServer(starttls=made.context, auth={"ana": "secret"}) as server:
        address = f"smtp://ana:secret@localhost:{server.port}?tls=starttls&ca={made.certificate}"
        found = look(world, GOOD, address, base_url="https://mail.example.invalid")
        assert [] == server.messages
    wrong = {name for name, check in found.items() if check.outcome in (Outcome.FAIL, Outcome.WARN)}
    assert {"one-click"} == wrong  # its base_url is nobody's, so that no page answers
    assert ("ok", "ana is let in") == outcome(found, "relay smtp login")
    assert outcome(found, "relay smtp TLS")[1].startswith("TLSv1.3")
    assert outcome(found, "relay smtp certificate")[1].startswith("good for ")
    assert "PIPELINING" in outcome(found, "relay smtp EHLO")[1]
    assert outcome(found, "SPF bounces.rfs.example.org")[1].startswith("3 of 10 look-ups")
    assert ("ok", "p=reject") == outcome(found, "DMARC civics.example.org")
    assert ("ok", "mx.example.com") == outcome(found, "MX rfs.example.org")


def test_a_new_folder_is_fit_to_write_files(world: World) -> None:
    """With the inbox alone nothing fails: the domains do not matter yet, and the pages need not run."""
    found = report(world, {}, base_url="http://127.0.0.1:1")
    assert found.is_fit
    checks = by_name(found)
    assert outcome(checks, "relay inbox")[0] == "ok"
    assert ("skipped", "no relay is set, so nobody receives mail from them") == outcome(checks, "domains")
    assert ("skipped", "ok") == (outcome(checks, "one-click")[0], outcome(checks, "base_url")[0])


def test_a_network_that_swallows_everything_does_not_hold_it_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Name server and relay take every packet and answer none: each check has its line, none calls a domain missing."""
    monkeypatch.setattr(asking, "LIFETIME", 0.3)
    monkeypatch.setattr(doctor.relays, "_ONE_SECONDS", 0.5)
    with SmtpServer(script={"*": {"connect": Stall()}}) as server:
        found = look(world, {"* example.com": "silent", "NS example.com": "silent"}, url(server))
    names = [name for name in found if name.startswith(("SPF", "DMARC", "MX", "alignment"))]
    assert 12 == len(names)
    for name in names:
        kind, said = outcome(found, name)
        assert kind == "skipped"
        assert said.startswith("the DNS cannot be reached from here (")
    assert ("fail", f"smtp://localhost:{server.port} cannot be reached: no answer from 127.0.0.1 in 0 seconds") == (
        outcome(found, "relay smtp")
    )


def test_a_check_without_an_end_is_cut_off(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes longer than it may is one line that says so."""
    monkeypatch.setattr(doctor, "NETWORK_SECONDS", 0.3)
    with SmtpServer(script={"*": {"connect": Stall()}}) as server:
        found = look(world, GOOD, url(server))
    assert ("skipped", "no end after 0 seconds") == outcome(found, "relay smtp")


def test_its_longest_wait_is_below_half_a_minute() -> None:
    """The database comes before the domains; all else is looked at meanwhile."""
    assert max(doctor.NETWORK_SECONDS, doctor.DATABASE_SECONDS + doctor.DOMAIN_SECONDS) < 20
    assert pages.PAGE_SECONDS < doctor.NETWORK_SECONDS


# -- domains -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "name", "kind", "said"),
    [
        ({"TXT bounces.rfs.example.org": []}, "SPF bounces.rfs.example.org", "fail", "there is no record, and"),
        ({"TXT rfs.example.org": []}, "SPF rfs.example.org", "warn", "there is no record; others"),
        (
            {"TXT relay.example.com": ["v=spf1 " + " ".join(f"a:h{n}.example.com" for n in range(10))]},
            "SPF bounces.rfs.example.org", "fail", "it needs 11 DNS look-ups and 10 are allowed",
        ),
        ({"TXT rfs.example.org": ["v=spf1 +all"]}, "SPF rfs.example.org", "warn", "0 of 10 look-ups: v=spf1 +all; it"),
        ({"TXT _dmarc.rfs.example.org": []}, "DMARC rfs.example.org", "fail", "there is no record, and Google"),
        (
            {"TXT _dmarc.rfs.example.org": [], "TXT _dmarc.example.org": ["v=DMARC1; p=none; rua=mailto:x@y.example"]},
            "DMARC rfs.example.org", "ok", "p=none at _dmarc.example.org",
        ),
        ({"TXT _dmarc.rfs.example.org": ["v=DMARC1; p=none"]}, "DMARC rfs.example.org", "warn", "p=none, without rua="),
        (
            {"TXT _dmarc.rfs.example.org": ["v=DMARC1; p=none; pct=10; rua=mailto:x@y.example"]},
            "DMARC rfs.example.org", "warn", "p=none; pct= has no meaning any more",
        ),
        ({}, "alignment rfs.example.org", "ok", "the return path bounces.rfs.example.org is under rfs."),
        (
            {"TXT _dmarc.rfs.example.org": ["v=DMARC1; p=none; aspf=s; rua=mailto:x@y.example"]},
            "alignment rfs.example.org", "fail",
            "SPF of the return path bounces.rfs.example.org does not count for rfs.example.org: aspf=s asks",
        ),
        (
            {"TXT _dmarc.bounces.rfs.example.org": ["v=DMARC1; p=none; psd=n"]},
            "alignment rfs.example.org", "fail", "SPF of the return path bounces.rfs.example.org does not count for",
        ),
        ({"MX bounces.rfs.example.org": ["0 ."]}, "MX bounces.rfs.example.org", "fail", "a null MX says"),
        ({"MX rfs.example.org": []}, "MX rfs.example.org", "fail", "no MX and no address: answers are lost"),
        (
            {"MX rfs.example.org": [], "A rfs.example.org": ["192.0.2.1"]},
            "MX rfs.example.org", "warn", "no MX; answers go to the address of the name itself",
        ),
        ({"* rfs.example.org": "x", "MX rfs.example.org": "broken"}, "MX rfs.example.org", "skipped", "MX of rfs."),
    ],
)  # fmt: skip
def test_a_domain_is_judged(
    world: World, relay: SmtpServer, zone: dict[str, Any], name: str, kind: str, said: str
) -> None:
    """What is published, what receivers make of it; a server in trouble is skipped and never missing."""
    found = look(world, {**GOOD, **zone}, url(relay))
    assert kind == outcome(found, name)[0]
    assert outcome(found, name)[1].startswith(said)


SIGNING = Dkim(domain="rfs.example.org", selector="rfs1", key_file="rsa.pem")


def signed(world: World, zone: Zone, relay: SmtpServer, *dkim: Dkim) -> dict[str, Check]:
    """The checks where the key of the tests signs for rfs.example.org, and its record is published."""
    write_key(world.folder / "rsa.pem", rsa_pem())
    published = {"TXT rfs1._domainkey.rfs.example.org": _strings(record(rsa_signer()))}
    return look(world, {**GOOD, **published, **zone}, url(relay), dkim=dkim or (SIGNING,))


def _strings(text: str) -> list[str]:
    """A long text as a TXT record holds it: in strings of at most 255 octets."""
    return [" ".join(f'"{text[start : start + 250]}"' for start in range(0, len(text), 250))]


@pytest.mark.parametrize(
    ("zone", "kind", "said"),
    [
        ({}, "ok", "the published key is ours (rsa, 2048 bits)"),
        ({"TXT rfs1._domainkey.rfs.example.org": []}, "fail", "rfs1._domainkey.rfs.example.org has no TXT record"),
        (
            {"TXT rfs1._domainkey.rfs.example.org": _strings(record(rsa_signer(number=1)))},
            "fail", "rfs1._domainkey.rfs.example.org holds another key than the one that signs here",
        ),
        (
            {"TXT rfs1._domainkey.rfs.example.org": _strings(f"{record(rsa_signer())}; t=y")},
            "warn", "rfs1._domainkey.rfs.example.org says t=y, test mode",
        ),
        ({"* rfs1._domainkey.rfs.example.org": "x", "TXT rfs1._domainkey.rfs.example.org": "broken"}, "skipped", "TXT"),
    ],
)  # fmt: skip
def test_the_published_key_is_compared(
    world: World, relay: SmtpServer, zone: dict[str, Any], kind: str, said: str
) -> None:
    """The key file against the record, a selector a line; a key in two strings is one."""
    found = signed(world, zone, relay)
    name = "DKIM rfs1._domainkey.rfs.example.org"
    assert (kind, True) == (outcome(found, name)[0], outcome(found, name)[1].startswith(said))
    assert ("ok", "rfs1 (rsa, 2048 bits)") == outcome(found, "DKIM key rfs.example.org")
    assert ("warn", True) == (outcome(found, "DKIM civics.example.org")[0], "goes out unsigned" in str(found))


def test_a_key_of_the_domain_above_counts_unless_it_must_be_the_same(world: World, relay: SmtpServer) -> None:
    """Relaxed alignment is of the organisation; `adkim=s` asks for the very same domain."""
    above = Dkim(domain="example.org", selector="rfs1", key_file="rsa.pem")
    organisation = {"TXT _dmarc.example.org": ["v=DMARC1; p=none"]}
    own = "TXT _dmarc.rfs.example.org"
    good = signed(world, {**organisation}, relay, above)
    assert ("ok", "d=example.org") == outcome(good, "DKIM alignment rfs.example.org")
    strict = signed(world, {**organisation, own: ["v=DMARC1; p=none; adkim=s"]}, relay, above)
    assert "adkim=s asks for the very same domain" in outcome(strict, "DKIM alignment rfs.example.org")[1]
    other = signed(world, {own: ["v=DMARC1; p=none; psd=n"]}, relay, above)
    assert "fail" == outcome(other, "DKIM alignment rfs.example.org")[0]


def test_no_key_is_a_word_and_a_bad_key_a_failure(world: World, relay: SmtpServer) -> None:
    """Without [dkim] the relay signs; a file that cannot be read keeps everything from being sent."""
    assert ("skipped", "mail is not signed here") == outcome(look(world, GOOD, url(relay)), "DKIM rfs.example.org")
    found = look(world, GOOD, url(relay), dkim=(SIGNING.model_copy(update={"key_file": "gone.pem"}),))
    assert ("fail", True) == (outcome(found, "DKIM keys")[0], "gone.pem" in found["DKIM keys"].found)


def test_nothing_applied_means_no_domains(make_world: MakeWorld, relay: SmtpServer) -> None:
    """Entities come from what is live."""
    found = look(make_world({"series": SERIES}), GOOD, url(relay))
    assert outcome(found, "domains")[0] == "skipped"
    assert outcome(found, "release")[0] == "warn"


# -- relays ------------------------------------------------------------------------------------------------------------


def test_each_relay_has_its_lines(world: World, relay: SmtpServer) -> None:
    """A second one is looked at too, and what is wrong with one says nothing of the other."""
    with SmtpServer() as gone:
        nowhere, gone_port = url(gone), gone.port
    with SmtpServer(pipelining=False) as other:
        found = look(world, GOOD, url(relay), url(other), nowhere)
    assert "ok" == outcome(found, "relay smtp EHLO")[0]
    assert ("warn", True) == (
        outcome(found, "relay smtp-2 EHLO")[0],
        "no PIPELINING" in found["relay smtp-2 EHLO"].found,
    )
    assert outcome(found, "relay smtp-3")[1].startswith(f"smtp://localhost:{gone_port} cannot be reached")


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("smtp://localhost:25?tls=never", "The relay's tls is one of"),
        ("smtp://no-such-host.invalid:25", "no-such-host.invalid has no address"),
    ],
)
def test_a_relay_that_cannot_be(world: World, address: str, said: str) -> None:
    """A url that is wrong is a line and not the end."""
    kind, found = outcome(look(world, GOOD, address), "relay smtp")
    assert ("fail", True) == (kind, found.startswith(said))


def test_a_certificate_that_ends_soon_is_said(world: World, tmp_path: Path) -> None:
    """Ahead of time; one that is over is a failure."""
    made = make_certificate(tmp_path)
    with SmtpServer(tls=made.context) as server:
        address = f"smtp://localhost:{server.port}?tls=tls&ca={made.certificate}"
        world.now = now() + timedelta(days=330)
        assert outcome(look(world, GOOD, address), "relay smtp certificate")[0] == "warn"
        assert outcome(look(world, GOOD, f"{address}&verify=no"), "relay smtp certificate")[1].startswith("it is not c")
    (tmp_path / "old").mkdir()
    old = make_certificate(tmp_path / "old", expired=True)
    with SmtpServer(tls=old.context) as server:
        found = look(world, GOOD, f"smtp://localhost:{server.port}?tls=tls&ca={old.certificate}")
    assert outcome(found, "relay smtp TLS") == (
        "fail", "its certificate is not to be trusted: certificate has expired",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("zone", "kind", "said"),
    [
        ({"PTR 1.2.0.8.in-addr.arpa": []}, "fail", "8.0.2.1 has no name"),
        (
            {"PTR 1.2.0.8.in-addr.arpa": ["mail.example.net."], "A mail.example.net": ["8.0.2.9"]},
            "fail", "8.0.2.1 is called mail.example.net, which does not lead back to it",
        ),
        (
            {"PTR 1.2.0.8.in-addr.arpa": ["mail.example.net."], "A mail.example.net": ["8.0.2.1"]},
            "warn", "8.0.2.1 is called mail.example.net, and the relay calls itself mx.example.net",
        ),
        (
            {"PTR 1.2.0.8.in-addr.arpa": ["mx.example.net."], "A mx.example.net": ["8.0.2.1"]},
            "ok", "8.0.2.1 is called mx.example.net, and back",
        ),
        ({"PTR 1.2.0.8.in-addr.arpa": "broken"}, "skipped", "PTR of 8.0.2.1 could not be looked up"),
    ],
)  # fmt: skip
def test_the_name_of_our_address(world: World, zone: dict[str, Any], kind: str, said: str) -> None:
    """A relay on this machine sends from this machine's address: its PTR, back again, and the relay's own name."""
    with SmtpServer(script={"*": {"connect": "220 MX.example.net ESMTP"}}) as server:
        what = _installation(world, url(server), outgoing=lambda: "8.0.2.1")
        with NameServer({**GOOD, **zone}) as names:
            found = by_name(asyncio.run(examine(what, names.place)))
    assert kind == outcome(found, "relay smtp PTR")[0]
    assert outcome(found, "relay smtp PTR")[1].startswith(said)


@pytest.mark.parametrize("address", [None, "10.1.2.3", "192.168.0.7"])
def test_an_address_that_nobody_sees_is_skipped(world: World, relay: SmtpServer, address: str | None) -> None:
    """Behind a translation the machine does not know what receivers see."""
    with NameServer(GOOD) as names:
        what = _installation(world, url(relay), outgoing=lambda: address)
        assert outcome(by_name(asyncio.run(examine(what, names.place))), "relay smtp PTR")[0] == "skipped"


def _installation(world: World, address: str, **changes: Any) -> Installation:
    relays = Settings.model_validate({"relay": [{"url": address}]}).relay
    world.settings_are(relay=relays)
    what = world.app.installation()
    return Installation(what.settings, what.store, what.relays, what.keys, what.now, **changes)


# -- this machine ------------------------------------------------------------------------------------------------------


def test_settings_that_others_can_read_fail(world: World) -> None:
    """They hold the secrets."""
    (world.folder / "rfs-mail.toml").chmod(0o644)
    assert ("fail", True) == (
        outcome(look(world, GOOD), "settings")[0], "mode 0644" in look(world, GOOD)["settings"].found,
    )  # fmt: skip
    (world.folder / "rfs-mail.toml").unlink()
    assert "warn" == outcome(look(world, GOOD), "settings")[0]


def test_secrets_that_are_missing_or_short_fail(world: World) -> None:
    """An empty secret, and one that can be guessed."""
    found = look(world, GOOD, secret_key=SecretStr(""), suppression_key=SecretStr("short"))
    assert ("fail", "it is empty, and it seals every link") == outcome(found, "secret_key")
    assert ("fail", "it has 5 characters and can be guessed") == outcome(found, "suppression_key")
    assert ("skipped", "there is no secret_key to seal a link with") == outcome(found, "one-click")


def test_a_database_that_is_not_there_or_old_fails(world: World, tmp_path: Path) -> None:
    """Missing, without tables, or no database at all: a line with what to do, and the domains wait."""
    good = world.store
    for name in ("gone.db", "empty.db", "text.db"):
        path = tmp_path / name
        if name == "empty.db":
            path.touch()
        if name == "text.db":
            path.write_text("no database " * 100)
        world.store = Store(f"sqlite:///{path}")
        try:
            found = look(world, GOOD, "smtp://localhost:1")
            assert "fail" == outcome(found, "database")[0]
            assert ("skipped", "the database does not say which entities speak") == outcome(found, "domains")
            assert not any(name.startswith("schema") for name in found)
        finally:
            world.store.close()
            world.store = good


def test_a_database_server_that_swallows_packets_is_left(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that is never answered ends after some seconds, in a line."""
    monkeypatch.setattr(doctor, "DATABASE_SECONDS", 0.5)
    good = world.store
    with socket.create_server(("127.0.0.1", 0)) as listening:
        world.store = Store(f"postgresql://ana@127.0.0.1:{listening.getsockname()[1]}/x")
        try:
            assert outcome(look(world, GOOD), "database")[1].endswith("does not answer within 0 seconds")
        finally:
            world.store.close()
            world.store = good


def test_the_last_pass_is_told(world: World) -> None:
    """None yet, one now, and one that is long over."""
    assert "skipped" == outcome(look(world, GOOD), "last pass")[0]
    world.tick("11-23 11:00")
    assert "ok" == outcome(look(world, GOOD), "last pass")[0]
    with world.store.begin() as connection:
        table = ticks.tick
        for row in ticks.all_ticks(connection):
            old = row.machine_at - timedelta(hours=3)
            connection.execute(table.update().where(table.c.name == row.name).values(machine_at=old))
    assert "warn" == outcome(look(world, GOOD), "last pass")[0]


@pytest.mark.parametrize(("free", "kind"), [(10**6, "fail"), (10**9, "warn"), (10**11, "ok")])
def test_a_disk_that_runs_full_is_said(world: World, monkeypatch: pytest.MonkeyPatch, free: int, kind: str) -> None:
    """Below two gigabytes a warning, below 200 MB a failure; the limits are moved to where this disk is."""
    real = os.statvfs(world.folder).f_bavail * os.statvfs(world.folder).f_frsize
    monkeypatch.setattr(here, "LITTLE", here.LITTLE * real // free)
    monkeypatch.setattr(here, "TOO_LITTLE", here.TOO_LITTLE * real // free)
    assert kind == outcome(look(world, GOOD), "disk")[0]


def test_a_large_log_is_said(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write-ahead log that keeps growing: something reads for hours. The limit is moved below what is there."""
    with world.store.read():
        world.signs_up("maria", "11-23 10:00")
        assert "ok" == outcome(look(world, GOOD), "write-ahead log")[0]
        monkeypatch.setattr(here, "LARGE_WAL", 1)
        assert "warn" == outcome(look(world, GOOD), "write-ahead log")[0]


# -- pages -------------------------------------------------------------------------------------------------------------


@contextmanager
def serving(world: World) -> Iterator[str]:
    """The pages of recipients behind a real server; where they are."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(create_web(world.app), log_level="error", lifespan="off", ws="none"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def test_the_button_is_pressed_and_changes_nothing(world: World) -> None:
    """The real page takes the probe's POST as it takes everybody's, and no row is written."""
    world.signs_up("maria", "11-23 10:00")
    world.tick("11-23 11:00")
    world.settings_are()
    tables = ("event", "suppression", "consent", "person")
    before = [world.rows(name, *[c.name for c in TABLES[name].c]) for name in tables]
    with serving(world) as base:
        found = asyncio.run(
            pages.check(
                world.app.settings.model_copy(update={"base_url": base}), world.app.keys, sends=False, trust=None
            )
        )
    assert ("ok", "a POST is answered at once, without redirect and cookie") == outcome(
        {check.name: check for check in found}, "one-click"
    )
    assert before == [world.rows(name, *[c.name for c in TABLES[name].c]) for name in tables]


def test_a_page_that_never_answers_is_said(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A firewall that swallows packets: base_url has its line all the same."""
    monkeypatch.setattr(pages, "PAGE_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        base = f"http://127.0.0.1:{listening.getsockname()[1]}"
        settings = world.app.settings.model_copy(update={"base_url": base})
        found = asyncio.run(pages.check(settings, world.app.keys, sends=True, trust=None))
    assert ["base_url", "one-click"] == [check.name for check in found]
    assert ("fail", f"{base} does not answer within 0 seconds") == (found[1].outcome.value, found[1].found)


def test_pages_of_another_secret_are_found_out(world: World) -> None:
    """A web process with another secret_key answers 404 to every link."""
    world.settings_are()
    with serving(world) as base:
        world.settings_are(secret_key=SecretStr("quite another secret"))
        settings = world.app.settings.model_copy(update={"base_url": base})
        found = asyncio.run(pages.check(settings, world.app.keys, sends=True, trust=None))
    assert ("fail", f"{base} answers 404: other pages, or pages with another secret_key") == outcome(
        {check.name: check for check in found}, "one-click"
    )


@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [
        ("301 Moved\r\nLocation: https://x.example/u", "fail", "a POST is redirected (301 to https://x.example/u)"),
        ("200 OK\r\nSet-Cookie: a=b", "warn", "the answer sets a cookie"),
        ("200 OK", "ok", "a POST is answered at once"),
        ("403 Forbidden", "fail", "BASE answers 403, which is not our page"),
        ("404 Not Found", "fail", "BASE answers 404: other pages"),
    ],
)
def test_what_stands_before_the_pages_is_judged(world: World, answer: str, kind: str, said: str) -> None:
    """A proxy that redirects, sets a cookie or keeps the request to itself."""
    text = f"HTTP/1.1 {answer}\r\n\r\nYou are unsubscribed.\n".encode()
    with page(text) as (port, heard):
        base = f"http://127.0.0.1:{port}"
        settings = world.app.settings.model_copy(update={"base_url": base})
        found = asyncio.run(pages.check(settings, world.app.keys, sends=True, trust=None))
    assert b"POST /u/" in heard[0]
    assert (kind, True) == (found[1].outcome.value, found[1].found.startswith(said.replace("BASE", base)))


@pytest.mark.parametrize(
    ("base", "sends", "kind"),
    [
        ("https://m.example.invalid", True, "ok"),
        ("http://m.example.invalid", True, "fail"),
        ("http://127.0.0.1:1", True, "fail"),
        ("https://localhost:1", True, "fail"),
        ("http://127.0.0.1:1", False, "ok"),
    ],
)
def test_base_url_is_https_where_others_go(world: World, base: str, sends: bool, kind: str) -> None:
    """Once mail leaves, its links lead to an https address that is not this machine's alone."""
    settings = world.app.settings.model_copy(update={"base_url": base})
    found = asyncio.run(pages.check(settings, world.app.keys, sends=sends, trust=None))
    assert kind == found[0].outcome.value
    assert ("fail" if sends else "skipped") == found[1].outcome.value
