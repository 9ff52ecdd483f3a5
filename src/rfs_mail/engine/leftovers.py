"""What an import leaves beside its file: rows it rejected and values it dropped, to be mended and read again."""

import csv
import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from rfs_mail.core.signups import Note, Rejection


class Leftovers:
    """
    Writes `NAME.rejected-ID.csv` and `NAME.dropped-ID.csv`, each only where there is something for it.

    Rejected rows carry line, field, reason and value, and then their own cells under their own header: mended, the
    file can be imported as it is. They lie beside the imported file, or in the working folder where that is read-only.
    """

    def __init__(self, path: Path, import_id: int, header: Sequence[str]) -> None:
        folder = path.parent if os.access(path.parent, os.W_OK) else Path.cwd()
        self._rejected = _Table(folder / f"{path.stem}.rejected-{import_id}.csv", ("line", "field", "reason", "value"))
        self._dropped = _Table(folder / f"{path.stem}.dropped-{import_id}.csv", ("line", "field", "reason", "value"))
        self._header = tuple(header)

    def __enter__(self) -> "Leftovers":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._rejected.close()
        self._dropped.close()

    def reject(self, rejection: Rejection) -> None:
        """Keep a row that was not taken."""
        told = (rejection.line, rejection.field, rejection.reason, rejection.value)
        self._rejected.write((*told, *rejection.cells), more_header=self._header)

    def drop(self, note: Note) -> None:
        """Keep a value that did not fit."""
        self._dropped.write((note.line, note.field, note.reason, note.value))

    @property
    def rejected_file(self) -> Path | None:
        """Where the rejected rows are; None where there are none."""
        return self._rejected.written

    @property
    def dropped_file(self) -> Path | None:
        """Where the dropped values are; None where there are none."""
        return self._dropped.written


class _Table:
    """A CSV file that comes into being with its first row."""

    def __init__(self, path: Path, header: tuple[str, ...]) -> None:
        self._path = path
        self._header = header
        self._file: TextIO | None = None
        self._writer: Any = None

    @property
    def written(self) -> Path | None:
        return self._path if self._file is not None else None

    def write(self, row: Sequence[object], *, more_header: tuple[str, ...] = ()) -> None:
        if self._file is None:
            while self._path.exists():  # perhaps somebody is mending it
                self._path = self._path.with_stem(f"{self._path.stem}-again")
            self._file = self._path.open("x", encoding="utf-8", newline="")
            self._writer = csv.writer(self._file)
            self._writer.writerow((*self._header, *more_header))
        self._writer.writerow(row)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
