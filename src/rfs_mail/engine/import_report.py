"""What an import tells: its figures as they grow, and the report at its end."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict

from rfs_mail.core.merging import Outcome, Standing
from rfs_mail.core.signups import Note, Rejection, Signup
from rfs_mail.store.imports import Figures

SHOWN = 10
"""Rejected rows that a report quotes; the file has them all."""

REASONS = 50
"""Different reasons of rejection that are counted apart."""

KINDS_OF_NOTES = 500
"""Different things said of cells that are counted apart."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RejectedRow(_Frozen):
    """A row that was not taken."""

    line: int
    field: str
    reason: str
    value: str


class NoteCount(_Frozen):
    """How often the same was said of a field, with the first cell it was said of."""

    kind: str
    """dropped, mended or doubtful."""
    field: str
    reason: str
    count: int
    line: int
    value: str


class ImportReport(_Frozen):
    """
    What an import did, or with `dry_run` would do. `created + merged + unchanged + rejected == rows`.

    created: rows that made a new person; merged: rows added to a person who was known; unchanged: rows that were in
    already; rejected: rows that were not taken.
    """

    file: str
    source: str
    entity: str
    consent: bool
    dry_run: bool
    import_id: int | None
    encoding: str
    delimiter: str
    columns: dict[str, str]
    """Field -> column."""
    unused_columns: tuple[str, ...]
    similar_columns: tuple[tuple[str, ...], ...]
    rows: int
    created: int
    merged: int
    unchanged: int
    rejected: int
    blank_rows: int
    rejected_because: dict[str, int]
    first_rejected: tuple[RejectedRow, ...]
    rejected_file: str | None
    notes: tuple[NoteCount, ...]
    dropped_file: str | None
    warnings: tuple[str, ...]
    people: int
    """Different people in the file."""
    may_be_mailed_by: dict[str, int]
    """Entity -> how many of them it may mail, on any topic at all."""
    may_not_be_mailed: dict[str, int]
    """Why the entity of this import may not mail the others: no_consent, unsubscribed, suppressed, stopped."""
    would_start: dict[str, int] | None
    """Dry run: running campaign that a sign-up starts -> at most how many people, before its audience is asked."""


@dataclass(slots=True)
class Tally:
    """The figures of a run, as they grow."""

    kinds: Counter[str] = field(default_factory=Counter)
    rejected_because: Counter[str] = field(default_factory=Counter)
    first_rejected: list[RejectedRow] = field(default_factory=list)
    said: dict[tuple[str, str, str], list[int | str]] = field(default_factory=dict)
    standings: Counter[Standing] = field(default_factory=Counter)
    """How many different people stand like this."""
    starts: dict[str, int] = field(default_factory=dict)

    @property
    def figures(self) -> Figures:
        return self.with_outcomes(())

    def with_outcomes(self, outcomes: Sequence[Outcome]) -> Figures:
        """The figures once these outcomes are counted."""
        kinds = self.kinds + Counter([outcome.kind for outcome in outcomes])
        return Figures(
            rows=kinds.total(),
            created=kinds["created"],
            merged=kinds["merged"],
            unchanged=kinds["unchanged"],
            rejected=kinds["rejected"],
        )

    def count(self, outcomes: Sequence[Outcome]) -> int:
        """Count what became of a batch, but for rejected rows; returns how many those are, to be told one by one."""
        kinds = Counter([outcome.kind for outcome in outcomes])
        rejected = kinds.pop("rejected", 0)
        self.kinds.update(kinds)
        return rejected

    def reject(self, rejection: Rejection) -> None:
        self.kinds["rejected"] += 1
        because = f"{rejection.field}: {rejection.reason}"
        if because not in self.rejected_because and len(self.rejected_because) >= REASONS:
            because = f"{rejection.field}: other reasons"
        self.rejected_because[because] += 1
        if len(self.first_rejected) < SHOWN:
            self.first_rejected.append(
                RejectedRow(line=rejection.line, field=rejection.field, reason=rejection.reason, value=rejection.value)
            )

    def refuse(self, signup: Signup, outcome: Outcome) -> Rejection:
        """Reject a sign-up that the database spoke against; gives the rejection."""
        rejection = Rejection(signup.line, "external_id", signup.external_id or "", outcome.reason)
        self.reject(rejection)
        return rejection

    def note(self, note: Note) -> None:
        key = (note.kind, note.field, note.reason)
        held = self.said.get(key)
        if held is not None:
            held[0] += 1  # type: ignore[operator]
        elif len(self.said) < KINDS_OF_NOTES:
            self.said[key] = [1, note.line, note.value]

    def notes(self) -> tuple[NoteCount, ...]:
        """What was said of cells, dropped values first, the most frequent first."""
        order = {"dropped": 0, "doubtful": 1, "mended": 2}
        counts = [
            NoteCount(kind=kind, field=name, reason=reason, count=int(count), line=int(line), value=str(value))
            for (kind, name, reason), (count, line, value) in self.said.items()
        ]
        return tuple(sorted(counts, key=lambda count: (order[count.kind], -count.count, count.line)))

    @property
    def people(self) -> int:
        """How many different people."""
        return self.standings.total()

    def may(self) -> dict[str, int]:
        """Entity -> how many people it may mail."""
        told = Counter[str]()
        for standing, people in self.standings.items():
            told.update(dict.fromkeys(standing.entities, people))
        return dict(sorted(told.items()))

    def may_not(self) -> dict[str, int]:
        """Why the entity of the import may not mail the others."""
        told = Counter[str]()
        for standing, people in self.standings.items():
            if standing.why_not:
                told[standing.why_not] += people
        return dict(sorted(told.items()))
