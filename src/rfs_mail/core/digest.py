"""One short name for a value: equal values, equal digests, whatever the order of their keys."""

import hashlib
import json
from collections.abc import Mapping, Sequence, Set

from pydantic import BaseModel


def digest(value: object) -> str:
    """
    SHA-256 (64 hexadecimal digits) over the canonical JSON of a value.

    Takes what JSON knows, pydantic models, mappings, sets and sequences of these. Raises TypeError for anything else,
    and ValueError for numbers that JSON has no word for (NaN, infinity).
    """
    text = json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _plain(value: object) -> object:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"only texts are keys in JSON, not {type(key).__name__}")
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Set):
        return sorted((_plain(item) for item in value), key=repr)
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [_plain(item) for item in value]
    return value
