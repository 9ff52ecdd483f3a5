"""A sent mail again: the same bytes after every edit; and what is said where they are not."""

from collections.abc import Callable
from typing import Any
from zlib import compress

import pytest
from pydantic import SecretStr

from rfs_mail.core.verdict import Phase, from_reply
from rfs_mail.engine import reproduce
from rfs_mail.engine.reproduce import Again
from rfs_mail.errors import NotFoundError
from rfs_mail.settings import Dkim
from rfs_mail.store import people
from rfs_mail.store.tables import TABLES
from tests.dkim_keys import rsa_pem
from tests.engine.conftest import MakeWorld
from tests.engine.test_signing import RSA, write_key
from tests.project_samples import ENTITIES
from tests.world import World

SERIES = """
name: Series
entry: {event: signup}
audience: ['stage == "signed_up"']
steps:
  - {key: one, mail: a, cap: exempt}
"""

MAIL = """---
subject: Hello {{ given_name or "friend" }}
---
Good to have you, {{ given_name or "friend" }} of {{ state or "your state" }}.

[Read on](https://example.org/on) or [see it here]({{ view_url }}).
"""

delivery, kept_message = TABLES["delivery"], TABLES["kept_message"]


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    """One mail to Maria went out, at 11:00."""
    world = make_world({"series": SERIES})
    world.mails["series/a.md"] = MAIL
    world.apply("11-23 09:00")
    world.signs_up("maria", "11-23 10:00", family_name="López", state="WI")
    world.tick("11-23 11:00")
    return world


def again(world: World) -> Again:
    row = world.delivery("one")
    return reproduce.message(world.store, world.app.composer, row.id)


def went_out(world: World) -> bytes:
    (one,) = world.transport.sent
    return one.message


def change(world: World, **values: Any) -> None:
    """Write over what the delivery was made from, as a hand in the database would; None takes a value out."""
    row = world.delivery("one")
    made = {name: value for name, value in {**row.made, **values}.items() if value is not None}
    with world.store.begin() as connection:
        connection.execute(delivery.update().where(delivery.c.id == row.id).values(made=made))


def keep(world: World, message: bytes) -> None:
    """Store bytes as `keep_messages` does."""
    with world.store.begin() as connection:
        row = world.delivery("one")
        connection.execute(kept_message.insert().values(delivery_id=row.id, at=world.now, message=compress(message)))


def names(found: Again) -> list[str]:
    return [one.part for one in found.differs]


# -- exact -------------------------------------------------------------------------------------------------------------


def edit_campaign(world: World) -> None:
    world.apply("11-24 09:00", series=SERIES.replace("name: Series", "name: Another name"))


def edit_template(world: World) -> None:
    world.mails["series/a.md"] = MAIL.replace("Good to have you", "Welcome")
    world.apply("11-24 09:00")


def edit_layout(world: World) -> None:
    world._write()
    layout = world.folder / "templates" / "_layout.html"
    layout.write_text(layout.read_text(encoding="utf-8").replace("</body>", "<p>New foot.</p></body>"), "utf-8")
    world.apply_files("11-24 09:00")


def edit_entity(world: World) -> None:
    changed = ENTITIES.replace("from_name: Run for Something", "from_name: Run").replace("100 Example", "7 Example")
    world.files["entities"] = changed
    world.apply("11-24 09:00")


def edit_person(world: World) -> None:
    with world.store.begin() as connection:
        table = TABLES["person"]
        connection.execute(table.update().values(given_name="Mia", family_name="Smith", state="OH", lang="es"))
        people.set_stage(connection, world.delivery("one").person_id, "exploring", now=world.now)


def edit_address(world: World) -> None:
    with world.store.begin() as connection:
        connection.execute(TABLES["person"].update().values(address="mia@example.org", mailbox="mia@example.org"))


def edit_base_url(world: World) -> None:
    world.settings_are(base_url="https://mail.example.org")


def remove_campaign(world: World) -> None:
    world.campaigns["other"] = SERIES
    world.remove("series", "11-24 09:00")


def rename_campaign(world: World) -> None:
    body = world.campaigns.pop("series")
    world.mails["later/a.md"] = MAIL
    world.apply("11-24 09:00", later=f"was: series\n{body}")


def rotate_secret(world: World) -> None:
    old = world.app.settings.secret_key
    world.settings_are(secret_key=SecretStr("a newer secret"), old_secret_keys=(old,))


def renumber_secret(world: World) -> None:
    """An older secret is put before the one that sealed the mail, which changes its number."""
    old = world.app.settings.secret_key
    world.settings_are(secret_key=SecretStr("a newer one"), old_secret_keys=(SecretStr("found again"), old))


def set_caps(world: World) -> None:
    world.settings_are(keep_messages="30d", window=7)


EDITS = (
    edit_campaign, edit_template, edit_layout, edit_entity, edit_person, edit_address, edit_base_url, remove_campaign,
    rename_campaign, rotate_secret, renumber_secret, set_caps,
)  # fmt: skip


@pytest.mark.parametrize("edit", EDITS)
def test_the_same_bytes_after_an_edit(world: World, edit: Callable[[World], None]) -> None:
    """Whatever was edited since: what is built is what went out, to the last byte, and says so."""
    sent = went_out(world)
    edit(world)
    assert Again(sent, exact=True) == again(world)


def test_the_same_bytes_after_all_edits(world: World) -> None:
    """All of it together, and a new mail goes out as edited."""
    sent = went_out(world)
    for edit in (edit_template, edit_layout, edit_entity, edit_person, edit_address):
        edit(world)
    old = world.app.settings.secret_key
    world.settings_are(
        base_url="https://mail.example.org", secret_key=SecretStr("a newer secret"), old_secret_keys=(old,)
    )
    assert Again(sent, exact=True) == again(world)
    world.signs_up("ben", "11-25 10:00", state="OH")
    world.tick("11-25 11:00")
    (fresh,) = world.transport.sent
    assert b"Welcome, Ben" in fresh.message.replace(b"=\r\n", b"")
    assert b"https://mail.example.org/u/" in fresh.message
    assert Again(fresh.message, exact=True) == reproduce.message(world.store, world.app.composer, 2)


def test_a_mail_of_an_old_version_under_a_new_name_is_exact(make_world: MakeWorld) -> None:
    """A mail that was told to try later and went after its campaign was renamed bears the new name, built again too."""
    body = SERIES.replace("entry:", "on_edit: pin\nentry:")
    world = make_world({"series": body})
    world.apply("11-23 09:00")
    world.transport.script("maria@example.org", from_reply(Phase.RCPT, 451, "4.7.1 later"))
    world.signs_up("maria", "11-23 10:00")
    world.tick("11-23 11:00")
    del world.campaigns["series"]
    world.apply("11-23 11:01", later=f"was: series\n{body}")
    world.tick("11-23 12:00")
    (sent,) = world.transport.accepted
    assert b"Feedback-ID: one:later:" in sent.message
    assert Again(sent.message, exact=True) == again(world)


def test_kept_bytes_are_shown_and_compared(make_world: MakeWorld) -> None:
    """With `keep_messages` the stored bytes are shown, and building them again gives the same."""
    world = make_world({"series": SERIES})
    world.settings_are(keep_messages="30d")
    world.apply("11-23 09:00")
    world.signs_up("maria", "11-23 10:00")
    world.tick("11-23 11:00")
    assert Again(went_out(world), exact=True, kept=True) == again(world)


# -- not exact ---------------------------------------------------------------------------------------------------------


def test_a_secret_that_is_gone_is_named(world: World) -> None:
    """Links cannot be sealed as they were: the header and both parts differ, and the secret is the cause."""
    world.settings_are(secret_key=SecretStr("quite another"))
    found = again(world)
    assert not found.exact
    assert ["header List-Unsubscribe", "text part", "html part"] == names(found)
    assert found.because[0].startswith("the secret its links were sealed with (number 0) is not among secret_key")


def test_another_build_is_named(world: World) -> None:
    """A message whose build is not ours names both, and the part that came out otherwise."""
    change(world, build="0 jinja2-3.0", vars={**world.delivery("one").made["vars"], "given_name": "Mia"})
    change(world, sha256="not this")
    found = again(world)
    assert ["header Subject", "text part", "html part"] == names(found)
    assert "Hello Mia" == found.differs[0].built
    assert found.because[0].startswith("it was written by build 0 jinja2-3.0, this is build 1 jinja2-3.")


def test_a_base_url_that_was_not_kept_is_guessed(world: World) -> None:
    """A delivery of a build that kept no base of its links says what may have changed."""
    edit_base_url(world)
    change(world, base=None)
    found = again(world)
    assert "header List-Unsubscribe" in names(found)
    assert found.because == ("base_url may have been another one; it is https://mail.example.org now",)


def test_an_address_that_was_not_kept_is_guessed(world: World) -> None:
    """The same for the address it went to."""
    edit_address(world)
    change(world, to=None)
    found = again(world)
    assert ["header To"] == names(found)
    assert found.because == ("the person's address may have been another one; it is mia@example.org now",)


def test_a_hand_in_the_database_is_not_explained_away(world: World) -> None:
    """Where nothing has changed and the bytes differ, it says that, and what to do."""
    change(world, sha256="not this")
    found = again(world)
    assert (["message"], False) == (names(found), found.exact)
    assert "edited by hand, or this is a bug" in found.because[0]


def test_a_delivery_without_a_sketch_still_tells_its_size(world: World) -> None:
    """A delivery of an earlier build has a number of bytes alone."""
    change(world, sketch=None, size=5, sha256="not this")
    assert "message: was '5 bytes'" in str(again(world).differs[0])


def test_kept_bytes_outlive_what_built_them(world: World) -> None:
    """The stored bytes are the truth: exact, with the first line where building again differs, and why."""
    sent = went_out(world)
    keep(world, sent)
    world.settings_are(secret_key=SecretStr("quite another"))
    found = again(world)
    assert (sent, True, True) == (found.message, found.exact, found.kept)
    (link,) = [one for one in found.differs if one.part == "text part"]
    assert link.sent is not None
    assert link.built is not None
    assert link.sent != link.built
    assert found.because[0].startswith("the secret its links were sealed with")


@pytest.mark.parametrize("damage", [b"other bytes", b""])
def test_a_damaged_copy_is_not_believed(world: World, damage: bytes) -> None:
    """A stored copy that is not what went out is said to be damaged, and the mail is built again."""
    keep(world, damage)
    assert Again(
        went_out(world), exact=True, because=("the stored copy is damaged, so this was built again",)
    ) == again(world)


@pytest.fixture
def signed(make_world: MakeWorld) -> World:
    """Maria's mail, signed."""
    world = make_world({"series": SERIES})
    world.mails["series/a.md"] = MAIL
    write_key(world.folder / "rsa.pem", rsa_pem())
    world.settings_are(dkim=(Dkim(**RSA),))
    world.apply("11-23 09:00")
    world.signs_up("maria", "11-23 10:00", state="WI")
    world.tick("11-23 11:00")
    return world


def replace_key(world: World) -> None:
    write_key(world.folder / "other.pem", rsa_pem(number=1))
    world.settings_are(dkim=(Dkim(**{**RSA, "key_file": "other.pem"}),))


@pytest.mark.parametrize("is_kept", [False, True])
def test_another_key_under_the_same_selector_is_named(signed: World, is_kept: bool) -> None:
    """The mail is the same, the signature is not; kept bytes are exact all the same."""
    if is_kept:
        keep(signed, went_out(signed))
    replace_key(signed)
    found = again(signed)
    assert (["header DKIM-Signature"], is_kept) == (names(found), found.exact)
    assert found.because == (
        "the mail is the same and the signature is not: the DKIM key was replaced under the same selector",
    )


def test_a_signature_differs_with_the_rest(signed: World) -> None:
    """Where the mail itself differs, that is the cause, and the signature follows."""
    signed.settings_are(secret_key=SecretStr("quite another"), dkim=(Dkim(**RSA),))
    found = again(signed)
    assert ["header DKIM-Signature", "header List-Unsubscribe", "text part", "html part"] == names(found)
    assert found.because[0].startswith("the secret its links were sealed with")


def test_a_signed_mail_is_exact_after_edits(signed: World) -> None:
    """The time, the domain and the selector of the signature are kept with it."""
    sent = went_out(signed)
    edit_template(signed)
    edit_person(signed)
    edit_entity(signed)
    signed.settings_are(base_url="https://mail.example.org", dkim=(Dkim(**RSA),))
    assert sent.startswith(b"DKIM-Signature: ")
    assert Again(sent, exact=True) == again(signed)


def test_a_mail_that_was_never_made_is_refused(make_world: MakeWorld) -> None:
    """A delivery that only waits has no bytes; one that does not exist is named."""
    world = make_world({"series": SERIES.replace("cap: exempt", "cap: exempt, at: entry + 3d")})
    world.apply("11-23 09:00")
    world.signs_up("maria", "11-23 10:00")
    world.tick("11-23 11:00")
    for row in world.deliveries():
        with pytest.raises(NotFoundError, match="no message was made of it yet"):
            reproduce.message(world.store, world.app.composer, row.id)
    with pytest.raises(NotFoundError, match="There is no delivery 99"):
        reproduce.message(world.store, world.app.composer, 99)
