"""
Template files to one finished mail source: language and variant chosen, partials and layout folded in, Markdown read.

Done once when a release is applied. What comes out is complete: a mail that is rendered needs no file.
"""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from jinja2 import TemplateSyntaxError, meta, nodes

from rfs_mail.core.findings import Finding
from rfs_mail.core.mail import MailSource
from rfs_mail.errors import CampaignFileError
from rfs_mail.render.environment import HTML, TEXT
from rfs_mail.render.front_matter import Head, read_template, read_words
from rfs_mail.render.inlining import inline_template
from rfs_mail.render.links import Links, tracked
from rfs_mail.render.markdown import read_markdown
from rfs_mail.render.partials import expand
from rfs_mail.render.tags import Tags, in_html
from rfs_mail.render.writing import HtmlWriter, TextWriter

Files = Mapping[str, str]
"""Paths inside the templates folder, with `/`, and the text of each file."""

PLAIN: Final = "plain"
"""The variant name that means the mail as it is without a variant."""

_PART: Final = re.compile(
    r"(?:\.(?P<language>[a-z]{2}(?:-[A-Z]{2})?))?(?:\.(?P<variant>[a-z][\w-]*))?\.(?P<kind>md|html|txt)\Z"
)
_HOLE: Final = re.compile(r"\{\{-?\s*(?:(?P<name>body|subject|preheader)|words\.(?P<word>\w+))\s*-?\}\}")
_HREF: Final = re.compile(
    r"(?P<before><a\b[^>]*?\bhref\s*=\s*)(?P<quote>[\"'])(?P<target>.*?)(?P=quote)", re.DOTALL | re.IGNORECASE
)


@dataclass(frozen=True, slots=True, order=True)
class MailFile:
    """One file of a mail. `language` and `variant` are "" where the file name has none; `kind` is md, html or txt."""

    path: str
    language: str
    variant: str
    kind: str


def mail_files(files: Files, name: str) -> tuple[MailFile, ...]:
    """The files of the mail `folder/name`, in every language and variant, sorted by path."""
    found: list[MailFile] = []
    for path in files:
        if path.startswith(f"{name}."):
            match = _PART.match(path, len(name))
            if match is not None:
                found.append(MailFile(path, match["language"] or "", match["variant"] or "", match["kind"]))
    return tuple(sorted(found))


def languages_to_try(language: str, default_language: str) -> tuple[str, ...]:
    """`es-US` is tried as es-US, then es, then the default language."""
    return tuple(dict.fromkeys([language, language.partition("-")[0], default_language]))


def compile_mail(
    files: Files,
    name: str,
    *,
    language: str,
    variant: str = "",
    default_language: str = "en",
    answers: Iterable[str] | None = None,
    subject: str = "",
) -> MailSource:
    """
    The mail `folder/name` as one complete source, in the best language and variant there is.

    The language is chosen first, and always for the whole message; then a body of the variant in that language, else
    the plain body with `subject.VARIANT`. `subject` names another subject of the head (`subject.again`). `answers` are
    the keys the step declares (`None`: not checked). Raises CampaignFileError that names file and line.
    """
    variant = "" if variant == PLAIN else variant
    chosen = _choose(files, name, language, variant, default_language)
    written_in = chosen.language or default_language
    head = read_template(chosen.path, files[chosen.path])
    if head.findings:
        raise CampaignFileError(str(head.findings[0]))
    line_of_subject, line_of_preheader = _lines(chosen.path, head, variant, subject)

    tags = Tags()
    tries = languages_to_try(written_in, default_language)
    body = expand(files, chosen.path, head.body, tries)
    links = Links(tags, assigned=_assigned(chosen.path, body, head.body_line))
    if chosen.kind == "md":
        blocks = read_markdown(tags.protect(body), tags)
        html, text = HtmlWriter(tags, links).write(blocks), TextWriter(tags, links).write(blocks)
    else:
        html, text = _hand_written(files, chosen, body, tries, tags, links)

    layout = _Layout(files, name, tries)
    holes = {"subject": line_of_subject, "preheader": line_of_preheader}
    if chosen.kind == "md" or "<html" not in html.lower():
        html, text = layout.html(html, holes), layout.text(text, holes)
    html = inline_template(html)

    sources = {"subject": line_of_subject, "preheader": line_of_preheader, "html": html, "text": text}
    names = _names_read(chosen.path, [*sources.values(), *links.sources])
    source = MailSource(
        **sources,
        links=tuple(links.sources),
        variables=names,
        language=written_in,
        variant=variant,
        path=chosen.path,
    )
    check_answers(source, answers)
    return source


class Compiler:
    """The mails of one set of files, each compiled once however often it is asked for."""

    def __init__(self, files: Files) -> None:
        self.files = files
        self._made: dict[tuple[str, ...], MailSource | CampaignFileError] = {}

    def mail(
        self, name: str, *, language: str, variant: str = "", default_language: str = "en", subject: str = ""
    ) -> MailSource:
        """As `compile_mail`, which it asks once; a CampaignFileError is raised each time."""
        key = (name, language, "" if variant == PLAIN else variant, default_language, subject)
        if key not in self._made:
            try:
                self._made[key] = compile_mail(
                    self.files, name, language=language, variant=variant, default_language=default_language,
                    subject=subject,
                )  # fmt: skip
            except CampaignFileError as error:
                self._made[key] = error
        made = self._made[key]
        if isinstance(made, CampaignFileError):
            raise made
        return made


def _choose(files: Files, name: str, language: str, variant: str, default_language: str) -> MailFile:
    bodies = [file for file in mail_files(files, name) if file.kind != "txt"]
    for tried in languages_to_try(language, default_language):
        for wanted in dict.fromkeys([variant, ""]):
            for file in bodies:
                in_language = file.language == tried or (not file.language and tried == default_language)
                if in_language and file.variant == wanted:
                    return file
    near = difflib.get_close_matches(name, sorted(known_mails(files)), n=1)
    hint = f" Did you mean {near[0]}?" if near else f" Write templates/{name}.md."
    raise CampaignFileError(f"There is no template {name}.{hint}")


def known_mails(files: Files) -> frozenset[str]:
    """The names of all mails: `folder/name`, without layouts and partials."""
    return frozenset(
        match[1]
        for path in files
        if (match := re.match(r"(?!partials/)((?:[^/]+/)+[^/._][^/.]*)\.(?:[\w.-]+\.)?(?:md|html)\Z", path))
    )


def _lines(path: str, head: Head, variant: str, subject: str) -> tuple[str, str]:
    """The subject and the preheader: named, else the variant's, else the plain ones."""
    if subject and f"subject.{subject}" not in head.pairs:
        raise CampaignFileError(f'{path}:1:1  The step asks for subject.{subject}. Write: subject.{subject}: "..."')
    found = [
        next((text for key in keys if (text := head.get(key)) is not None), None)
        for keys in (
            (f"subject.{subject}", f"subject.{variant}", "subject"),
            (f"preheader.{subject}", f"preheader.{variant}", "preheader"),
        )
    ]
    if not found[0]:
        raise CampaignFileError(f'{path}:1:1  The mail has no subject. Write in its head: subject: "..."')
    return found[0], found[1] or ""


def _hand_written(
    files: Files, chosen: MailFile, body: str, tries: Sequence[str], tags: Tags, links: Links
) -> tuple[str, str]:
    """HTML and text written by hand: the links of the HTML are tracked, and the same addresses in the text."""
    text_path = chosen.path.removesuffix(".html") + ".txt"
    if text_path not in files:
        raise CampaignFileError(f"{chosen.path} has no text part. Write {text_path}, or write the mail as Markdown.")
    targets: dict[str, str] = {}

    def track(match: re.Match[str]) -> str:
        target = match["target"].replace("&amp;", "&")
        marked = links.mark(target)
        if marked != target:
            targets[tags.text(target)] = marked
            return f"{match['before']}{match['quote']}{marked}{match['quote']}"
        return match[0]

    html = tags.html_tags(_HREF.sub(track, tags.protect(body)))
    text = expand(files, text_path, read_template(text_path, files[text_path]).body, tries)
    for target in sorted(targets, key=len, reverse=True):
        ends = re.compile(re.escape(target) + r"(?![\w/?&=%#-])")
        number = links.number_of(target)
        if number is not None:
            text = ends.sub(lambda _, n=number, t=target: f"\ue002{n}\ue002", text)  # type: ignore[misc]
    return html, re.sub("\ue002(\\d+)\ue002", lambda m: tracked(int(m[1]), links.sources[int(m[1])]), text)


class _Layout:
    """The frame around a body: markup in `_layout.html` and `_layout.txt`, words in `_layout.yaml` by language."""

    def __init__(self, files: Files, name: str, tries: Sequence[str]) -> None:
        self._files = files
        folders = [name.rpartition("/")[0] + "/", ""]
        self._tries = tries
        self._folders = list(dict.fromkeys(folder.lstrip("/") for folder in folders))
        self._words: dict[str, str] = {}
        for path in reversed(self._paths("yaml")):
            head = read_words(path, files[path])
            if head.findings:
                raise CampaignFileError(str(head.findings[0]))
            self._words |= {key: pair.text for key, pair in head.pairs.items()}

    def _paths(self, kind: str) -> list[str]:
        """The files of one kind, the nearest first: own folder before root, own language before the default."""
        parts = [*(f".{language}" for language in self._tries), ""]
        wanted = [f"{folder}_layout{part}.{kind}" for folder in self._folders for part in parts]
        return [path for path in wanted if path in self._files]

    def html(self, body: str, holes: Mapping[str, str]) -> str:
        source = self._source("html")
        slim = re.sub(r"\n\s+", "\n", source)
        return self._filled(slim, {"body": body} | {name: in_html(text) for name, text in holes.items()}, html=True)

    def text(self, body: str, holes: Mapping[str, str]) -> str:
        return self._filled(self._source("txt"), {"body": body, **holes}, html=False)

    def _source(self, kind: str) -> str:
        paths = self._paths(kind)
        if not paths:
            raise CampaignFileError(f"There is no templates/_layout.{kind}. Copy the one that rfs-mail init makes.")
        return expand(self._files, paths[0], self._files[paths[0]], self._tries)

    def _filled(self, source: str, holes: Mapping[str, str], *, html: bool) -> str:
        def fill(match: re.Match[str]) -> str:
            if match["name"]:
                return holes[match["name"]]
            word = self._words.get(match["word"])
            if word is None:
                raise CampaignFileError(f'_layout.yaml has no word {match["word"]}. Write: {match["word"]}: "..."')
            return in_html(word) if html else word

        return _HOLE.sub(fill, source)


def _assigned(path: str, body: str, first_line: int) -> frozenset[str]:
    """Names that exist only inside the template: loop variables, `set`, macro arguments."""
    try:
        tree = TEXT.parse(body)
    except TemplateSyntaxError as error:
        raise syntax_error(path, error, first_line) from None
    return frozenset(name.name for name in tree.find_all(nodes.Name) if name.ctx in {"store", "param"})


def syntax_error(path: str, error: TemplateSyntaxError, first_line: int = 1) -> CampaignFileError:
    """A Jinja error as ours, at its line in the file."""
    line = error.lineno + first_line - 1
    return CampaignFileError(str(Finding(path, line, 1, "error", "syntax", f"{error.message}")))


def _names_read(path: str, sources: Iterable[str]) -> tuple[str, ...]:
    names: set[str] = set()
    for source in sources:
        try:
            names |= names_read(source)
        except TemplateSyntaxError as error:
            raise syntax_error(path, error) from None
    return tuple(sorted(names))


@lru_cache(maxsize=512)
def names_read(source: str) -> frozenset[str]:
    """The top-level names that a Jinja source reads from its context."""
    return frozenset(name for name in meta.find_undeclared_variables(TEXT.parse(source)) if not name.startswith("_"))


def check_answers(source: MailSource, declared: Iterable[str] | None) -> None:
    """Raise CampaignFileError where a mail offers an answer that is not among the declared (`None`: not checked)."""
    if declared is None:
        return
    known = frozenset(declared)
    for text in (source.subject, source.preheader, source.html, source.text):
        for key in answer_keys(text):
            if key not in known:
                raise CampaignFileError(
                    f'{source.path}:1:1  The step declares no answer "{key}". Write it under answers: of the step.'
                )


@lru_cache(maxsize=512)
def answer_keys(source: str) -> tuple[str, ...]:
    """The keys of the `answer("key", ...)` calls of a Jinja source, in order."""
    if "answer" not in source:
        return ()  # most mails; reading them for nothing takes a third of a check
    return tuple(
        dict.fromkeys(
            str(call.args[0].value)
            for call in HTML.parse(source).find_all(nodes.Call)
            if isinstance(call.node, nodes.Name)
            and call.node.name == "answer"
            and call.args
            and isinstance(call.args[0], nodes.Const)
        )
    )
