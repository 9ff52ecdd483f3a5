"""
Hostile sign-ups and templates through the real import and a real tick: whoever gets a mail gets the one that was meant.

Each message that left is read by the standard library's parser, which knows nothing of how it was written. It must
have exactly our headers, one From, one To, the intended recipient; else that one delivery has failed with the field
named, and the others went out.
"""

import csv
from collections import Counter
from email import message_from_bytes, policy
from email.message import EmailMessage
from itertools import count

from hypothesis import given, settings
from hypothesis import strategies as st

from rfs_mail.core.headers import clean_text
from rfs_mail.core.person import Address, parse_address
from rfs_mail.core.verdict import Accepted
from rfs_mail.engine.import_signups import import_signups
from rfs_mail.errors import AddressError, MessageError
from rfs_mail.render import Renderer, compile_mail
from rfs_mail.settings import Caps, Settings
from rfs_mail.transport.base import Envelope
from rfs_mail.transport.memory import Sent
from tests.core.test_headers import HOSTILE
from tests.core.test_message import NAMES, attempt, parts, template
from tests.engine.conftest import MakeWorld
from tests.engine.test_advance import drip
from tests.render_samples import ADA, ENTITY, LAYOUT, PLAIN_URLS, context_for
from tests.transport.smtp_server import SmtpServer
from tests.world import World

HEADERS = [name for name in NAMES if name != "Reply-To"]
LOUD = """\
---
subject: "{{ given_name or 'friend' }}, {{ family_name or '' }}: three days left"
preheader: "{{ given_name or '' }} {{ county or '' }}"
---
Hi {{ given_name or "friend" }}, *{{ family_name or "" }}* of {{ county or "nowhere" }}.

{{ family_name or "" }}
"""
"""Prints what people say of themselves wherever a mail can print anything."""


def stranger(kept: Sent) -> EmailMessage:
    """A message as somebody reads it who does not know us: our headers, one author, one recipient, two bodies."""
    message = message_from_bytes(kept.message, policy=policy.default)
    assert isinstance(message, EmailMessage)
    assert message.defects == []
    assert HEADERS == message.keys() == message_from_bytes(kept.message, policy=policy.compat32).keys()
    assert ["hello@rfs.example.org"] == [one.addr_spec for one in message["From"].addresses]
    assert [kept.envelope.rcpt_to] == [one.addr_spec for one in message["To"].addresses]
    assert ["text/plain", "text/html"] == [part.get_content_type() for part in message.iter_parts()]
    assert kept.message.count(b"\r\n") == kept.message.count(b"\n") == kept.message.count(b"\r")
    assert max(map(len, kept.message.split(b"\r\n"))) <= 998
    return message


def loud(make_world: MakeWorld) -> World:
    """A campaign whose first mail repeats everything, with no cap."""
    world = make_world({"drip": drip("{key: one, mail: a}")}, mails={"drip/a.md": LOUD})
    world.settings_are(caps=Caps(per_day=0, per_week=0))
    world.apply("11-23 10:00")
    return world


def sign_up(world: World, people: list[tuple[str, str, str, str]]) -> int:
    """Import (address, given name, family name, county) as a file of a sign-up form; returns how many rows came in."""
    path = world.folder / "signups.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerows([("email", "first_name", "last_name", "county"), *people])
    release = world.app.release()
    assert release is not None
    report = import_signups(
        world.store, path, source="form", entity="rfs", consent_text="Yes", secret=world.app.suppression_key,
        fields=release.fields, now=world.now, pause=lambda seconds: None,
    )  # fmt: skip
    assert len(people) == report.rows + report.blank_rows
    return report.created


FILED = HOSTILE.map(lambda text: text.encode("utf-8", "ignore").decode("utf-8"))
"""What a file can carry: no half characters, which no encoding has."""


def test_whatever_a_form_says_the_mail_is_the_one_we_meant(make_world: MakeWorld) -> None:
    """Names with line ends, encoded words, quotes, bidi controls: each person gets her mail, and nobody another's."""
    world = loud(make_world)
    numbers = count()

    @given(st.lists(st.tuples(FILED, FILED, FILED), min_size=5, max_size=25))
    @settings(max_examples=12, deadline=None)
    def one_form(said: list[tuple[str, str, str]]) -> None:
        before, began = len(world.transport.accepted), len(world.deliveries())
        people = [(f"p{next(numbers)}@example.org", *texts) for texts in said]
        created = sign_up(world, people)
        world.tick()
        sent = world.transport.accepted[before:]
        states = Counter(row.state for row in world.deliveries()[began:])

        assert created == states.total() == len(sent) + states["failed"]
        assert {row.reason for row in world.deliveries()} <= {None, "message_refused"}
        assert len({kept.envelope.rcpt_to for kept in sent}) == len(sent)
        assert {kept.envelope.rcpt_to for kept in sent} <= {address for address, *_ in people}
        for kept in sent:
            stranger(kept)

    one_form()


STRANGE_ADDRESSES = [
    "maria@example.org, eve@example.org",
    "maria@example.org\r\nBcc: eve@example.org",
    "maria@example.org>\r\nRCPT TO:<eve@example.org",
    "<maria@example.org>",
    '"Maria" <maria@example.org>',
    "Maria <maria@example.org>, <eve@example.org>",
    '"maria@example.org, eve"@example.org',
    "=?utf-8?q?maria?=@example.org",
    "maria@example.org\0.example.com",
    "maria@exam\u202eple.org",
    "maria@[127.0.0.1]",
    "maria@localhost",
    "maría@example.org",
    "maria@bücher.example",
    "maria@straße.example",
    "mailto:maria.lopez@example.org?cc=eve@example.org",
    "MAILTO:Maria.Lopez@Example.ORG",
    "@example.org",
    f"{'m' * 65}@example.org",
    f"maria@{'.'.join(['d' * 60] * 4)}.example.org",
]


def test_a_strange_address_is_mailed_as_itself_or_not_at_all(make_world: MakeWorld) -> None:
    """No address of a form brings a second recipient, a header or a command; who has a good one gets her mail."""
    world = loud(make_world)
    people = [(address, "Maria", "López", "Dane") for address in (*STRANGE_ADDRESSES, "good@example.org")]
    created = sign_up(world, people)
    world.tick()
    states = Counter((row.state, row.reason) for row in world.deliveries())
    # The reader of files takes NUL out, and says so.
    meant = {read.mailbox for address, *_ in people if (read := readable(address.replace("\0", ""))) is not None}
    got = [kept.envelope.rcpt_to for kept in world.transport.accepted]

    for kept in world.transport.accepted:
        stranger(kept)
    assert {"good@example.org", "Maria.Lopez@example.org", "maria@xn--bcher-kva.example"} <= set(got) <= meant
    assert not {address for address in got if address.startswith("eve@")}
    assert len(got) == len(set(got)) == states["sent", None]
    assert {("sent", None), ("failed", "message_refused")} == set(states)
    assert created == states.total()


def readable(address: str) -> Address | None:
    """What our reader makes of an address; None where it refuses it."""
    try:
        return parse_address(address)
    except AddressError:
        return None


@given(HOSTILE, HOSTILE, HOSTILE)
@settings(max_examples=60, deadline=None)
def test_whatever_a_template_prints_is_one_mail_or_none(given_name: str, family_name: str, county: str) -> None:
    """Subject, preheader, text and HTML of any content, half characters too: our message, or a named refusal."""
    said = {"given_name": given_name, "family_name": family_name, "county": county}
    printed = _RENDERER.render(_LOUD, context_for(ADA | said))
    given = parts(
        to_address="maria@example.org", to_name=f"{given_name} {family_name}", subject=printed.subject,
        text=printed.text, html=printed.html, unsubscribe_url=PLAIN_URLS.unsubscribe,
    )  # fmt: skip
    shared = template(
        from_address="hello@rfs.example.org", reply_to="", postal_address=ENTITY["postal_address"],
        disclaimer=ENTITY["disclaimer"]["en"],
    )  # fmt: skip
    made = attempt(given, shared)
    if isinstance(made, MessageError):
        assert made.field in ("text", "html")
        assert any("\ud800" <= letter <= "\udfff" for letter in given_name + family_name + county)
    else:
        read = stranger(Sent(Envelope("", "maria@example.org"), made, Accepted(250, "2.0.0", "kept")))
        assert clean_text(printed.subject) == read["Subject"]


_RENDERER = Renderer()
_LOUD = compile_mail(LAYOUT | {"demo/mail.md": LOUD}, "demo/mail", language="en")

ATTACKS = [
    "=?utf-8?q?a=0D=0ABcc:_x=40y?=",
    "=?utf-8?b?DQpCY2M6IGV2ZUBleGFtcGxlLm9yZw==?= =?utf-8?q?=0A?=",
    "Maria\r\nBcc: eve@example.org",
    "Maria\nSubject: you won\n\n<script>",
    'Name, Director <eve@example.org>, "',
    "Maria\\",
    'O"Neil (a comment) <eve@example.org>;',
    "undisclosed-recipients:;",
    "evil\u202egpj.exe\u2066",
    "\u2028Bcc: eve@example.org\u2029\x85",
    "\n.\nMAIL FROM:<eve@example.org>\nRCPT TO:<eve@example.org>\nDATA\nSubject: two\n\nhi\n.\n",
    "\r.\rMAIL FROM:<eve@example.org>",
    "\r\n.\r\nQUIT\r\n",
    "x" * 2000,
    "\U0001f5f3\ufe0f" * 30,
    "{{ 7 * 7 }}{% raw %}",
    "--=_0\r\nContent-Type: text/html\r\n\r\n<b>hi</b>",
    "$(reboot) `id` %s {0} =3D=0A",
]
"""Each breaks a mailer that somebody wrote: research of attacks on header and wire, one a line."""


def test_known_attacks_reach_a_server_as_one_mail_each(make_world: MakeWorld) -> None:
    """Encoded words, injected lines, commas, smuggled ends of data: over a real connection, one mail a person."""
    with SmtpServer() as server:
        world = loud(make_world)
        relay = Settings.model_validate({"relay": [{"url": f"smtp://127.0.0.1:{server.port}", "connections": 2}]}).relay
        world.settings_are(caps=Caps(per_day=0, per_week=0), relay=relay)
        people = [(f"p{place}@example.org", *[text] * 3) for place, text in enumerate(ATTACKS)]
        created = sign_up(world, people)
        world.tick()
    mails = {one.rcpt_to[0]: one for one in server.messages}

    assert [] == server.violations
    assert created == len(ATTACKS) == len(server.messages) == len(mails)
    for mail in mails.values():
        read = stranger(Sent(Envelope(mail.mail_from, mail.rcpt_to[0]), mail.data, Accepted(250, "2.0.0", "kept")))
        name = str(read["To"].addresses[0].display_name)
        assert "=?" not in name
        assert name.isprintable()
        assert not {"\u202e", "\u2066"} & set(name + read["Subject"])
        assert 1 == len(mail.rcpt_to)


BROKEN = (
    f"""\
---
subject: "{{% if given_name == 'Long' %}}{"long " * 200}{{% elif given_name != 'Blank' %}}Hi{{% endif %}}"
---
Hi"""
    + """\
{% if given_name == "Half" %} {{ "\\ud83d" }}{% endif %}.
"""
)


def test_one_refused_message_stops_nobody_else(make_world: MakeWorld) -> None:
    """The delivery that cannot be a message fails with the field in its reason; those around it go out."""
    world = make_world({"drip": drip("{key: one, mail: a}")}, mails={"drip/a.md": BROKEN})
    world.apply("11-23 10:00")
    names = ["Ana", "Long", "Bea", "Blank", "Half", "Eva"]
    for name in names:
        world.signs_up(name.lower(), "11-23 10:00", given_name=name)
    world.tick()
    failed = {names[row.person_id - 1]: row for row in world.deliveries() if row.state == "failed"}

    assert {"message_refused"} == {row.reason for row in failed.values()}
    assert {"Long": "Subject", "Blank": "Subject", "Half": "text"} == {
        name: row.detail["field"] for name, row in failed.items()
    }
    assert ["ana@example.org", "bea@example.org", "eva@example.org"] == sorted(
        stranger(kept)["To"].addresses[0].addr_spec for kept in world.transport.accepted
    )
