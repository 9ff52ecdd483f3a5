"""Partials folded into the template that names them, so that a mail source is complete and its digest covers them."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from rfs_mail.core.findings import Finding
from rfs_mail.errors import CampaignFileError
from rfs_mail.render.front_matter import read_template

DEEPEST: Final = 8
"""How many partials may stand inside one another."""

_NAME: Final = r"(?:\"(?P<{0}>[^\"]+)\"|'(?P<{0}_>[^']+)')"
_CONTEXT: Final = r"(?:\s+with(?:out)?\s+context)?"
_INCLUDE: Final = (
    r"\{%-?\s*include\s+" + _NAME.format("included") + r"(?P<optional>\s+ignore\s+missing)?" + _CONTEXT + r"\s*-?%\}"
)
_IMPORT: Final = r"\{%-?\s*import\s+" + _NAME.format("imported") + r"\s+as\s+(?P<alias>\w+)" + _CONTEXT + r"\s*-?%\}"
_FROM: Final = (
    r"\{%-?\s*from\s+" + _NAME.format("source") + r"\s+import\s+(?P<wanted>[\w\s,]+?)" + _CONTEXT + r"\s*-?%\}"
)
_REFERENCE: Final = re.compile(f"{_INCLUDE}|{_IMPORT}|{_FROM}")
_OTHER: Final = re.compile(r"\{%-?\s*(?P<word>include|import|from|extends|block)\b")
_MACRO: Final = re.compile(r"\{%-?\s*macro\s+(?P<name>\w+)\b.*?\{%-?\s*endmacro\s*-?%\}", re.DOTALL)


def expand(files: Mapping[str, str], path: str, text: str, languages: Sequence[str], depth: int = 0) -> str:
    """
    The text with every `include`, `import` and `from ... import` replaced by what the named file holds.

    Names are looked up from the templates folder, then beside `path`; a partial of the mail's language
    (`partials/x.es.md`) goes before `partials/x.md`. Raises CampaignFileError for a partial that does not exist, for
    partials in a circle, and for inheritance, which mails do not have.
    """
    if depth > DEEPEST:
        raise CampaignFileError(f"{path}: partials go in a circle, or deeper than {DEEPEST}. Take one include out.")

    def replaced(match: re.Match[str]) -> str:
        name = next(match[group] for group in _GROUPS if match[group])
        found = find_partial(files, path, name, languages)
        if found is None:
            if match["optional"]:
                return ""
            raise CampaignFileError(str(missing_partial(path, text, match.start(), name)))
        inner = expand(files, found, read_template(found, files[found]).body, languages, depth + 1)
        if match["alias"]:
            return _macros(inner) + _namespace(match["alias"], inner)
        if match["wanted"]:
            return _macros(inner) + _renamed(match["wanted"])
        alone = _alone(text, match)
        return f"\n{inner.strip()}\n" if alone else inner.strip("\n")

    expanded = _REFERENCE.sub(replaced, text)
    other = _OTHER.search(expanded)
    if other is not None:
        line = expanded.count("\n", 0, other.start()) + 1
        message = f"{other['word']} needs the plain name of a file in quotes."
        if other["word"] in {"extends", "block"}:
            message = f"{other['word']} is not for mails; the layout is applied for you. Use include."
        raise CampaignFileError(str(Finding(path, line, 1, "error", "include", message)))
    return expanded


_GROUPS: Final = ("included", "included_", "imported", "imported_", "source", "source_")


def partials_named(text: str) -> list[tuple[str, int, bool]]:
    """The partials a text names: name, offset in the text, and whether it may be missing."""
    return [
        (next(match[group] for group in _GROUPS if match[group]), match.start(), bool(match["optional"]))
        for match in _REFERENCE.finditer(text)
    ]


def find_partial(files: Mapping[str, str], path: str, name: str, languages: Sequence[str]) -> str | None:
    """The path of a partial, or `None`."""
    stem, dot, kind = name.rpartition(".")
    folder = path.rpartition("/")[0]
    names = [*(f"{stem}.{language}{dot}{kind}" for language in languages), name]
    candidates = [*names, *(f"{folder}/{each}" for each in names)]
    return next((candidate for candidate in candidates if candidate in files), None)


def missing_partial(path: str, text: str, offset: int, name: str) -> Finding:
    """The finding for a partial that does not exist."""
    line = text.count("\n", 0, offset) + 1
    column = offset - (text.rfind("\n", 0, offset) + 1) + 1
    return Finding(path, line, column, "error", "missing-partial", f"There is no {name} in the templates folder.")


def _alone(text: str, match: re.Match[str]) -> bool:
    """Whether a tag has its line to itself."""
    line_start = text.rfind("\n", 0, match.start()) + 1
    line_end = text.find("\n", match.end())
    rest = text[match.end() : line_end if line_end != -1 else len(text)]
    return not text[line_start : match.start()].strip() and not rest.strip()


def _macros(text: str) -> str:
    return "".join(macro[0] + "\n" for macro in _MACRO.finditer(text))


def _namespace(alias: str, text: str) -> str:
    pairs = ", ".join(f'"{macro["name"]}": {macro["name"]}' for macro in _MACRO.finditer(text))
    return f"{{% set {alias} = {{{pairs}}} %}}\n"


def _renamed(wanted: str) -> str:
    renames = [re.fullmatch(r"\s*(\w+)\s+as\s+(\w+)\s*", part) for part in wanted.split(",")]
    return "".join(f"{{% set {match[2]} = {match[1]} %}}\n" for match in renames if match is not None)
