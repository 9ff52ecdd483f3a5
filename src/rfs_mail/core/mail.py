"""A mail before and after it is rendered for one person."""

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict


class MailSource(BaseModel):
    """
    One mail of one language and variant, compiled from templates: everything needed to render it, and nothing else.

    `subject`, `preheader`, `html` and `text` are Jinja source; `html` and `text` are whole documents with the layout
    applied. `links` are the Jinja sources of the tracked link targets, by number. `variables` are the top-level names
    that the templates read. `language` is the language it is written in, `variant` is "" for the plain one, `path`
    the template file, for error messages. JSON-able, so that a revision can keep it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    subject: str
    preheader: str
    html: str
    text: str
    links: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    language: str
    variant: str = ""
    path: str


@dataclass(frozen=True, slots=True)
class Rendered:
    """One mail for one person, ready to be built into a message. `subject` and `preheader` are single lines."""

    subject: str
    preheader: str
    html: str
    text: str
