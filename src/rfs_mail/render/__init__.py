"""
Templates to mails: compile once when a release is applied, render once a person.

    files ──compile_mail──> MailSource ──Renderer.render(context)──> Rendered
      └────lint_mail──────> findings          └──── build_context / variables_json / context_from_json
"""

from rfs_mail.render.compiling import Compiler, MailFile, compile_mail, mail_files
from rfs_mail.render.context import (
    Urls,
    build_context,
    context_from_json,
    needed,
    occurrence_record,
    spoken_record,
    variables_json,
    window_record,
)
from rfs_mail.render.linting import lint_layouts, lint_mail
from rfs_mail.render.renderer import Renderer

__all__ = [
    "Compiler",
    "MailFile",
    "Renderer",
    "Urls",
    "build_context",
    "compile_mail",
    "context_from_json",
    "lint_layouts",
    "lint_mail",
    "mail_files",
    "needed",
    "occurrence_record",
    "spoken_record",
    "variables_json",
    "window_record",
]
