"""
The wiring: settings -> store -> renderer -> transports -> hand-off, built once and passed on.

Commands, pages and the scheduler get everything from here; nothing else chooses a database or a relay.
"""

import getpass
import logging
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path

from pydantic import SecretStr
from sqlalchemy import Connection

from rfs_mail import clock
from rfs_mail.core.campaign import ReleaseContent
from rfs_mail.core.dkim import Algorithm, Signer, Signers, load_signer
from rfs_mail.core.duration import parse_duration
from rfs_mail.core.eligibility import Caps
from rfs_mail.core.headers import is_domain
from rfs_mail.core.operators import KNOWN, OPERATORS, Limits
from rfs_mail.core.send_hours import parse_rate
from rfs_mail.core.tokens import Keys, digest_key
from rfs_mail.core.warmup import RampRules
from rfs_mail.engine.compose import Composer
from rfs_mail.engine.composers import Composers
from rfs_mail.engine.deliver import Deliverer, Way
from rfs_mail.engine.dispatch import Pool
from rfs_mail.engine.doctor import Installation
from rfs_mail.engine.gate import Rules
from rfs_mail.engine.live import Live, look
from rfs_mail.engine.machine import Machine, new_holder
from rfs_mail.engine.pacing import Pacing
from rfs_mail.engine.relays import PATIENCE
from rfs_mail.engine.routing import Route
from rfs_mail.errors import SettingsError, TimeError
from rfs_mail.handoff.local import LocalHandOff
from rfs_mail.network import Resolver
from rfs_mail.render import Renderer
from rfs_mail.settings import Dkim, Operator, Relay, Settings, load_settings
from rfs_mail.store import ticks
from rfs_mail.store.database import Store
from rfs_mail.transport.base import Transport
from rfs_mail.transport.console import ConsoleTransport
from rfs_mail.transport.inbox import InboxTransport
from rfs_mail.transport.memory import MemoryTransport
from rfs_mail.transport.relay import parse_relay_url
from rfs_mail.transport.smtp import SmtpTransport

LOG = logging.getLogger(__name__)

_NO_RELAY = (Relay(url=SecretStr("inbox:")),)
"""Where mail goes until a relay is set."""


@dataclass(slots=True)
class Outlet:
    """A relay as it is used: its settings and the transport that speaks to it."""

    name: str
    relay: Relay
    transport: Transport
    is_local: bool
    """Loopback, inbox, console or memory: mail sent ahead of time through it reaches nobody by accident."""


@dataclass
class App:
    """One working folder, opened."""

    settings: Settings
    store: Store
    renderer: Renderer
    civil_clock: Callable[[], datetime] = field(default=clock.now)

    def now(self) -> datetime:
        """The civil time."""
        return self.civil_clock()

    def live(self) -> Live | None:
        """What is live now; None where nothing was applied yet."""
        with self.store.read() as connection:
            return look(connection)

    def release(self) -> ReleaseContent | None:
        """Entities, topics, segments, fields and calendars that are live; None where nothing was applied yet."""
        live = self.live()
        return live.content if live is not None else None

    @cached_property
    def keys(self) -> Keys:
        """What links are sealed with: the current secret has the highest number, old ones still verify."""
        secrets = [*self.settings.old_secret_keys, self.settings.secret_key]
        if not self.settings.secret_key.get_secret_value():
            raise SettingsError("secret_key is empty. Run `rfs-mail init`, or set RFS_MAIL_SECRET_KEY.")
        derived = [digest_key(secret.get_secret_value().encode(), "tokens") for secret in secrets]
        return Keys(len(derived) - 1, tuple(enumerate(derived)))

    @cached_property
    def suppression_key(self) -> bytes:
        """What addresses are hashed with for the suppression list. Never rotated."""
        secret = self.settings.suppression_key.get_secret_value()
        if not secret:
            raise SettingsError("suppression_key is empty. Run `rfs-mail init`, or set RFS_MAIL_SUPPRESSION_KEY.")
        return digest_key(secret.encode(), "suppression")

    @cached_property
    def composer(self) -> Composer:
        """What writes the messages. Raises SettingsError for a setting that would promise what is not done."""
        return Composer(self.renderer, self.keys, self.settings.base_url.rstrip("/"), self.signers)

    @cached_property
    def signers(self) -> Signers:
        """
        Who signs for which domain, read from the key files of `[dkim]`.

        Raises SettingsError for a file that is not there, that others can read, or that holds no fitting key; for two
        tables of one domain.
        """
        signers: dict[str, tuple[Signer, ...]] = {}
        for one in self.settings.dkim:
            if one.domain in signers:
                raise SettingsError(f"dkim: {one.domain} stands there twice. A domain has one key of a kind at a time.")
            signers[one.domain] = tuple(_signers(one, self.settings.folder))
        return Signers(signers)

    def unsigned(self) -> tuple[str, ...]:
        """
        The From addresses of live entities that no key signs for, where any key is set.

        Their mail goes out unsigned, which is right where their relay signs.
        """
        release = self.release() if self.signers.by_domain else None
        found = {entity.from_address for entity in release.entities.values()} if release is not None else set()
        return tuple(sorted(address for address in found if not self.signers.of(address)))

    @property
    def _composing_processes(self) -> int:
        """How many processes may compose beside the one that sends: one a further processor, unless it is set."""
        if self.settings.composers is not None:
            return self.settings.composers
        processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return processors - 1

    @cached_property
    def caps(self) -> Caps:
        """How many mails a person may get."""
        return Caps(self.settings.caps.per_day, self.settings.caps.per_week)

    @cached_property
    def pacing(self) -> Pacing:
        """What receiving operators are given, and the ramps. Raises SettingsError for an unknown operator or rate."""
        limits = dict(KNOWN)
        for name, wanted in self.settings.operators.items():
            limits[name] = _limits(name, wanted)
        ramps = {
            domain.lower(): RampRules(one.started, one.cap, one.growth, one.enough)
            for domain, one in self.settings.warm_up.items()
        }
        for domain in ramps:
            if not is_domain(domain):
                raise SettingsError(f'warm_up.{domain}: this is no domain. Write [warm_up."mail.example.org"].')
        return Pacing(limits, ramps, self.settings.mx_lookup)

    @cached_property
    def outlets(self) -> Mapping[str, Outlet]:
        """The ways out, by name; the on-disk inbox where no relay is set."""
        relays = self.settings.relay or _NO_RELAY
        outlets: dict[str, Outlet] = {}
        for number, relay in enumerate(relays, 1):
            outlet = _outlet(relay, number, self.settings)
            if outlet.name in outlets:
                raise SettingsError(f"Two relays are called {outlet.name!r}. Give each a `name` of its own.")
            outlets[outlet.name] = outlet
        return outlets

    @cached_property
    def routes(self) -> tuple[Route, ...]:
        """The ways out as dispatch and staff see them. Raises SettingsError naming the relay."""
        return tuple(_route(one.name, one.relay) for one in self.outlets.values())

    @property
    def sends_locally(self) -> bool:
        """Does every way out stay on this machine?"""
        return all(outlet.is_local for outlet in self.outlets.values())

    @property
    def whoami(self) -> str:
        """Who is at the keyboard, for the record of an apply, a pause, a lift."""
        try:
            return getpass.getuser()
        except (KeyError, OSError):
            return "unknown"

    def _keep_messages(self) -> timedelta | None:
        """How long the bytes of sent mail are kept; None: not at all. Raises SettingsError."""
        if not self.settings.keep_messages:
            return None
        try:
            return parse_duration(self.settings.keep_messages).nominal
        except TimeError as error:
            raise SettingsError(f"keep_messages: {error}") from error

    def machine(self, *, now: Callable[[], datetime] | None = None, patience: float = PATIENCE) -> Machine:
        """
        The verbs of this process, not started. `now` replaces the civil clock, as `tick --at` does.

        `patience`: seconds of machine time that a relay may be silent with mail of ours before it is given up.
        """
        outlets = self.outlets.values()
        ways = {one.name: Way(one.name, one.transport, one.relay.connections * self.settings.window) for one in outlets}
        keep = self._keep_messages()
        deliverer = Deliverer(
            self.store, Composers(self.composer, self._composing_processes), ways,
            Rules(self.caps, self.settings.only_to), new_holder(), now or self.now, keep_messages=keep is not None,
            patience=patience, pacing=self.pacing,
        )  # fmt: skip
        for address in self.unsigned():
            LOG.warning("no [dkim] signs mail from %s: it goes out unsigned, unless its relay signs", address)
        pool = Pool(self.routes, pacing=self.pacing)
        resolver = Resolver if self.settings.mx_lookup else None
        return Machine(self.store, LocalHandOff(), deliverer, pool, clock.breathe, keep, resolver)

    def installation(self) -> Installation:
        """What `doctor` looks at. Opens nothing: what cannot be opened is a finding."""
        relays = self.settings.relay or _NO_RELAY
        has_secret = bool(self.settings.secret_key.get_secret_value())
        signers, signing = Signers(), ""
        try:
            signers = self.signers
        except SettingsError as error:
            signing = str(error)
        return Installation(
            self.settings, self.store, tuple((_name_of(relay, n), relay) for n, relay in enumerate(relays, 1)),
            self.keys if has_secret else None, self.now(), signers, signing,
        )  # fmt: skip

    @staticmethod
    def note_alive(connection: Connection, holder: str, host: str, pid: int, now: datetime) -> None:
        """Write a sign of life of a sending process."""
        ticks.sign_of_life(connection, holder, host=host, pid=pid)
        ticks.note(connection, "run", civil=now)

    def close(self) -> None:
        """End threads and connections."""
        self.store.close()


def open_app(
    folder: Path, *, environ: Mapping[str, str] | None = None, civil_clock: Callable[[], datetime] = clock.now,
    check_schema: bool = True,
) -> App:  # fmt: skip
    """
    Open a working folder. Raises SettingsError or StoreError with what to do; changes nothing.

    `check_schema=False` is for `init` and `db upgrade`.
    """
    settings = load_settings(folder, environ)
    store = Store(settings.database_url, base=settings.folder)
    if check_schema:
        store.check_schema()
    return App(settings, store, Renderer({"base_url": settings.base_url.rstrip("/")}), civil_clock)


def _signers(dkim: Dkim, folder: Path) -> Iterator[Signer]:
    """The keys of one domain, the RSA key first: receivers that know one kind know that."""
    yield load_signer(
        _key_file(folder / dkim.key_file), domain=dkim.domain, selector=dkim.selector, algorithm=Algorithm.RSA,
        name=str(folder / dkim.key_file), canonicalization=dkim.canonicalization,
    )  # fmt: skip
    if dkim.ed25519_key_file is not None and dkim.ed25519_selector is not None:
        yield load_signer(
            _key_file(folder / dkim.ed25519_key_file), domain=dkim.domain, selector=dkim.ed25519_selector,
            algorithm=Algorithm.ED25519, name=str(folder / dkim.ed25519_key_file),
            canonicalization=dkim.canonicalization,
        )  # fmt: skip


def _key_file(path: Path) -> bytes:
    """The text of a key that its owner alone can read. Raises SettingsError."""
    try:
        if os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise SettingsError(f"{path} can be read or written by others, and it signs as you. Run: chmod 600 {path}")
        return path.read_bytes()
    except OSError as error:
        make = " `rfs-mail dkim new` makes one." if isinstance(error, FileNotFoundError) else ""
        raise SettingsError(f"{path}: the DKIM key cannot be read ({error.strerror}).{make}") from error


def _limits(name: str, wanted: Operator) -> Limits:
    """What one operator is given: the settings over what is known of it."""
    known = KNOWN.get(name)
    if known is None:
        raise SettingsError(f"operators.{name}: there is no such operator. There are: {', '.join(OPERATORS)}.")
    rate, outstanding = known.rate, known.outstanding
    if wanted.rate is not None:
        try:
            rate = None if wanted.rate == "none" else parse_rate(wanted.rate).per_second
        except TimeError as error:
            raise SettingsError(f"operators.{name}.rate: {error}") from error
    if wanted.outstanding is not None:
        outstanding = wanted.outstanding or None
    return Limits(outstanding, rate)


def _outlet(relay: Relay, number: int, settings: Settings) -> Outlet:
    url = relay.url.get_secret_value()
    kind, _, rest = url.partition(":")
    transport: Transport
    local = True
    match kind:
        case "smtp" | "smtps":
            address = parse_relay_url(url)
            local = address.is_loopback
            transport = SmtpTransport(
                address, connections=relay.connections, messages_per_connection=relay.messages_per_connection
            )
        case "inbox":
            transport = InboxTransport(settings.folder / rest if rest else settings.inbox_dir)
        case "console":
            transport = ConsoleTransport()
        case "memory":
            transport = MemoryTransport()
        case _:
            raise SettingsError(
                f"relay {number}: {kind!r} is no kind of relay. Use smtp://host:port, inbox: or console:."
            )
    return Outlet(_name_of(relay, number), relay, transport, local)


def _route(name: str, relay: Relay) -> Route:
    try:
        rate = parse_rate(relay.rate) if relay.rate else None
    except TimeError as error:
        raise SettingsError(f"The rate of relay {name!r}: {error}") from error
    if relay.stands_in and relay.entities:
        raise SettingsError(
            f"Relay {name!r} names entities and stands_in: one that stands in takes everybody's. Take out one of both."
        )
    return Route(
        name, relay.weight, relay.entities, relay.connections, rate, relay.messages_per_connection, relay.stands_in
    )


def _name_of(relay: Relay, number: int) -> str:
    """What a relay is called: as its settings say, else by its kind and place."""
    kind = relay.url.get_secret_value().partition(":")[0]
    return relay.name or (kind if number == 1 else f"{kind}-{number}")
