"""
Rows of a sign-up file -> sign-ups: which column is which field, what each cell says, and what it changes.

A row without an address is rejected; a cell that does not fit its field is dropped and reported, and its row goes on.
A sign-up has a key within its source, so that the same row read twice is one sign-up.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from hashlib import blake2b
from typing import Final, Literal, NamedTuple

from rfs_mail.core.campaign import FieldSpec
from rfs_mail.core.person import Address, address_hash, parse_address, role_account, typo_hint
from rfs_mail.core.person_fields import (
    MAX_NAME,
    Mended,
    Refused,
    Value,
    built_in_readers,
    custom_reader,
    read_instant,
    read_name,
    read_tags,
)
from rfs_mail.core.zones import state_of_zip
from rfs_mail.errors import AddressError, UsageError

# -- which column is which field ---------------------------------------------------------------------------------------

ALIASES: Final[Mapping[str, tuple[str, ...]]] = {
    "email": (
        "email", "emailaddress", "emailadress", "mail", "youremail", "youremailaddress", "primaryemail", "contactemail",
        "emailaddr", "correo", "correoelectronico",
    ),
    "given_name": (
        "givenname", "firstname", "first", "fname", "forename", "preferredname", "preferredfirstname", "nombre",
    ),
    "family_name": ("familyname", "lastname", "last", "lname", "surname", "apellido", "apellidos"),
    "name": ("name", "fullname", "yourname", "nombrecompleto"),
    "state": ("state", "stateabbreviated", "stateabbreviation", "statecode", "homestate", "usstate", "stateprovince",
              "stateorprovince", "province", "region", "estado"),
    "county": ("county", "countyname", "parish", "condado"),
    "zip": ("zip", "zipcode", "zip5", "postalcode", "postcode", "postal", "zippostalcode", "ziporpostalcode",
            "codigopostal"),
    "lang": ("lang", "language", "preferredlanguage", "languagepreference", "locale", "idioma"),
    "birth_year": ("birthyear", "yearofbirth", "yob", "dob", "dateofbirth", "birthdate", "birthday", "bornat"),
    "runs_before": ("runsbefore", "previousruns", "priorruns", "timesrun", "runcount"),
    "endorsement": ("endorsement", "endorsementstatus"),
    "endorsable": ("endorsable",),
    "source": ("source", "sourcecode", "signupsource"),
    "tags": ("tags", "taglist", "tag"),
    "external_id": ("externalid", "submissionid", "responseid", "signupid", "entryid", "uuid"),
    "signed_up_at": (
        "signedupat", "signupdate", "signupat", "datesignedup", "createdat", "createddate", "datecreated", "created",
        "submittedat", "submissiondate", "datesubmitted", "timestamp", "dateadded", "date",
    ),
}  # fmt: skip
"""Field -> the headers it is known by, letters and digits only; the best first."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Which column of a file is which field. Numbers count from 0."""

    header: tuple[str, ...]
    fields: Mapping[str, int]
    """Field (`email`, `state`, `custom.office_interest` ...) -> its column."""
    unused: tuple[str, ...]
    """Columns that are nobody's, as they are written."""
    similar: tuple[tuple[str, ...], ...]
    """Groups of columns that may be the same thing twice (`Phone`, `Phone #`); the one that is used comes first."""

    def named(self) -> dict[str, str]:
        """Field -> the header of its column."""
        return {field: self.header[column] for field, column in self.fields.items()}


def match_columns(
    header: Sequence[str],
    fields: Mapping[str, FieldSpec],
    mapping: Mapping[str, str] | None = None,
    aliases: Mapping[str, tuple[str, ...]] = ALIASES,
) -> Columns:
    """
    Match a file's header: what `mapping` (field -> column) says, else field names, else aliases, else custom fields.

    A column in `mapping` is written as in the header, or `#3` for the third. Raises UsageError where a name is not
    known, with the nearest, and where no column holds the address.
    """
    names = tuple(_clean_header(name) for name in header)
    bare = [_bare(name) for name in names]
    found: dict[str, int] = {}
    for field, wanted in (mapping or {}).items():
        found[_known_field(field, fields, aliases)] = _column(wanted, names, bare)
    taken = set(found.values())
    for field, known_as in aliases.items():
        if field in found:
            continue
        for alias in known_as:
            if alias in bare and bare.index(alias) not in taken:
                found[field] = bare.index(alias)
                taken.add(found[field])
                break
    for slug in fields:
        if f"custom.{slug}" in found:
            continue
        plain = _bare(slug)
        column = next((c for c, name in enumerate(bare) if name in (plain, f"custom{plain}") and c not in taken), None)
        if column is not None:
            found[f"custom.{slug}"] = column
            taken.add(column)
    if "email" not in found:
        raise UsageError(_no_address(names))
    return Columns(
        header=names,
        fields=found,
        unused=tuple(name or f"#{c + 1}" for c, name in enumerate(names) if c not in taken),
        similar=_similar(names, bare, found, aliases),
    )


def _clean_header(name: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", name).replace("\ufeff", "").split())


def _bare(name: str) -> str:
    """Letters and digits only, without accents and case: what headers are compared by."""
    letters = unicodedata.normalize("NFKD", name).casefold()
    return "".join(letter for letter in letters if letter.isalnum())


def _known_field(field: str, fields: Mapping[str, FieldSpec], aliases: Mapping[str, tuple[str, ...]]) -> str:
    if field in aliases:
        return field
    slug = field.removeprefix("custom.")
    if slug in fields:
        return f"custom.{slug}"
    known = [*aliases, *(f"custom.{slug}" for slug in fields)]
    near = get_close_matches(field, known, 1)
    advice = f"Did you mean {near[0]!r}?" if near else f"Fields: {', '.join(known)}."
    raise UsageError(f"--map {field}=...: there is no field {field!r}. {advice} Custom fields belong in fields.yaml.")


def _column(wanted: str, names: Sequence[str], bare: Sequence[str]) -> int:
    cleaned = _clean_header(wanted)
    if cleaned in names:
        if names.count(cleaned) > 1:
            places = ", ".join(f"#{c + 1}" for c, name in enumerate(names) if name == cleaned)
            raise UsageError(f"--map: {names.count(cleaned)} columns are called {cleaned!r}. Write which: {places}.")
        return names.index(cleaned)
    if re.fullmatch(r"#\d{1,5}", cleaned):
        number = int(cleaned[1:])
        if 1 <= number <= len(names):
            return number - 1
        raise UsageError(f"--map: there is no column {cleaned}; the file has {len(names)}.")
    if _bare(cleaned) and bare.count(_bare(cleaned)) == 1:
        return bare.index(_bare(cleaned))
    near = get_close_matches(cleaned, names, 1)
    advice = f"Did you mean {near[0]!r}?" if near else f"Columns: {', '.join(names)}."
    raise UsageError(f"--map: there is no column {wanted!r}. {advice}")


def _no_address(names: Sequence[str]) -> str:
    if any("@" in name for name in names):
        return "The first line holds an address, not column names. Put a header line above it: email,first_name,..."
    shown = ", ".join(names[:40])
    return f"No column holds e-mail addresses. Say which one does: --map email=COLUMN. Columns: {shown}."


def _similar(
    names: Sequence[str], bare: Sequence[str], found: Mapping[str, int], aliases: Mapping[str, tuple[str, ...]]
) -> tuple[tuple[str, ...], ...]:
    alias_of = {alias: field for field, known_as in aliases.items() for alias in known_as}
    used = set(found.values())
    groups: dict[str, list[int]] = {}
    for column, name in enumerate(bare):
        stem = alias_of.get(name) or alias_of.get(_stem(name)) or _stem(name)
        groups.setdefault(_bare(stem), []).append(column)
    return tuple(
        tuple(names[column] or f"#{column + 1}" for column in sorted(group, key=lambda column: column not in used))
        for group in groups.values()
        if len(group) > 1
    )


def _stem(name: str) -> str:
    return re.sub(r"(number|sync|no|nr|\d+)$", "", name) or name


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


class RowReader:
    """Reads the rows of one file, one after the other. `columns` says which cell is which field."""

    def __init__(self, columns: Columns, fields: Mapping[str, FieldSpec], terms: Terms) -> None:
        self._terms = terms
        self._width = len(columns.header)
        at = columns.fields
        readers = built_in_readers(terms.now)
        self._email = at["email"]
        self._signed_up = at.get("signed_up_at")
        self._external = at.get("external_id")
        self._tags = at.get("tags")
        self._name = at.get("name") if "given_name" not in at and "family_name" not in at else None
        self._plain = tuple(
            (name, at[name], reader, _BLANK_NAMES if name in _NAMES else _BLANKS)
            for name, reader in readers.items()
            if name in at
        )
        self._custom = tuple(
            (slug, at[f"custom.{slug}"], custom_reader(spec)) for slug, spec in sorted(fields.items()) if _in(at, slug)
        )
        self._default_at = terms.signed_up_at or terms.now
        self._without_consent = terms.consent_text is None

    def read(self, line: int, cells: list[str]) -> Signup | Rejection:
        """What one row says."""
        if len(cells) != self._width:
            if len(cells) > self._width and any(cells[self._width :]):
                reason = f"{len(cells)} cells under {self._width} columns: quote a value that holds the delimiter"
                return Rejection(line, "row", "", reason, cells)
            cells = [*cells, *[""] * (self._width - len(cells))]
        written = cells[self._email].strip()
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
        for name, column, reader, blanks in self._plain:
            text = cells[column].strip()
            if not text or text.lower() in blanks:
                continue
            value = reader(text)
            if type(value) is Refused:
                notes.append(Note(line, name, _shown(text), "dropped", value.reason))
            elif type(value) is Mended:
                self._mend(line, name, text, value, fields, notes)
            else:
                fields[name] = value  # type: ignore[assignment]
        if self._name is not None:
            self._split_name(line, cells[self._name].strip(), fields, notes)
        custom: dict[str, Value] = {}
        for slug, column, reader in self._custom:
            text = cells[column].strip()
            if text and text.lower() not in _BLANKS:
                value = reader(text)
                if type(value) is Refused:
                    notes.append(Note(line, f"custom.{slug}", _shown(text), "dropped", value.reason))
                else:
                    custom[slug] = value  # type: ignore[assignment]
        tags: tuple[str, ...] = ()
        if self._tags is not None and cells[self._tags].strip():
            read = read_tags(cells[self._tags])
            if isinstance(read, Refused):
                notes.append(Note(line, "tags", _shown(cells[self._tags]), "dropped", read.reason))
            else:
                tags = read
        at, own_date = self._when(line, cells, notes)
        external_id = None
        if self._external is not None:
            external_id = cells[self._external].strip() or None
            if external_id is not None and len(external_id) > MAX_NAME:
                return Rejection(line, "external_id", _shown(external_id), "an id has at most 200 characters", cells)
        terms = self._terms
        hashed = address_hash(terms.secret, address.key)
        key = (
            external_key(external_id, terms.entity, consent=not self._without_consent)
            if external_id is not None
            else self._digest(address, hashed, at if own_date else None, fields, custom, tags)
        )
        return Signup(
            line, address, hashed, key, at, fields, custom, tags, external_id, terms.consent_text, tuple(notes)
        )

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
    ) -> str:
        """
        The key of a row without an id of its own: 96 bits over what it says, in an order of our own.

        Before them stand 32 bits of the address's hash: people who are written together in the order of their hashes
        then lie together in the index of keys, too.
        """
        terms = self._terms
        parts = [terms.entity, "0" if self._without_consent else "1", address.key]
        if at is not None:
            parts.append(f"at={at.isoformat()}")
        for name, *_ in self._plain:
            if name in fields:
                parts.append(f"{name}={fields[name]}")
        if self._name is not None:
            parts.append(f"name={fields.get('given_name', '')}\x1e{fields.get('family_name', '')}")
        for slug, value in custom.items():  # in the order of their names, as they were read
            parts.append(f"custom.{slug}={value}")
        if tags:
            parts.append(f"tags={chr(30).join(tags)}")
        said = "\x1f".join(parts).encode("utf-8", "surrogatepass")
        return hashed[:4].hex() + blake2b(said, digest_size=12).hexdigest()


def _in(at: Mapping[str, int], slug: str) -> bool:
    return f"custom.{slug}" in at


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
