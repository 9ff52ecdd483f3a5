"""A civil clock that every process of a run shares, and that the conductor moves: eight bytes in a file."""

import mmap
import struct
import time
from datetime import UTC, datetime
from pathlib import Path


class CivilClock:
    """The real time and an offset in seconds; `path` holds the offset and is made where it is missing."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(struct.pack("d", 0.0))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 8)

    @property
    def offset(self) -> float:
        """Seconds before the real time."""
        return float(struct.unpack("d", self._map[:8])[0])

    def leap(self, seconds: float) -> None:
        """Move the clock of all processes at once, forward or back."""
        self._map[:8] = struct.pack("d", self.offset + seconds)

    def now(self) -> datetime:
        """The civil time."""
        return datetime.fromtimestamp(time.time() + self.offset, UTC)
