"""
Rows of a sign-up file -> sign-ups: what each cell says, and what it changes.

A row without an address is rejected; a cell that does not fit its field is dropped and reported, and its row goes on.
A sign-up has a key within its source, so that the same row read twice is one sign-up.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Final, Literal, NamedTuple

from rfs_mail.core.campaign import FieldSpec
from rfs_mail.core.interest import Interest
from rfs_mail.core.interest_words import NOTHING, OFFICE_COLUMNS, Said, interests_of_cells
from rfs_mail.core.person import Address, address_hash, parse_address, role_account, typo_hint
from rfs_mail.core.person_fields import (
    MAX_NAME,
    Mended,
    Reader,
    Refused,
    Value,
    built_in_readers,
    custom_reader,
    read_instant,
    read_name,
    read_tags,
)
from rfs_mail.core.signup_columns import Columns
from rfs_mail.core.zones import state_of_zip
from rfs_mail.errors import AddressError

# -- what a row says ---------------------------------------------------------------------------------------------------


class Note(NamedTuple):
    """Something about one cell of a row that goes on."""

    line: int
    field: str
    value: str
    kind: Literal["dropped", "mended", "doubtful"]
    """dropped: it did not fit and is not stored; mended: stored after putting it right; doubtful: stored as it is."""
    reason: str


class Rejection(NamedTuple):
    """A row that is not taken."""

    line: int
    field: str
    value: str
    reason: str
    cells: Sequence[str] = ()


class Signup(NamedTuple):
    """One sign-up, checked. A tuple, because an import makes a million of them."""

    line: int
    address: Address
    hash: bytes
    """The keyed hash under which a suppression of the address is kept."""
    key: str
    """Unique within the source: what makes the same row one sign-up."""
    at: datetime
    fields: Mapping[str, Value]
    """Built-in fields, only those that the row fills."""
    custom: Mapping[str, Value]
    tags: tuple[str, ...] = ()
    external_id: str | None = None
    consent_text: str | None = None
    """What the person agreed to, word for word; None without consent."""
    notes: tuple[Note, ...] = ()
    interests: tuple[Interest, ...] = ()
    """What the row says she wants to run for."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for every row of a file."""

    entity: str
    secret: bytes
    """The key of the suppression list."""
    consent_text: str | None
    signed_up_at: datetime | None
    """For rows without a date of their own; `now` where this is not given either."""
    now: datetime


_BLANKS: Final = frozenset({"", "n/a", "#n/a", "na", "null", "none", "nil", "-", "--", "."})
"""Cells that say nothing. Names are spared: there are people called Null and None."""
_BLANK_NAMES: Final = frozenset({"", "n/a", "#n/a", "-", "--", "."})
_NAMES: Final = frozenset({"given_name", "family_name", "name", "county"})

_REMEMBERED: Final = 20_000
"""Different cells of a column that are remembered."""


class RowReader:
    """Reads the rows of one file, one after the other. `columns` says which cell is which field."""

    def __init__(self, columns: Columns, fields: Mapping[str, FieldSpec], terms: Terms) -> None:
        self._terms = terms
        self._width = len(columns.header)
        at = columns.fields
        readers = built_in_readers(terms.now)
        self._email = at["email"]
        self._state = at.get("state")
        self._signed_up = at.get("signed_up_at")
        self._external = at.get("external_id")
        self._tags = at.get("tags")
        self._name = at.get("name") if "given_name" not in at and "family_name" not in at else None
        self._plain = tuple(
            (name, at[name], _Cells(reader, _BLANK_NAMES if name in _NAMES else _BLANKS))
            for name, reader in readers.items()
            if name in at
        )
        self._custom = tuple(
            (slug, at[f"custom.{slug}"], _Cells(custom_reader(spec), _BLANKS))
            for slug, spec in sorted(fields.items())
            if f"custom.{slug}" in at
        )
        wants = {name: at[name] for name in OFFICE_COLUMNS if name in at}
        self._wants = _Wants(wants) if wants else None
        self._default_at = terms.signed_up_at or terms.now
        self._without_consent = terms.consent_text is None
        self._prefix = f"{terms.entity}\x1f{0 if self._without_consent else 1}"

    def read(self, line: int, cells: list[str], nul_cells: frozenset[int] = frozenset()) -> Signup | Rejection:
        """
        What one row says. `nul_cells`: which cells held NUL bytes that were taken out.

        An address is not mended in that way: without its NUL it may be somebody else's.
        """
        if len(cells) != self._width:
            if len(cells) > self._width and any(cells[self._width :]):
                reason = f"{len(cells)} cells under {self._width} columns: quote a value that holds the delimiter"
                return Rejection(line, "row", "", reason, cells)
            cells = [*cells, *[""] * (self._width - len(cells))]
        written = cells[self._email].strip()
        if self._email in nul_cells:
            return Rejection(line, "email", _shown(written), "the address holds a NUL byte: write it anew", cells)
        try:
            address = parse_address(written)
        except AddressError as error:
            return Rejection(line, "email", _shown(written), str(error), cells)
        local = address.local
        notes: list[Note] = []
        role = role_account(local)
        if role is not None:
            if role == "never":
                reason = f"{local}@ is read by those who judge senders; it is never mailed"
                return Rejection(line, "email", written, reason, cells)
            notes.append(Note(line, "email", written, "doubtful", "an office, not a person"))
        meant = typo_hint(address.domain)
        if meant is not None:
            notes.append(Note(line, "email", written, "doubtful", f"probably meant {meant}"))

        fields: dict[str, Value] = {}
        for name, column, said in self._plain:
            value = said[cells[column]]
            if value is None:
                continue
            if type(value) is Refused:
                notes.append(Note(line, name, _shown(cells[column]), "dropped", value.reason))
            elif type(value) is Mended:
                self._mend(line, name, cells[column].strip(), value, fields, notes)
            else:
                fields[name] = value  # type: ignore[assignment]
        if "zip" in fields and "state" not in fields:
            self._tell_state(cells, fields)
        if self._name is not None:
            self._split_name(line, cells[self._name].strip(), fields, notes)
        custom: dict[str, Value] = {}
        for slug, column, said in self._custom:
            value = said[cells[column]]
            if type(value) is Refused:
                notes.append(Note(line, f"custom.{slug}", _shown(cells[column]), "dropped", value.reason))
            elif value is not None:
                custom[slug] = value  # type: ignore[assignment]
        tags: tuple[str, ...] = ()
        if self._tags is not None and cells[self._tags].strip():
            read = read_tags(cells[self._tags])
            if isinstance(read, Refused):
                notes.append(Note(line, "tags", _shown(cells[self._tags]), "dropped", read.reason))
            else:
                tags = read
        interests: tuple[Interest, ...] = ()
        if self._wants is not None:
            interests, remarks = self._wants.read(cells)
            if remarks:
                notes += [Note(line, one.field, _shown(one.value), one.kind, one.reason) for one in remarks]
        at, own_date = self._when(line, cells, notes)
        external_id: str | None = None
        if self._external is not None:
            external_id = cells[self._external].strip()
            if external_id.lower() in _BLANKS:
                external_id = None
            elif len(external_id) > MAX_NAME:
                return Rejection(line, "external_id", _shown(external_id), "an id has at most 200 characters", cells)
        terms = self._terms
        hashed = address_hash(terms.secret, address.key)
        key = (
            external_key(external_id, terms.entity, consent=not self._without_consent)
            if external_id is not None
            else self._digest(address, hashed, at if own_date else None, fields, custom, tags, interests)
        )
        return Signup(
            line, address, hashed, key, at, fields, custom, tags, external_id, terms.consent_text, tuple(notes),
            interests,
        )  # fmt: skip

    def _when(self, line: int, cells: list[str], notes: list[Note]) -> tuple[datetime, bool]:
        """When the person signed up, and whether the row says so itself."""
        if self._signed_up is None:
            return self._default_at, False
        text = cells[self._signed_up].strip()
        if not text or text.lower() in _BLANKS:
            return self._default_at, False
        found = read_instant(text, now=self._terms.now)
        if isinstance(found, Refused):
            notes.append(Note(line, "signed_up_at", _shown(text), "dropped", found.reason))
            return self._default_at, False
        return found, True

    def _tell_state(self, cells: Sequence[str], fields: dict[str, Value]) -> None:
        """Without a state of its own a row means that of its ZIP code; one that cannot be read speaks against that."""
        lies_in = state_of_zip(str(fields["zip"]))
        if lies_in is not None and (self._state is None or cells[self._state].strip().lower() in _BLANKS):
            fields["state"] = lies_in

    @staticmethod
    def _mend(line: int, name: str, text: str, value: Mended, fields: dict[str, Value], notes: list[Note]) -> None:
        """A mended value is taken where nothing else in the row speaks against it."""
        state = fields.get("state")
        lies_in = state_of_zip(value.value) if name == "zip" else None
        if lies_in is not None and state is not None and lies_in != state:
            reason = f"is no US ZIP code, and {value.value} would be in {lies_in}, not {state}"
            notes.append(Note(line, name, text, "dropped", reason))
        else:
            fields[name] = value.value
            notes.append(Note(line, name, text, "mended", value.how))

    @staticmethod
    def _split_name(line: int, text: str, fields: dict[str, Value], notes: list[Note]) -> None:
        """A whole name: `Family, Given`, else the first word is the given name."""
        if not text or text.lower() in _BLANK_NAMES:
            return
        name = read_name(text)
        if isinstance(name, Refused):
            notes.append(Note(line, "name", _shown(text), "dropped", name.reason))
            return
        if "," in name:
            family, _, given = name.partition(",")
        else:
            given, _, family = name.partition(" ")
        if given.strip():
            fields["given_name"] = given.strip()
        if family.strip():
            fields["family_name"] = family.strip()

    def _digest(
        self,
        address: Address,
        hashed: bytes,
        at: datetime | None,
        fields: Mapping[str, Value],
        custom: Mapping[str, Value],
        tags: tuple[str, ...],
        interests: tuple[Interest, ...],
    ) -> str:
        """
        The key of a row without an id of its own: 96 bits over what it says, in an order of our own.

        Before them stand 32 bits of the address's hash: people who are written together in the order of their hashes
        then lie together in the index of keys, too.
        """
        parts = [self._prefix, address.key]
        if at is not None:
            parts.append(at.isoformat())
        parts.append("\x1e")
        parts += fields  # the names, in an order of ours, whatever the order of the columns
        parts += map(str, fields.values())
        if custom or tags:
            parts.append("\x1e")
            parts += custom
            parts += map(str, custom.values())
            parts.append("\x1e")
            parts += tags
        if interests:
            parts.append("\x1e")
            parts += map(repr, interests)
        said = "\x1f".join(parts).encode("utf-8", "surrogatepass")
        return hashed[:4].hex() + blake2b(said, digest_size=12).hexdigest()


class _Cells(dict[str, Value | Mended | Refused | None]):
    """
    Cell -> what it says, None for a blank one; remembers what it has read.

    Most cells of a list are one of a few: states, languages, years, even first names.
    """

    __slots__ = ("_blanks", "_reader")

    def __init__(self, reader: Reader, blanks: frozenset[str]) -> None:
        super().__init__()
        self._reader = reader
        self._blanks = blanks

    def __missing__(self, cell: str) -> Value | Mended | Refused | None:
        text = cell.strip()
        said = None if text.lower() in self._blanks else self._reader(text)
        if len(self) < _REMEMBERED and len(cell) < MAX_NAME:
            self[cell] = said
        return said


class _Wants:
    """Reads the cells about an office together, and remembers what they said: most rows say one of a few things."""

    def __init__(self, columns: Mapping[str, int]) -> None:
        self._names = tuple(columns)
        self._columns = tuple(columns.values())
        self._known: dict[tuple[str, ...], Said] = {}

    def read(self, cells: Sequence[str]) -> Said:
        """What one row says she wants to run for."""
        written = tuple([cells[column] for column in self._columns])
        said = self._known.get(written)
        if said is None:
            filled = {
                name: text
                for name, cell in zip(self._names, written, strict=True)
                if (text := cell.strip()).lower() not in _BLANKS
            }
            said = interests_of_cells(filled) if filled else NOTHING
            if len(self._known) < _REMEMBERED and sum(map(len, written)) < MAX_NAME:
                self._known[written] = said
        return said


def _shown(text: str) -> str:
    """A cell for a report: short, on one line."""
    text = " ".join(text[:400].split())
    return text if len(text) <= 120 else f"{text[:119]}…"


def external_key(external_id: str, entity: str, *, consent: bool) -> str:
    """
    The key of a sign-up that another system has a number for.

    The entity and whether consent was given are part of it: the same submission may be imported once more for another
    entity, or once the consent it lacked is known.
    """
    return f"{external_id}|{entity}" if consent else f"{external_id}|{entity}|no consent"


# -- what a sign-up changes --------------------------------------------------------------------------------------------

EVERY: Final = "*"
"""In a person's provenance: the date of all values that have none of their own."""


class Weighed(NamedTuple):
    """What a row changes: the values it brings, and the fields it now dates."""

    changes: Mapping[str, Value]
    dated: tuple[str, ...]
    """Fields whose value, new or the same, is now as new as the row."""


def weigh(
    current: Mapping[str, object], provenance: Mapping[str, str], incoming: Mapping[str, Value], at: datetime
) -> Weighed:
    """
    What of `incoming` is taken: per field, a value that is as new as the one that is stored, or newer.

    `at` is the incoming row's own date. A field that never had a value takes any; one that was cleared takes a newer
    one. Blank is never among `incoming`, so it never erases.
    """
    stamp = at.isoformat()
    oldest = provenance.get(EVERY, "")
    changes: dict[str, Value] = {}
    dated: list[str] = []
    for name, value in incoming.items():
        held = current.get(name)
        since = provenance.get(name, "" if held is None else oldest)
        if since > stamp:
            continue
        if held != value:
            changes[name] = value
        elif since == stamp:
            continue
        dated.append(name)
    return Weighed(changes, tuple(dated))
