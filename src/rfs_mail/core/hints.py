"""Corrected text that is really correct: a hint is mended in turn until it can be read."""

from collections.abc import Callable

from rfs_mail.errors import TimeError

_TURNS = 8


def settle(hint: str | None, parse: Callable[[str], object]) -> str | None:
    """
    The hint, and where `parse` refuses it, the hint of that refusal, and so on; None where nothing readable comes out.

    So that `Closes 3 days @ 10am` is answered with `closes - 3d @ 10:00` and not with the first of four corrections.
    """
    for _ in range(_TURNS):
        if not hint:
            return None
        try:
            parse(hint)
        except TimeError as error:
            hint = error.hint
        else:
            return hint.strip()
    return None
