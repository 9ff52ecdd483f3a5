"""One mail for one person, from a compiled source and the values that belong to her."""

import re
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from threading import Lock
from typing import Final

from jinja2 import Template, TemplateSyntaxError
from jinja2.runtime import Context

from rfs_mail.core.mail import MailSource, Rendered
from rfs_mail.errors import RenderError
from rfs_mail.render.environment import HTML, LONGEST_TEXT, TEXT, MailEnvironment, TemplateFault
from rfs_mail.render.inlining import has_rules, inline
from rfs_mail.render.writing import finished_text

KEPT_TEMPLATES: Final = 256
"""How many compiled mails and titles one renderer keeps; the least recently used goes first."""

_AT_A_TIME: Final = 2_000
"""Pieces that are joined before their length is looked at; each is a text of the template or a printed value."""

_TAG: Final = re.compile(r"\{[{%#]")
_DYNAMIC_TARGET: Final = re.compile(
    r"""href\s*=\s*["'](?:\{% if _link %\}\{\{ link\(\d+\) \}\}\{% else %\})?"""
    r"""\{[{%](?!-?\s*(?:if _link|answer\(|(?:unsubscribe|preferences|view|base)_url\b))"""
)
_TARGET: Final = re.compile(r"""href\s*=\s*["']([^"']*)""", re.IGNORECASE)
_GOOD_TARGET: Final = re.compile(r"\s*(?:https?://|mailto:|tel:|sms:|#)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Part:
    """One compiled template, or the text itself where it has no tags."""

    static: str | None
    root: Callable[[Context], Iterator[str]] | None
    environment: MailEnvironment

    def render(self, values: dict[str, object], path: str) -> str:
        if self.root is None:
            return self.static or ""
        context = self.environment.context_class(self.environment, values, path, {})
        pieces = self.root(context)
        text = "".join(islice(pieces, _AT_A_TIME))  # all of it, for nearly every mail
        while more := list(islice(pieces, _AT_A_TIME)):
            text += "".join(more)
            if len(text) > LONGEST_TEXT:
                break
        if len(text) > LONGEST_TEXT:
            raise TemplateFault(f"it grows beyond {LONGEST_TEXT // 1024} kB; look for a loop without an end")
        return text


@dataclass(frozen=True, slots=True)
class _Mail:
    """A compiled mail."""

    subject: _Part
    preheader: _Part
    html: _Part
    text: _Part
    inline_later: bool
    check_targets: bool


class Renderer:
    """
    Renders mails and short texts. Safe to use from several threads; keeps what it has compiled.

    `base` are names that every template may read (`base_url` ...); the context of a mail goes before them.
    """

    def __init__(self, base: Mapping[str, object] | None = None) -> None:
        self._base = dict(base or {})
        self._mails: OrderedDict[MailSource, _Mail] = OrderedDict()
        self._texts: OrderedDict[str, _Part] = OrderedDict()
        self._lock = Lock()

    def __reduce__(self) -> tuple[type["Renderer"], tuple[dict[str, object]]]:
        """Another process gets one that has compiled nothing yet."""
        return Renderer, (self._base,)

    def render(self, source: MailSource, context: Mapping[str, object]) -> Rendered:
        """
        Subject, preheader, HTML and text for one person.

        `context` comes from `build_context` or `context_from_json`. Raises RenderError with the template's path and
        the name to blame; its message holds nobody's data.
        """
        try:
            mail = self._mail(source)
            values = self._values(context, source.language)
            html = mail.html.render(values, source.path)
            if mail.check_targets:
                _refuse_strange_targets(html)
            return Rendered(
                subject=_one_line(mail.subject.render(values, source.path)),
                preheader=_one_line(mail.preheader.render(values, source.path)),
                html=inline(html) if mail.inline_later else html,
                text=finished_text(mail.text.render(values, source.path)),
            )
        except RenderError:
            raise
        except Exception as error:
            raise _render_error(error, source.path) from None

    def render_text(self, source: str, context: Mapping[str, object], *, path: str, language: str = "en") -> str:
        """A short text with tags, such as the title of a task. Raises RenderError as `render` does."""
        try:
            part = self._text(source)
            return part.render(self._values(context, language), path)
        except Exception as error:
            raise _render_error(error, path) from None

    def link_target(self, source: MailSource, number: int, context: Mapping[str, object]) -> str:
        """
        The plain address of tracked link `number` for one person.

        Raises RenderError where there is no such link, or where it is no http(s) address.
        """
        if not 0 <= number < len(source.links):
            raise RenderError(f"{source.path} has no link {number}.", template=source.path)
        target = self.render_text(source.links[number], context, path=source.path, language=source.language).strip()
        if not re.match(r"https?://[^\s]+\Z", target, re.IGNORECASE):
            raise RenderError(f"Link {number} of {source.path} is no web address.", template=source.path, field="link")
        return target

    def _values(self, context: Mapping[str, object], language: str) -> dict[str, object]:
        return {"_link": None, **TEXT.globals, **self._base, **context, "language": language}

    def _mail(self, source: MailSource) -> _Mail:
        with self._lock:
            known = self._mails.get(source)
            if known is not None:
                self._mails.move_to_end(source)
                return known
        mail = _Mail(
            subject=_part(TEXT, source.subject),
            preheader=_part(TEXT, source.preheader),
            html=_part(HTML, source.html),
            text=_part(TEXT, source.text),
            inline_later=has_rules(source.html),
            check_targets=_DYNAMIC_TARGET.search(source.html) is not None,
        )
        with self._lock:
            self._mails[source] = mail
            while len(self._mails) > KEPT_TEMPLATES:
                self._mails.popitem(last=False)
        return mail

    def _text(self, source: str) -> _Part:
        with self._lock:
            known = self._texts.get(source)
            if known is not None:
                self._texts.move_to_end(source)
                return known
        part = _part(TEXT, source)
        with self._lock:
            self._texts[source] = part
            while len(self._texts) > KEPT_TEMPLATES:
                self._texts.popitem(last=False)
        return part


def _part(environment: MailEnvironment, source: str) -> _Part:
    if not _TAG.search(source):
        return _Part(source, None, environment)
    template: Template = environment.from_string(source)
    return _Part(None, template.root_render_func, environment)


def _refuse_strange_targets(html: str) -> None:
    """Raise TemplateFault where a link that begins with somebody's value leads to a script instead of a page."""
    for target in _TARGET.findall(html):
        if not _GOOD_TARGET.match(target):
            raise TemplateFault("a link does not begin with https://, mailto: or tel:", "link")


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _render_error(error: Exception, path: str) -> RenderError:
    """Any failure as a RenderError. Only our own messages are passed on: others may quote a person's values."""
    if isinstance(error, RenderError):
        return error
    if isinstance(error, TemplateFault):
        return RenderError(f"{path}: {error}.", template=path, field=error.field)
    if isinstance(error, TemplateSyntaxError):
        return RenderError(f"{path}: {error.message} Run rfs-mail check.", template=path)
    kind = type(error).__name__
    return RenderError(f"{path} failed ({kind}); preview it for this person.", template=path)
