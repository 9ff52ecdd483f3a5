"""The titles of tasks are templates: their names exist. Staff see them, so a missing name needs no second word."""

from rfs_mail.engine.checking.bench import Bench, in_window
from rfs_mail.render.names import Names
from rfs_mail.render.tree_checks import Checker


def check_titles(bench: Bench) -> None:
    """Look at every task of every step, answer and exit."""
    content = bench.project.content
    drafts = {draft.path: draft for draft in bench.project.drafts}
    for path, scalar in bench.project.sources.titles.items():
        draft = drafts.get(str(path[0]))
        windows = draft is not None and in_window(draft.campaign)
        names = Names.of(calendar=content.calendars, windows=windows, custom=content.fields)
        checker = Checker("", names, answers=(), fallbacks=False)
        checker.check(scalar.value)
        for found in checker.findings:
            bench.tell(found.severity, found.code, path, found.message, line=found.line, column=found.column)
