"""Everything `check` can say about the templates of one mail step, before anybody gets it."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from jinja2 import TemplateSyntaxError

from rfs_mail.core.findings import Finding, Severity
from rfs_mail.errors import CampaignFileError
from rfs_mail.render.compiling import (
    PLAIN,
    Compiler,
    Files,
    MailFile,
    check_answers,
    known_mails,
    languages_to_try,
    mail_files,
)
from rfs_mail.render.environment import TEXT
from rfs_mail.render.front_matter import Head, read_template, read_words
from rfs_mail.render.names import Names
from rfs_mail.render.partials import find_partial, missing_partial, partials_named
from rfs_mail.render.tags import Tags
from rfs_mail.render.tree_checks import Checker, assigned_names, nearest

WARN_AT: Final = 80_000
REFUSE_AT: Final = 100_000
"""Gmail cuts a message off at about 102 kB of HTML, and the unsubscribe link with it."""

_AIMLESS: Final = frozenset(
    {
        "click here", "click", "here", "this link", "link", "read more", "more", "tap here",
        "haz clic aquí", "haga clic aquí", "clic aquí", "aquí", "este enlace", "enlace", "más", "leer más",
    }
)  # fmt: skip
_LINK: Final = re.compile(r"(?<!!)\[(?P<label>[^\[\]]*)\]\(\s*<?(?P<target>(?:\{\{.*?\}\}|[^)\s>])*)")
_ANCHOR: Final = re.compile(
    r"<a\b[^>]*?\bhref\s*=\s*[\"'](?P<target>[^\"']*)[\"'][^>]*>(?P<label>.*?)</a>", re.DOTALL | re.IGNORECASE
)
_IMAGE: Final = re.compile(r"!\[(?P<alt>[^\]]*)\]\(|<img\b(?P<attributes>[^>]*)>", re.IGNORECASE)
_PLACEHOLDER: Final = re.compile(r"\{#-?\s*placeholder\b")
_PLAIN_HTTP: Final = re.compile(r"\bhttp://", re.IGNORECASE)
_GOOD_TARGET: Final = re.compile(r"(?:https?://|mailto:|tel:|sms:|#|\ue000)", re.IGNORECASE)
_PLACE: Final = re.compile(r"(?P<path>[^:\s]+):(?P<line>\d+):(?P<column>\d+)  (?P<message>.*)", re.DOTALL)
_HEAD_KEY: Final = re.compile(r"(?:subject|preheader)(?:\.[\w-]+)?\Z")


def lint_mail(
    files: Files,
    name: str,
    *,
    languages: Sequence[str] = ("en",),
    default_language: str = "en",
    variants: Iterable[str] = (),
    subject: str = "",
    answers: Collection[str] | None = None,
    calendar: Iterable[str] = (),
    windows: bool = False,
    custom: Iterable[str] | None = None,
    facts: Iterable[str] = (),
    folder: str = "templates",
    compiler: Compiler | None = None,
) -> tuple[Finding, ...]:
    """
    The findings for the mail `folder/name` in all its languages and variants, in the order of the files.

    `languages` are those the campaign promises; `variants` and `subject` what the step names; `answers` the keys it
    declares (`None`: not checked); `calendar` the calendar names, `windows` whether the campaign is per filing window,
    `custom` the custom fields (`None`: any), `facts` the functions that templates may call. Paths in findings begin
    with `folder`. A `compiler` of the same files may have made the mails already.
    """
    names = Names.of(calendar=calendar, windows=windows, custom=custom, facts=facts)
    found = mail_files(files, name)
    if not any(file.kind != "txt" for file in found):
        message = f"There is no template {name}{nearest(name, known_mails(files))} It is looked for at this path."
        return _inside(folder, [Finding(f"{name}.md", 1, 1, "error", "missing-template", message)])
    wanted = [variant for variant in variants if variant != PLAIN]
    linter = _Linter(compiler or Compiler(files), name, default_language, names, answers)
    linter.check_files(found)
    linter.check_languages(found, languages)
    linter.check_variants(found, languages, wanted)
    if not any(finding.severity == "error" for finding in linter.findings):
        for language in languages:
            for variant in ["", *wanted]:
                linter.check_whole(language, variant, subject)
    return _inside(folder, linter.findings)


def lint_layouts(
    files: Files,
    *,
    languages: Sequence[str] = ("en",),
    default_language: str = "en",
    folder: str = "templates",
) -> tuple[Finding, ...]:
    """
    The findings for the layouts and their words, which all mails share.

    A layout that leaves out the unsubscribe link, the postal address or the disclaimer is an error, in HTML and text.
    """
    findings: list[Finding] = []
    for kind in ("html", "txt"):
        if f"_layout.{kind}" not in files:
            message = "There is no layout. Copy the one that rfs-mail init makes."
            findings.append(Finding(f"_layout.{kind}", 1, 1, "error", "missing-layout", message))
    layouts = [path for path in files if re.search(r"(?:\A|/)_layout(?:\.[\w-]+)?\.(?:html|txt)\Z", path)]
    words = {path: read_words(path, files[path]) for path in files if re.search(r"(?:\A|/)_layout[^/]*\.yaml\Z", path)}
    names = Names.of()
    for path, head in words.items():
        findings += head.findings
        checker = Checker(path, names, fallbacks=False)  # the layout around them asks
        for pair in head.pairs.values():
            checker.check(pair.text, line=pair.line, column=pair.column)
        findings += checker.findings
    for path in layouts:
        checker = Checker(path, names, local=("body", "subject", "preheader", "words"))
        checker.check(files[path])
        findings += checker.findings
        for needed in ("unsubscribe_url", "entity.postal_address", "entity.disclaimer"):
            if needed not in files[path]:
                message = f"Every mail shows it, by law or by what mailbox providers ask. Write: {{{{ {needed} }}}}"
                findings.append(Finding(path, 1, 1, "error", "no-footer", message))
        used = dict.fromkeys(re.findall(r"\bwords\.(\w+)", files[path]))
        findings += _missing_words(path, used, words, languages, default_language)
    return _inside(folder, findings)


def _missing_words(
    path: str,
    used: Iterable[str],
    words: Mapping[str, Head],
    languages: Sequence[str],
    default_language: str,
) -> Iterator[Finding]:
    folder = path[: path.rindex("_layout")]
    for language in dict.fromkeys([default_language, *languages]):
        own = [f".{language}", f".{language.partition('-')[0]}", *([""] if language == default_language else [])]
        heads = [
            words[name] for place in (folder, "") for part in own if (name := f"{place}_layout{part}.yaml") in words
        ]
        for word in used:
            if not any(word in head.pairs for head in heads):
                name = f"_layout{'' if language == default_language else '.' + language.partition('-')[0]}.yaml"
                message = f'{name} has no {word}. Write: {word}: "..."'
                severity: Severity = "error" if language == default_language else "warning"
                yield Finding(path, 1, 1, severity, "missing-word", message)


def _inside(folder: str, findings: Iterable[Finding]) -> tuple[Finding, ...]:
    prefix = f"{folder}/" if folder else ""
    return tuple(sorted({replace(finding, path=prefix + finding.path) for finding in findings}))


@dataclass(frozen=True, slots=True)
class _Text:
    """One file to look at. Partials have no head of their own to check."""

    path: str
    head: Head
    is_mail: bool


class _Linter:
    """The state of one run over the files of one mail."""

    def __init__(
        self, compiler: Compiler, name: str, default_language: str, names: Names, answers: Collection[str] | None
    ) -> None:
        self._compiler = compiler
        self._files = compiler.files
        self._name = name
        self._default = default_language
        self._names = names
        self._answers = answers
        self.findings: list[Finding] = []

    def _add(self, path: str, line: int, column: int, code: str, message: str, severity: Severity = "error") -> None:
        self.findings.append(Finding(path, line, column, severity, code, message))

    # -- file by file -------------------------------------------------------------------------------------------------

    def check_files(self, found: Sequence[MailFile]) -> None:
        """Heads, tags, links and images of every file of the mail and of the partials it names."""
        texts = list(self._texts(found))
        local = self._assigned(texts)
        for text in texts:
            self.findings.extend(text.head.findings)
            if text.is_mail and not text.path.endswith(".txt"):
                self._check_head(text)
            checker = Checker(text.path, self._names, self._answers, local)
            for key, pair in text.head.pairs.items():
                if _HEAD_KEY.match(key):
                    quoted = self._files[text.path].split("\n")[pair.line - 1][pair.column - 1 : pair.column] in "\"'"
                    checker.check(pair.text, line=pair.line, column=pair.column + quoted)
            checker.check(text.head.body, line=text.head.body_line)
            self.findings.extend(checker.findings)
            if not any(finding.code == "syntax" for finding in checker.findings):
                self._check_prose(text)

    def _texts(self, found: Sequence[MailFile]) -> Iterator[_Text]:
        seen: set[str] = set()
        waiting = [(file.path, True, languages_to_try(file.language or self._default, self._default)) for file in found]
        while waiting:
            path, is_mail, tries = waiting.pop(0)
            if path in seen:
                continue
            seen.add(path)
            text = _Text(path, read_template(path, self._files[path]), is_mail)
            yield text
            for named, offset, optional in partials_named(text.head.body):
                partial = find_partial(self._files, path, named, tries)
                if partial is not None:
                    waiting.append((partial, False, tries))
                elif not optional:
                    missing = missing_partial(path, text.head.body, offset, named)
                    self._add(
                        path, missing.line + text.head.body_line - 1, missing.column, missing.code, missing.message
                    )

    def _assigned(self, texts: Iterable[_Text]) -> frozenset[str]:
        """The names that the files make themselves, for one another: a partial may use the loop around it."""
        names: set[str] = set()
        for text in texts:
            try:
                names |= assigned_names(TEXT.parse(text.head.body))
            except TemplateSyntaxError:
                continue
        return frozenset(names)

    def _check_head(self, text: _Text) -> None:
        for key, pair in text.head.pairs.items():
            if not _HEAD_KEY.match(key):
                hint = nearest(key, ("subject", "preheader"))
                self._add(text.path, pair.line, 1, "front-matter", f"A head has no {key}{hint}")
        subject = text.head.pairs.get("subject")
        variant = next((file.variant for file in mail_files(self._files, self._name) if file.path == text.path), "")
        if subject is None and f"subject.{variant}" not in text.head.pairs and not text.head.findings:
            self._add(text.path, 1, 1, "no-subject", 'The mail has no subject. Write in its head: subject: "..."')
        for key, pair in text.head.pairs.items():
            if key.startswith("subject") and not pair.text.strip():
                self._add(text.path, pair.line, pair.column, "no-subject", f'{key} is empty. Write: {key}: "..."')

    def _check_prose(self, text: _Text) -> None:
        """Placeholders, links and images, as they are written."""
        body = text.head.body
        for match in _PLACEHOLDER.finditer(body):
            message = "This text is a placeholder. Make it yours, and take this line out."
            self._at(text, match.start(), "placeholder", message)
        for match in _PLAIN_HTTP.finditer(body):
            self._at(text, match.start(), "http", "The address is not encrypted. Write: https://")
        tags = Tags()
        for pattern in (_LINK, _ANCHOR):
            for match in pattern.finditer(body):
                label = re.sub(r"<[^>]*>|\s*button:\s*", "", match["label"], flags=re.IGNORECASE).strip()
                if label.lower().strip(" .!:>»→") in _AIMLESS:
                    message = f'"{label}" does not say where the link goes. Write what the reader finds there'
                    self._at(text, match.start("label"), "link-text", message)
                target = tags.protect(match["target"])
                if target and not _GOOD_TARGET.match(target):
                    message = f"{target} is no address to go to. Write it whole: https://..."
                    self._at(text, match.start("target"), "address", message)
        for match in _IMAGE.finditer(body):
            described = match["alt"].strip() if match["alt"] is not None else "alt=" in match["attributes"].lower()
            if not described:
                message = (
                    "The image has no description for those who do not see it. Write: ![what it shows](https://...)"
                )
                self._at(text, match.start(), "alt", message)

    def _at(self, text: _Text, offset: int, code: str, message: str) -> None:
        body = text.head.body
        line = text.head.body_line + body.count("\n", 0, offset)
        self._add(text.path, line, offset - (body.rfind("\n", 0, offset) + 1) + 1, code, message)

    # -- languages, variants, the whole mail --------------------------------------------------------------------------

    def check_languages(self, found: Sequence[MailFile], languages: Sequence[str]) -> None:
        """A promised language that nobody wrote is a warning: those people get the default language."""
        written = {file.language or self._default for file in found if file.kind != "txt"}
        for language in languages:
            if not written & set(languages_to_try(language, "")):
                path = next(file.path for file in found)
                wanted = f"{self._name}.{language}.md"
                message = f"There is no {wanted}; who reads {language} gets this one."
                self._add(path, 1, 1, "no-translation", message, "warning")

    def check_variants(self, found: Sequence[MailFile], languages: Sequence[str], variants: Sequence[str]) -> None:
        """A variant needs a body or a subject of its own, at best in every language."""
        bodies = [file for file in found if file.kind != "txt"]
        for variant in variants:
            having = {
                file.language or self._default
                for file in bodies
                if file.variant == variant
                or (not file.variant and f"subject.{variant}" in read_template(file.path, self._files[file.path]).pairs)
            }
            path = bodies[0].path
            if not having:
                message = f'The variant {variant} is written nowhere. Write in the head: subject.{variant}: "..."'
                self._add(path, 1, 1, "missing-variant", message)
                continue
            written = {file.language or self._default for file in bodies}
            for language in [known for known in languages if known in written - having]:
                message = f"The variant {variant} is not written in {language}; the plain mail goes instead."
                self._add(path, 1, 1, "missing-variant", message, "warning")

    def check_whole(self, language: str, variant: str, subject: str) -> None:
        """Whether the mail compiles, and how long it is."""
        try:
            source = self._compiler.mail(
                self._name, language=language, variant=variant, subject=subject, default_language=self._default
            )
            check_answers(source, self._answers)
        except CampaignFileError as error:
            place = _PLACE.match(str(error))
            if place is None:
                self._add(f"{self._name}.md", 1, 1, "compile", str(error))
            else:
                self._add(place["path"], int(place["line"]), int(place["column"]), "compile", place["message"])
            return
        size = len(source.html.encode())
        if size > WARN_AT:
            message = f"The HTML has {size // 1000} kB; Gmail cuts it off at 100 kB. Make it shorter."
            self._add(source.path, 1, 1, "size", message, "error" if size > REFUSE_AT else "warning")
