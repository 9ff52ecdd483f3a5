"""
Sign-ups in: a file of rows -> people, consent and sign-up events, with figures that add up.

The file is streamed. Rows are read and checked outside any transaction, and merged in batches small enough that nobody
else waits for long; between two batches the next rows are read, and other writers get in. Every batch commits by itself
with its figures, so after a crash the same file finishes the job: rows that are in already count as unchanged.
"""

import gc
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection

from rfs_mail.core.campaign import FieldSpec
from rfs_mail.core.csv_rows import BadRow
from rfs_mail.core.merging import Outcome
from rfs_mail.core.signup_columns import Columns, match_columns
from rfs_mail.core.signups import Note, Rejection, RowReader, Signup, Terms
from rfs_mail.engine.import_batches import FIRST, Turns, in_batches
from rfs_mail.engine.import_report import ImportReport, Tally
from rfs_mail.engine.leftovers import Leftovers
from rfs_mail.engine.signup_file import SignupFile, open_signup_file
from rfs_mail.errors import UsageError
from rfs_mail.store.database import Store
from rfs_mail.store.imports import batch_writer, begin_import, note_import
from rfs_mail.store.releases import live
from rfs_mail.store.signups import Merged, merge_signups

__all__ = ["ImportReport", "Progress", "import_signups"]

Progress = Callable[[int, int, int], None]
"""Called now and then with bytes done, bytes in all (0 where unknown) and rows done."""


def import_signups(
    store: Store,
    file: Path,
    *,
    source: str,
    entity: str,
    consent_text: str | None,
    secret: bytes,
    fields: Mapping[str, FieldSpec],
    now: datetime,
    mapping: Mapping[str, str] | None = None,
    signed_up_at: datetime | None = None,
    dry_run: bool = False,
    progress: Progress | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> ImportReport:
    """
    Import a CSV file of sign-ups of one source for one entity.

    `consent_text` is what the people agreed to, word for word; None where they did not: they are stored, and mailed
    by nobody. `secret` keys the suppression hash. `fields` are the declared custom fields, `mapping` is field ->
    column over what the header says by itself, `signed_up_at` is for rows without a date of their own. Raises
    UsageError, before anything is written, where the file cannot be read or its columns cannot be matched.
    """
    if not secret:
        raise UsageError("There is no suppression_key, so nobody could be kept out. Run: rfs-mail init")
    terms = Terms(entity=entity, secret=secret, consent_text=consent_text, signed_up_at=signed_up_at, now=now)
    with open_signup_file(file) as opened, _rare_collections():
        columns = match_columns(opened.header, fields, mapping)
        reader = RowReader(columns, fields, terms)
        tally = Tally()
        job = _Job(store, opened, reader, source, entity, now, tally, progress, pause)
        import_id: int | None = None
        rejected_file = dropped_file = None
        if dry_run:
            job.try_out()
        else:
            with store.begin() as connection:
                import_id = begin_import(connection, file=str(file), source=source, entity=entity, now=now)
            with Leftovers(file, import_id, columns.header) as leftovers:
                job.carry_out(import_id, leftovers)
            rejected_file, dropped_file = _shown_path(leftovers.rejected_file), _shown_path(leftovers.dropped_file)
        return ImportReport(
            file=str(file),
            source=source,
            entity=entity,
            consent=consent_text is not None,
            dry_run=dry_run,
            import_id=import_id,
            encoding=opened.encoding,
            delimiter=opened.delimiter,
            columns=columns.named(),
            unused_columns=columns.unused,
            similar_columns=columns.similar,
            **tally.figures._asdict(),
            blank_rows=opened.rows.blank_rows,
            rejected_because=dict(tally.rejected_because.most_common()),
            first_rejected=tuple(tally.first_rejected),
            rejected_file=rejected_file,
            notes=tally.notes(),
            dropped_file=dropped_file,
            warnings=_warnings(opened, columns, signed_up_at),
            people=tally.people,
            may_be_mailed_by=tally.may(),
            may_not_be_mailed=tally.may_not(),
            would_start=dict(sorted(tally.starts.items())) if dry_run else None,
        )


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Look for cycles in memory rarely: a chunk of rows makes none, and walking over it took a fifth of the time."""
    before = gc.get_threshold()
    gc.set_threshold(100_000, 50, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _shown_path(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _warnings(opened: SignupFile, columns: Columns, signed_up_at: datetime | None) -> tuple[str, ...]:
    said = []
    fields = columns.fields
    custom = columns.custom_office
    if custom is not None:
        header = columns.named()[custom]
        said.append(
            f"{header!r} went into the field {custom} of fields.yaml, so it is not what people want to run for, and "
            f'starts no countdown. If it should: --map office_level="{header}"'
        )
    if "signed_up_at" not in fields and signed_up_at is None:
        said.append(
            "No column says when people signed up, so all of them count as signed up now. "
            "If this is an older list, say so: --signed-up-at 2026-03-01"
        )
    if "name" in fields and "given_name" not in fields and "family_name" not in fields:
        said.append("Whole names were split: the first word is the given name (or what follows a comma).")
    if opened.rows.nul_lines:
        said.append(f"NUL bytes were taken out of {opened.rows.nul_lines:,} {_lines(opened.rows.nul_lines)}.")
    if opened.rows.latin_lines:
        said.append(
            f"Not UTF-8, and read as Windows-1252 (Latin-1): {opened.rows.latin_lines:,} "
            f"{_lines(opened.rows.latin_lines)}. "
            "Look at a name with an accent."
        )
    return tuple(said)


def _lines(number: int) -> str:
    return "line" if number == 1 else "lines"


# -- the work ----------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Job:
    """One run over a file."""

    store: Store
    file: SignupFile
    reader: RowReader
    source: str
    entity: str
    now: datetime
    tally: Tally
    progress: Progress | None
    pause: Callable[[float], None]

    def carry_out(self, import_id: int, leftovers: Leftovers) -> None:
        """Merge the file, batch after batch."""
        seen = _Bits()

        def keep(rejection: Rejection) -> None:
            self.tally.reject(rejection)
            leftovers.reject(rejection)

        def note(found: Note) -> None:
            self.tally.note(found)
            if found.kind == "dropped":
                leftovers.drop(found)

        turns = Turns(self.pause, first=FIRST)
        with batch_writer(self.store) as writer:
            for batch in in_batches(self._signups(keep, note), turns):

                def work(connection: Connection, batch: Sequence[Signup] = batch) -> Merged:
                    merged = merge_signups(
                        connection, batch, source=self.source, entity=self.entity, now=self.now, import_id=import_id
                    )
                    note_import(connection, import_id, self.tally.with_outcomes(merged.outcomes))
                    return merged

                merged = turns.take(writer, work)
                if self.tally.count(merged.outcomes):
                    for signup, outcome in zip(batch, merged.outcomes, strict=True):
                        if outcome.kind == "rejected":
                            leftovers.reject(self.tally.refuse(signup, outcome))
                for person_id, standing in merged.standings.values():
                    if seen.add(person_id):
                        self.tally.standings[standing] += 1
                self._tell()
            writer.write(
                lambda connection: note_import(
                    connection,
                    import_id,
                    self.tally.figures,
                    finished_at=self.now,
                    rejected_file=_shown_path(leftovers.rejected_file),
                )
            )

    def try_out(self) -> None:
        """Say what would become of the file. What it would have written is remembered here instead."""
        with self.store.read() as connection:
            release = live(connection)
        starting = {
            campaign.id: (campaign.definition.entity, campaign.first_applied_at)
            for campaign in (release.campaigns.values() if release is not None else ())
            if campaign.state == "running" and campaign.definition.entry.event == "signup"
        }
        self.tally.starts = dict.fromkeys(starting, 0)
        people: set[int] = set()
        keys: set[int] = set()
        owners: dict[int, int] = {}
        counted: dict[str, set[int]] = {campaign: set() for campaign in starting}
        turns = Turns(self.pause)
        for whole in in_batches(self._signups(self.tally.reject, self.tally.note), turns):
            batch = [signup for signup in whole if self._is_owner(signup, owners)]
            if not batch:
                continue
            with self.store.read() as connection:
                merged = merge_signups(
                    connection, batch, source=self.source, entity=self.entity, now=self.now, dry_run=True
                )
            kinds: list[str] = []
            for signup, outcome in zip(batch, merged.outcomes, strict=True):
                # The database has no trace of the rows before: they are remembered by 64 bits each.
                who, key = hash(signup.address.key), hash(signup.key)
                if outcome.kind == "rejected":
                    self.tally.refuse(signup, outcome)
                    continue
                if signup.external_id is not None:
                    owners[hash(signup.external_id)] = who
                kind = outcome.kind
                if kind != "unchanged":
                    if key in keys:
                        kind = "unchanged"
                    elif not outcome.person_id:
                        kind = "merged" if who in people else "created"
                kinds.append(kind)
                standing = merged.standings[signup.address.key][1]
                if who not in people:
                    people.add(who)
                    self.tally.standings[standing] += 1
                if kind != "unchanged":
                    keys.add(key)
                    for campaign, (entity, since) in starting.items():
                        if signup.at >= since and entity in standing.entities and who not in counted[campaign]:
                            counted[campaign].add(who)
                            self.tally.starts[campaign] += 1
            self.tally.kinds.update(kinds)
            self._tell()

    def _is_owner(self, signup: Signup, owners: Mapping[int, int]) -> bool:
        """
        Does the id of this row belong to its person, by the batches before? Else it is rejected here.

        It must not come into its batch: there it would be the first with that id, and the owner be turned away.
        """
        who = hash(signup.address.key)
        if signup.external_id is None or owners.get(hash(signup.external_id), who) == who:
            return True
        self.tally.refuse(signup, Outcome("rejected", 0, "the id is already another row's"))
        return False

    def _signups(self, reject: Callable[[Rejection], None], note: Callable[[Note], None]) -> Iterator[Signup]:
        """The file's sign-ups; rejected rows and what is said of cells are passed on."""
        read = self.reader.read
        for row in self.file:
            if isinstance(row, BadRow):
                said: Signup | Rejection = Rejection(row.line, "row", "", row.reason)
            else:
                said = read(*row, self.file.rows.nul_cells)
            if isinstance(said, Rejection):
                reject(said)
                continue
            if said.notes:
                for found in said.notes:
                    note(found)
            yield said

    def _tell(self) -> None:
        if self.progress is not None:
            self.progress(self.file.done, self.file.size, self.tally.figures.rows)


class _Bits:
    """A set of small whole numbers in an eighth of a byte each."""

    __slots__ = ("_octets",)

    def __init__(self) -> None:
        self._octets = bytearray()

    def add(self, number: int) -> bool:
        """Put a number in; False where it was in already."""
        place, bit = number >> 3, 1 << (number & 7)
        if place >= len(self._octets):
            self._octets.extend(bytes(max(place + 1 - len(self._octets), len(self._octets))))
        if self._octets[place] & bit:
            return False
        self._octets[place] |= bit
        return True
