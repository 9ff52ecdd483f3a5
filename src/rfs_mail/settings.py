"""
`rfs-mail.toml` and the `RFS_MAIL_*` variables -> one frozen `Settings`.

Unknown keys are refused by name, with the nearest right one. Relative paths count from the folder of the file.
"""

import difflib
import os
import tomllib
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator

from rfs_mail.errors import SettingsError

FILE_NAME = "rfs-mail.toml"
PREFIX = "RFS_MAIL_"

_SAID = {
    "extra_forbidden": "unknown key.",
    "tuple_type": 'write a list, such as ["..."].',
    "int_parsing": "write a whole number.",
    "int_type": "write a whole number.",
    "string_type": "write a text, in quotes.",
    "model_type": "write a table of its own.",
}
"""Kinds of mistakes in our words; the rest speaks for itself."""


class Relay(BaseModel):
    """One way out. `url`: smtp://user:pass@host:587?tls=starttls, inbox:FOLDER, console:, memory:."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: SecretStr
    name: str = ""
    connections: int = Field(default=20, ge=1, le=500)
    messages_per_connection: int = Field(default=1000, ge=1)
    weight: int = Field(default=1, ge=0)
    """Its share; 0: a spare, used while the others rest."""
    rate: str | None = None
    """`14/s`, `25000/h`: over all processes."""
    entities: tuple[str, ...] = ()
    stands_in: bool = False
    """Also takes the mail of entities that have relays of their own, while all of those rest."""


class Caps(BaseModel):
    """How many mails a person may get, over all entities. 0 means no limit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    per_day: int = Field(default=1, ge=0)
    per_week: int = Field(default=2, ge=0)


class Dkim(BaseModel):
    """The keys that sign for one domain, and the domains below it that have none of their own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    domain: str
    selector: str
    key_file: str
    ed25519_selector: str | None = None
    ed25519_key_file: str | None = None
    canonicalization: Literal["relaxed/simple", "relaxed/relaxed"] = "relaxed/simple"

    @model_validator(mode="after")
    def _two_keys(self) -> Self:
        if (self.ed25519_selector is None) != (self.ed25519_key_file is None):
            raise ValueError("ed25519_selector and ed25519_key_file belong together: set both, or none.")
        if self.ed25519_selector == self.selector:
            raise ValueError("two keys need two selectors, because each has a record of its own in the DNS.")
        return self


class Operator(BaseModel):
    """What one receiving operator is given through one relay, in the place of what is known of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rate: str | None = None
    """`100/s`, `600/min`; `none` lifts the limit."""
    outstanding: int | None = Field(default=None, ge=0)
    """Mails on their way at a time; 0 lifts the limit."""


class WarmUp(BaseModel):
    """The ramp of one From domain."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    started: date
    cap: int = Field(default=50, ge=1)
    growth: float = Field(default=1.5, gt=1, le=10)
    enough: int = Field(default=10_000, ge=1)


class Settings(BaseModel):
    """All there is to set. `folder` is where the file lies; every path property is absolute."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: Path = Field(default_factory=Path.cwd, exclude=True)
    database_url: str = "sqlite:///rfs-mail.db"
    base_url: str = "http://127.0.0.1:8025"
    secret_key: SecretStr = SecretStr("")
    old_secret_keys: tuple[SecretStr, ...] = ()
    suppression_key: SecretStr = SecretStr("")
    campaigns: str = "campaigns"
    templates: str = "templates"
    data: str = "data"
    entities: str = "campaigns/entities.yaml"
    relay: tuple[Relay, ...] = ()
    caps: Caps = Caps()
    dkim: tuple[Dkim, ...] = ()
    operators: dict[str, Operator] = {}
    """Operator -> its limits."""
    mx_lookup: bool = False
    """Are the MX records of recipients' domains asked for, where the table of operators does not know them?"""
    warm_up: dict[str, WarmUp] = {}
    """From domain -> its ramp."""
    only_to: tuple[str, ...] = ()
    keep_messages: str | None = None
    inbox: str = "inbox"
    window: int = Field(default=2, ge=1, le=64)
    """Deliveries in `sending` a connection: the most that a crash can leave uncertain."""

    composers: int | None = Field(default=None, ge=0, le=64)
    """Processes that compose mail beside the one that sends, while there is much to send; one a further processor."""

    @field_validator("dkim", mode="before")
    @classmethod
    def _one_domain(cls, value: object) -> object:
        """`[dkim]` is one domain; `[[dkim]]` is a list of them."""
        return (value,) if isinstance(value, dict) else value

    @field_validator("only_to")
    @classmethod
    def _are_addresses(cls, only_to: tuple[str, ...]) -> tuple[str, ...]:
        """A word without @ would let nobody through, and nobody would know why."""
        for one in only_to:
            if "@" not in one:
                raise ValueError(f'"{one}" is neither an address nor a domain. A domain is written "@{one}".')
        return only_to

    @property
    def campaigns_dir(self) -> Path:
        return self.folder / self.campaigns

    @property
    def templates_dir(self) -> Path:
        return self.folder / self.templates

    @property
    def data_dir(self) -> Path:
        return self.folder / self.data

    @property
    def entities_file(self) -> Path:
        return self.folder / self.entities

    @property
    def inbox_dir(self) -> Path:
        return self.folder / self.inbox


def load_settings(folder: Path, environ: Mapping[str, str] | None = None) -> Settings:
    """
    Settings of a working folder: the file (where there is one), then the environment over it.

    Raises SettingsError naming the file, the key and the fix.
    """
    environ = os.environ if environ is None else environ
    path = folder / FILE_NAME
    values: dict[str, Any] = {}
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        pass  # the defaults, and the environment
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path} is not UTF-8. Save it as UTF-8.") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path}: {error}") from error
    known = [name for name in Settings.model_fields if name != "folder"]
    for key in values:
        if key not in known:
            raise SettingsError(f"{path}: unknown key {key!r}.{_nearest(key, known)}")
    _overlay(values, environ, known)
    try:
        return Settings(folder=folder.resolve(), **values)
    except ValidationError as error:
        first = error.errors()[0]
        where = _where(first["loc"], values)
        hint = _nearest(where.rsplit(".", 1)[-1], _keys_of(where)) if first["type"] == "extra_forbidden" else ""
        said = _SAID.get(first["type"]) or first["msg"].removeprefix("Value error, ")
        raise SettingsError(f"{path}: {where}: {said}{hint}") from error


def _where(place: tuple[int | str, ...], values: Mapping[str, Any]) -> str:
    """The key that is wrong; a table's number, from 0, is said where there are several."""
    given = values.get(str(place[0]))
    several = isinstance(given, list) and len(given) > 1
    return ".".join(str(part) for part in place if several or isinstance(part, str))


def _overlay(values: dict[str, Any], environ: Mapping[str, str], known: list[str]) -> None:
    """RFS_MAIL_<KEY> over the file; RFS_MAIL_RELAY is one relay's url; tables are written RFS_MAIL_CAPS_PER_DAY."""
    tables: dict[str, type[BaseModel]] = {"caps": Caps, "dkim": Dkim}
    for name, text in environ.items():
        if not name.startswith(PREFIX):
            continue
        key = name[len(PREFIX) :].lower()
        if key == "relay":
            values["relay"] = [{"url": text}]
        elif key in ("only_to", "old_secret_keys"):
            values[key] = [part.strip() for part in text.split(",") if part.strip()]
        elif key in known and key not in tables:
            values[key] = text
        else:
            table = next(
                (t for t in tables if key.startswith(t + "_") and key[len(t) + 1 :] in tables[t].model_fields), ""
            )
            if not table:
                raise SettingsError(f"{name}: there is no setting {key!r}.{_nearest(key, known)}")
            values[table] = {**_one_table(values, table, name), key[len(table) + 1 :]: text}


def _one_table(values: Mapping[str, Any], table: str, name: str) -> Mapping[str, Any]:
    """The table that a variable changes one key of. Raises SettingsError where the file has several."""
    found = values.get(table, {})
    if isinstance(found, list) and len(found) == 1:
        return dict(found[0])
    if isinstance(found, list):
        raise SettingsError(f"{name}: the file has {len(found)} [[{table}]], and a variable sets one. Set it there.")
    return dict(found)


def _keys_of(where: str) -> list[str]:
    table = where.split(".", 1)[0]
    models: dict[str, type[BaseModel]] = {
        "relay": Relay, "caps": Caps, "dkim": Dkim, "operators": Operator, "warm_up": WarmUp,
    }  # fmt: skip
    return list(models[table].model_fields) if table in models else list(Settings.model_fields)


def _nearest(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, 1)
    return f" Did you mean {close[0]!r}?" if close else f" Known keys: {', '.join(known)}."
