"""Each relay, looked at as a stranger: reachable, greeting, EHLO, TLS, login; and the name of the address behind it."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from ipaddress import ip_address

from rfs_mail.core.checkup import Check, fail, ok, skipped, warn
from rfs_mail.core.domain_records import UnknownAnswerError, reverse_name
from rfs_mail.errors import TransportError
from rfs_mail.network import NoAddressError, Resolver, addresses
from rfs_mail.settings import Relay as RelaySettings
from rfs_mail.transport.probe import Look, look_at
from rfs_mail.transport.relay import Relay, Tls, parse_relay_url

SOON = 21
"""Days before a certificate ends at which it is worth saying."""

_ONE_SECONDS = 8.0
"""For one address of a relay."""

_WANTED = ("PIPELINING", "SIZE", "8BITMIME", "DSN")


def leaves_folder(relay: RelaySettings) -> bool:
    """Whether mail goes further than a folder or a screen."""
    return relay.url.get_secret_value().partition(":")[0] in ("smtp", "smtps")


async def check(
    name: str, settings: RelaySettings, resolver: Resolver, dns: "asyncio.Task[str]", now: datetime,
    outgoing: Callable[[], str | None],
) -> Sequence[Check]:  # fmt: skip
    """The lines of one relay."""
    title = f"relay {name}"
    if not leaves_folder(settings):
        kind = settings.url.get_secret_value().partition(":")[0]
        where = {"inbox": "is written into a folder", "console": "is printed"}.get(kind, "is kept in memory")
        return [ok(title, f"mail {where} and reaches nobody; set [[relay]] to send")]
    try:
        relay = parse_relay_url(settings.url.get_secret_value())
        found = await _look(relay)
    except (TransportError, NoAddressError) as error:
        return [fail(title, str(error).rstrip("."), "Mend `url` in [[relay]].")]
    lines = [*_lines(title, relay, found, now)]
    if found.greeting:
        lines.append(await _ptr(title, relay, found, resolver, dns, outgoing))
    return lines


async def _look(relay: Relay) -> Look:
    """The first address that answers; else what the last one said."""
    found = Look("connect", "no address")
    for address in await addresses(relay.host):
        try:
            async with asyncio.timeout(_ONE_SECONDS):
                found = await look_at(relay, address)
        except TimeoutError:
            found = Look("connect", f"no answer from {address} in {_ONE_SECONDS:.0f} seconds")
        if found.failed != "connect":
            break
    return found


def _lines(title: str, relay: Relay, found: Look, now: datetime) -> Iterator[Check]:
    if found.failed == "connect":
        yield fail(
            title, f"{relay.name} cannot be reached: {found.said}", "Is it up, and is the port open for this machine?"
        )
        return
    if found.failed == "certificate":
        yield fail(
            f"{title} TLS", f"its certificate is not to be trusted: {found.said}",
            "Have it renewed; for a relay of your own name its authority in `ca=`.",
        )  # fmt: skip
        return
    if found.failed == "greeting":
        yield fail(title, f"{relay.name} does not greet: {found.said}", "Ask its operator; 5xx here is about us.")
        return
    yield ok(title, f"{relay.name} answers: {found.greeting}")
    if found.failed == "ehlo":
        yield fail(f"{title} EHLO", f"refused: {found.said}", "Name yourself in the url: helo=mail.example.org.")
        return
    yield from _extensions(title, found)
    if found.failed == "starttls":
        yield fail(f"{title} TLS", found.said, "Mail would travel in the open. Ask the operator for TLS, or tls=tls.")
        return
    yield _tls(title, relay, found)
    if relay.tls is not Tls.NONE:
        yield _certificate(title, relay, found, now)
    yield _login(title, relay, found)


def _extensions(title: str, found: Look) -> Iterator[Check]:
    words = [f"{name} {found.extensions[name]}".strip() for name in _WANTED if name in found.extensions]
    if "AUTH" in found.extensions:
        words.append(f"AUTH {found.extensions['AUTH']}")
    if "STARTTLS" in found.extensions:
        words.append("STARTTLS")
    said = ", ".join(words) or "no extensions"
    if "PIPELINING" in found.extensions:
        yield ok(f"{title} EHLO", said)
    else:
        yield warn(f"{title} EHLO", f"no PIPELINING; {said}", "It works, at four round trips a mail. Ask the operator.")


def _tls(title: str, relay: Relay, found: Look) -> Check:
    if found.tls:
        return ok(f"{title} TLS", f"{found.tls}, {found.cipher}")
    if relay.is_loopback:
        return ok(f"{title} TLS", "none, and it stays on this machine")
    return fail(f"{title} TLS", "mail and password travel in the open", "Take tls=none out of its url.")


def _certificate(title: str, relay: Relay, found: Look, now: datetime) -> Check:
    name = f"{title} certificate"
    if not relay.verify or found.certificate_ends is None:
        return warn(name, "it is not checked (verify=no), so anybody may pose as this relay", "Use `ca=FILE` instead.")
    days = (found.certificate_ends - now).days
    said = f"good for {days} days, until {found.certificate_ends:%Y-%m-%d}"
    return ok(name, said) if days >= SOON else warn(name, said, "Have it renewed: when it ends, no mail goes.")


def _login(title: str, relay: Relay, found: Look) -> Check:
    name = f"{title} login"
    if not relay.username:
        return skipped(name, "no name in its url, so none is needed")
    if found.logged_in:
        return ok(name, f"{relay.username} is let in")
    return fail(name, f"{relay.username} is not let in: {found.said}", "Mend name and password in its url.")


async def _ptr(
    title: str, relay: Relay, found: Look, resolver: Resolver, dns: "asyncio.Task[str]",
    outgoing: Callable[[], str | None],
) -> Check:  # fmt: skip
    """A relay on this machine hands mail on from this machine's address, whose name receivers look up."""
    name = f"{title} PTR"
    if not relay.is_loopback:
        return skipped(name, f"{relay.host} sends on from addresses of its own, whose names are its operator's")
    address = outgoing()
    if address is None or not ip_address(address).is_global:
        said = f"mail leaves by {address}, which is translated on the way" if address else "no way to the internet"
        return skipped(name, said, "Look up the PTR of the address that receivers see.")
    away = await dns
    if away:
        return skipped(name, away)
    ehlo = found.greeting.split()[0].lower() if found.greeting.split() else ""
    try:
        reverse = await resolver.walk(reverse_name(address))
    except UnknownAnswerError as error:
        return skipped(name, str(error))
    if not reverse.names:
        return fail(name, f"{address} has no name", f"Ask who gave you the address for the PTR {ehlo}.")
    if not reverse.confirmed:
        return fail(
            name, f"{address} is called {reverse.names[0]}, which does not lead back to it",
            f"Give {reverse.names[0]} the address {address}, or have the PTR changed to {ehlo}.",
        )  # fmt: skip
    if ehlo not in reverse.confirmed:
        return warn(
            name, f"{address} is called {reverse.confirmed[0]}, and the relay calls itself {ehlo}",
            "Make the two the same: `myhostname` of the relay, or the PTR.",
        )  # fmt: skip
    return ok(name, f"{address} is called {ehlo}, and back")
