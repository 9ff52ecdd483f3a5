"""Which column of a sign-up file is which field."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from rfs_mail.core.campaign import FieldSpec
from rfs_mail.core.interest_words import OFFICE_COLUMNS
from rfs_mail.errors import UsageError

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
    "office_level": (
        "officelevel", "officeinterest", "officesinterest", "officeofinterest", "officesofinterest", "interestedoffice",
        "officesought", "officessought", "officeinterestedin", "officesinterestedin", "desiredoffice",
        "targetoffice", "candidateoffice", "officetype", "runningfor", "officerunningfor", "officeyouarerunningfor",
        "whatofficeareyouinterestedin", "whatofficesareyouinterestedin", "whichofficeareyouinterestedin",
        "whichofficesareyouinterestedin", "whatofficeareyourunningfor", "whatofficeareyouconsidering",
        "whatofficewouldyouliketorunfor", "whatareyourunningfor", "racesought", "raceofinterest", "office", "offices",
        "cargodeinteres", "cargo", "quecargoteinteresa", "quecargoleinteresa",
    ),
    "office_state": ("officestate", "stateofoffice", "racestate", "electionstate", "stateyouwouldrunin"),
    "office_division": ("officedivision", "ocddivision", "ocddivisionid", "ocdid", "divisionid"),
    "election_year": (
        "electionyear", "yearofelection", "electioncycle", "yearrunning", "runyear", "whatyearareyourunning",
        "whenareyourunning", "whendoyouplantorun", "anodelaeleccion", "anodeeleccion",
    ),
    "party_path": ("partypath", "ballotpath", "runningas", "pathtotheballot"),
    "incumbent": ("incumbent", "incumbency", "isincumbent", "areyouanincumbent", "currentlyholdsoffice", "holdsoffice"),
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

    @property
    def custom_office(self) -> str | None:
        """The custom field that took a column called like one of `office_level`, where there is no other of that."""
        if "office_level" in self.fields:
            return None
        custom = (field for field in self.fields if field.startswith("custom."))
        return next((field for field in custom if _bare(self.named()[field]) in ALIASES["office_level"]), None)

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

    What somebody wants to run for stands behind them: a custom field that a project calls `office_interest` keeps its
    column, unless `mapping` gives that column to `office_level`.
    A column in `mapping` is written as in the header, or `#3` for the third. Raises UsageError where a name is not
    known, with the nearest, and where no column holds the address.
    """
    names = tuple(_clean_header(name) for name in header)
    bare = [_bare(name) for name in names]
    found: dict[str, int] = {}
    for field, wanted in (mapping or {}).items():
        found[_known_field(field, fields, aliases)] = _column(wanted, names, bare)
    told = set(found.values())
    taken = set(told)
    declared = {_bare(slug) for slug in fields}
    for field, known_as in aliases.items():
        if field in found:
            continue
        for alias in known_as:
            if alias in declared and field in OFFICE_COLUMNS:
                continue
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
        similar=_similar(names, bare, found, told, aliases),
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
    names: Sequence[str],
    bare: Sequence[str],
    found: Mapping[str, int],
    told: set[int],
    aliases: Mapping[str, tuple[str, ...]],
) -> tuple[tuple[str, ...], ...]:
    """Groups of look-alikes; where it was said which of them is meant, there is nothing left to ask."""
    alias_of = {alias: field for field, known_as in aliases.items() for alias in known_as}
    used = set(found.values())
    groups: dict[str, list[int]] = {}
    for column, name in enumerate(bare):
        stem = alias_of.get(name) or alias_of.get(_stem(name)) or _stem(name)
        groups.setdefault(_bare(stem), []).append(column)
    return tuple(
        tuple(names[column] or f"#{column + 1}" for column in sorted(group, key=lambda column: column not in used))
        for group in groups.values()
        if len(group) > 1 and not told.intersection(group)
    )


def _stem(name: str) -> str:
    return re.sub(r"(number|sync|no|nr|\d+)$", "", name) or name
