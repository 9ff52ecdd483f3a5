"""Signed mail from the tick to the far side: what arrives verifies, and the same signed bytes can be built again."""

from pathlib import Path

from rfs_mail.engine import reproduce
from rfs_mail.engine.reproduce import Again
from rfs_mail.settings import Caps, Dkim, Settings
from tests.dkim_keys import both, ed25519_pem, rsa_pem, rsa_signer, verified
from tests.engine.conftest import MakeWorld
from tests.engine.test_advance import drip
from tests.transport.smtp_server import SmtpServer
from tests.world import World

ONE = drip("{key: one, mail: a}")
CIVICS = """\
id: civics
entity: rfs_civics
topic: day
languages: [en]
send: {days: Mon-Sun, hours: any}
entry: {event: signup}
steps:
  - {key: day, mail: a}
"""
RSA = {"domain": "rfs.example.org", "selector": "rfs1", "key_file": "rsa.pem"}
ED25519 = {"ed25519_selector": "rfs2", "ed25519_key_file": "ed25519.pem"}


def write_key(path: Path, pem: bytes) -> None:
    """A key for its owner alone."""
    path.touch(mode=0o600)
    path.write_bytes(pem)


def signing(make_world: MakeWorld) -> World:
    """Maria got one signed mail."""
    world = make_world({"drip": ONE})
    write_key(world.folder / "rsa.pem", rsa_pem())
    write_key(world.folder / "ed25519.pem", ed25519_pem())
    world.settings_are(dkim=(Dkim(**RSA, **ED25519),))
    world.apply("11-23 10:00")
    world.signs_up("maria", "11-23 10:00", family_name="López")
    world.tick()
    return world


def again(world: World) -> Again:
    """The message of the only delivery, built again."""
    return reproduce.message(world.store, world.app.composer, world.delivery("one").id)


def test_what_arrives_at_a_server_verifies(make_world: MakeWorld) -> None:
    """Through the tick and over a real connection, with the Received of a hop on top: both signatures hold."""
    world = make_world({"drip": ONE})
    write_key(world.folder / "rsa.pem", rsa_pem())
    write_key(world.folder / "ed25519.pem", ed25519_pem())
    with SmtpServer() as server:
        relay = Settings.model_validate({"relay": [{"url": f"smtp://127.0.0.1:{server.port}"}]}).relay
        world.settings_are(relay=relay, dkim=(Dkim(**RSA, **ED25519),))
        world.apply("11-23 10:00")
        world.crowd(5, "11-23 10:00", given_name="=?utf-8?q?a=0D=0ABcc:_x=40y?=", family_name="López\n.\n")
        world.tick()
    received = [b"Received: from a by b; Mon, 23 Nov 2026 15:00:00 +0000\r\n" + got.data for got in server.messages]

    assert [[True, True]] * 5 == [verified(raw, both()) for raw in received]
    assert [[False, False]] * 5 == [verified(b"From: eve@example.org\r\n" + raw, both()) for raw in received]


def test_each_entity_signs_as_itself(make_world: MakeWorld) -> None:
    """Two From domains, two keys; a domain without a key goes out as it is."""
    world = make_world({"drip": ONE, "civics": CIVICS})
    write_key(world.folder / "rsa.pem", rsa_pem())
    write_key(world.folder / "other.pem", rsa_pem(number=1))
    civics = {"domain": "civics.example.org", "selector": "rfs1", "key_file": "other.pem"}
    own = {
        "hello@rfs.example.org": rsa_signer(),
        "hello@civics.example.org": rsa_signer(domain="civics.example.org", number=1),
    }

    def judged(world: World) -> dict[str, list[bool]]:
        return {
            address: verified(kept.message, [signer])
            for kept in world.transport.accepted
            for address, signer in own.items()
            if f"<{address}>".encode() in kept.message
        }

    no_caps = Caps(per_day=0, per_week=0)
    world.settings_are(caps=no_caps, dkim=(Dkim(**RSA), Dkim(**civics)))
    world.apply("11-23 10:00")
    world.signs_up("maria", "11-23 10:00", entities=("rfs", "rfs_civics"))
    world.tick()
    assert {"hello@rfs.example.org": [True], "hello@civics.example.org": [True]} == judged(world)
    world.settings_are(caps=no_caps, dkim=(Dkim(**RSA),))
    world.signs_up("ana", "11-23 11:00", entities=("rfs", "rfs_civics"))
    world.tick()
    assert {"hello@rfs.example.org": [True], "hello@civics.example.org": []} == judged(world)


def test_the_signed_bytes_can_be_built_again(make_world: MakeWorld) -> None:
    """Selectors, domain and time are stored beside the mail: what is shown later is what went out, signatures too."""
    world = signing(make_world)
    (kept,) = world.transport.accepted
    made = world.delivery("one").made
    shown = again(world)

    assert {"domain": "rfs.example.org", "selectors": ["rfs1", "rfs2"], "canonicalization": "relaxed/simple"} == (
        made["dkim"]
    )
    assert (True, kept.message) == (shown.exact, shown.message)
    assert [True, True] == verified(shown.message, both())
    world.settings_are(dkim=(Dkim(**RSA, **ED25519, canonicalization="relaxed/relaxed"),))
    assert again(world).exact


def test_a_key_that_is_gone_is_named(make_world: MakeWorld) -> None:
    """Without the key the mail is shown unsigned and called inexact; a mail from before signing stays exact."""
    world = signing(make_world)
    signed = again(world).message
    world.settings_are(dkim=(Dkim(**RSA),))
    shown = again(world)

    assert not shown.exact
    assert signed.endswith(shown.message)
    assert ["header DKIM-Signature"] == [one.part for one in shown.differs]
    assert shown.because[0] == (
        "it was signed by rfs1._domainkey.rfs.example.org and rfs2._domainkey.rfs.example.org, whose key is not "
        "in the settings any more"
    )


def test_mail_from_before_signing_stays_exact(make_world: MakeWorld) -> None:
    """A key that is set later does not sign what went out without it."""
    world = make_world({"drip": ONE})
    world.apply("11-23 10:00")
    world.signs_up("maria", "11-23 10:00")
    world.tick()
    write_key(world.folder / "rsa.pem", rsa_pem())
    world.settings_are(dkim=(Dkim(**RSA),))

    assert world.delivery("one").made["dkim"] is None
    assert again(world).exact


def test_kept_bytes_need_no_key(make_world: MakeWorld) -> None:
    """Where the bytes themselves are stored, the key may be gone."""
    world = make_world({"drip": ONE})
    write_key(world.folder / "rsa.pem", rsa_pem())
    world.settings_are(keep_messages="30d", dkim=(Dkim(**RSA),))
    world.apply("11-23 10:00")
    world.signs_up("maria", "11-23 10:00")
    world.tick()
    world.settings_are()

    assert (True, True) == (again(world).exact, again(world).kept)
    assert ["header DKIM-Signature"] == [one.part for one in again(world).differs]
