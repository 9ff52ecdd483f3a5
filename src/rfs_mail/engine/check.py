"""
Everything that is wrong with the campaign files, in one run and without a database.

The shapes were judged when the files were read; here it is asked whether the names exist, the conditions and times can
be read where they stand, the order holds, and the mails can be made.
"""

from dataclasses import dataclass

from rfs_mail.campaign_files.fixing import Fixed, mend, write_fixes, write_mends
from rfs_mail.campaign_files.load import Project, load_project
from rfs_mail.core.findings import Finding
from rfs_mail.engine.checking.bench import Bench
from rfs_mail.engine.checking.caps import check_caps
from rfs_mail.engine.checking.counting import check_counting
from rfs_mail.engine.checking.expressions import check_expressions, fixes
from rfs_mail.engine.checking.mails import check_mails
from rfs_mail.engine.checking.names import check_names
from rfs_mail.engine.checking.times import check_times
from rfs_mail.engine.checking.titles import check_titles
from rfs_mail.engine.compiling import Compiled, compile_project
from rfs_mail.settings import Caps, Settings


@dataclass(frozen=True, slots=True)
class Extent:
    """What was looked at, for the closing line."""

    campaigns: int
    mails: int
    languages: int

    def __str__(self) -> str:
        mails = f"{_count(self.mails, 'mail')} in {_count(self.languages, 'language')}"
        return f"{_count(self.campaigns, 'campaign')}, {mails}"


def check_project(
    project: Project, *, compiled: Compiled | None = None, caps: Caps | None = None
) -> tuple[Finding, ...]:
    """All findings of a project, in the order of files and lines, each once. Raises nothing."""
    compiled = compiled or compile_project(project)
    bench = Bench(project)
    check_names(bench)
    check_expressions(bench)
    check_times(bench)
    check_mails(bench, compiled)
    check_counting(bench)
    check_titles(bench)
    check_caps(bench, caps or Caps())
    return tuple(sorted({*project.findings, *bench.findings}))


def extent(project: Project, compiled: Compiled) -> Extent:
    """How many campaigns, mails (one each step and variant) and languages there are."""
    mails = {(path, source.path.split(".")[0]) for (path, *_rest), source in compiled.sources.items()}
    languages = {language for draft in project.drafts for language in draft.campaign.languages}
    return Extent(len(project.drafts), len(mails), len(languages))


def fix_project(project: Project, settings: Settings) -> tuple[Fixed, ...]:
    """
    Write the safe corrections into the files: only what is mended changes, every other byte stays.

    Returns what was mended. A file that changed on disk since it was read is left alone.
    """
    mended = write_mends(project.texts, settings.folder)
    if mended:  # what could not be read at all can be looked at now
        project = load_project(settings)
    return tuple(sorted({*mended, *write_fixes(project.texts, settings.folder, fixes(Bench(project)))}))


def fixable(project: Project) -> int:
    """How many corrections `fix_project` could write now."""
    mends = sum(len(mend(file)[0]) for file in project.texts.values())
    return mends + len({(scalar.file.path, scalar.start) for scalar, _value in fixes(Bench(project))})


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
