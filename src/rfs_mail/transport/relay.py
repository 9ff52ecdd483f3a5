"""Where mail is handed in: a relay, and the url that names it."""

import socket
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from rfs_mail.core.headers import is_domain
from rfs_mail.errors import TransportError

_PORTS = {"smtp": 587, "smtps": 465}
_OPTIONS = ("tls", "verify", "ca", "helo")
_FORM = "smtp://user:password@host:587?tls=starttls"


class Tls(StrEnum):
    """How the way to the relay is kept private."""

    NONE = "none"
    STARTTLS = "starttls"
    """From the first command on (RFC 3207); a relay that does not offer it is not used."""
    TLS = "tls"
    """From the first byte on (RFC 8314)."""


@dataclass(frozen=True, slots=True)
class Relay:
    """One relay. The password is in no representation; `ca` is a file of certificates to trust, for the system's."""

    host: str
    port: int
    tls: Tls
    username: str = ""
    password: str = field(default="", repr=False)
    verify: bool = True
    ca: Path | None = None
    helo: str = ""

    @property
    def name(self) -> str:
        """`smtp://host:port`, for logs and pages."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"smtp://{host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether it runs on this machine."""
        return is_loopback(self.host)


def parse_relay_url(url: str) -> Relay:
    """
    Read `smtp://user:password@host:port?tls=none|starttls|tls&verify=no&ca=FILE&helo=NAME`, or `smtps://...`.

    Name and password are percent-decoded. Without `tls`, 465 and smtps speak TLS at once, this machine speaks
    plainly, and everybody else must offer STARTTLS. Raises TransportError, which never shows the password.
    """
    try:
        if not url.isprintable() or " " in url:
            raise ValueError
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise TransportError(f"The relay's url has no readable host and port. Write it as {_FORM}.") from None
    if parts.scheme not in _PORTS:
        raise TransportError(f"A relay's url begins with smtp:// or smtps://. Write it as {_FORM}.")
    host = parts.hostname or ""
    if not (is_domain(host) or _is_address(host)) or parts.path.strip("/") or parts.fragment:
        raise TransportError(
            f"The relay's url has no readable host. Write it as {_FORM}, with :/?#@ in name or password as %3A %2F ..."
        )
    options = _options(parts.query)
    if port is None:
        port = _PORTS[parts.scheme]
    tls = _tls(parts.scheme, host, port, options.get("tls"))
    if options.get("verify", "yes") not in ("yes", "no"):
        raise TransportError("The relay's verify is yes or no.")
    helo = options.get("helo", "")
    if helo and not is_domain(helo):
        raise TransportError("The relay's helo is a host name, such as mail.example.org.")
    return Relay(
        host=host,
        port=port,
        tls=tls,
        username=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        verify=options.get("verify", "yes") == "yes",
        ca=Path(options["ca"]) if options.get("ca") else None,
        helo=helo,
    )


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine."""
    return host == "localhost" or (_is_address(host) and ip_address(host).is_loopback)


def own_name(local_address: str) -> str:
    """What we call ourselves in EHLO: a full host name, or else the address literal (RFC 5321 section 4.1.4)."""
    name = socket.gethostname()
    if "." in name and is_domain(name):
        return name
    return f"[IPv6:{local_address}]" if ":" in local_address else f"[{local_address}]"


def _options(query: str) -> dict[str, str]:
    options = parse_qsl(query, keep_blank_values=True)
    for key, _ in options:
        if key not in _OPTIONS:
            raise TransportError(f"A relay's url has no option {key!r:.40}. There are: {', '.join(_OPTIONS)}.")
    return dict(options)


def _tls(scheme: str, host: str, port: int, asked: str | None) -> Tls:
    if asked is not None:
        if asked not in list(Tls):
            raise TransportError(f"The relay's tls is one of {', '.join(Tls)}.")
        if scheme == "smtps" and asked != Tls.TLS:
            raise TransportError("smtps:// is tls=tls. Leave tls out, or write smtp://.")
        return Tls(asked)
    if scheme == "smtps" or port == _PORTS["smtps"]:
        return Tls.TLS
    return Tls.NONE if is_loopback(host) else Tls.STARTTLS


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
