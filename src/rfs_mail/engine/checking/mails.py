"""The templates a campaign needs are there, in its languages and variants; and each template is needed by a step."""

from rfs_mail.campaign_files.campaigns import Draft
from rfs_mail.core.campaign import Mail, Step
from rfs_mail.core.findings import Finding
from rfs_mail.core.sequence import sequence
from rfs_mail.engine.checking.bench import Bench, in_window, step_path
from rfs_mail.engine.compiling import Compiled
from rfs_mail.render import lint_layouts, lint_mail
from rfs_mail.render.compiling import answer_keys, known_mails, mail_files


def check_mails(bench: Bench, compiled: Compiled) -> None:
    """Look at the templates of every mail step, at the layout, and for templates that no step uses."""
    used: set[str] = set()
    for draft in bench.project.drafts:
        for step in draft.campaign.walk():
            if isinstance(step.action, Mail):
                used.add(step.action.template)
                _template(bench, draft, step, step.action, compiled)
                _first_language(bench, draft, step, compiled)
                _unoffered(bench, draft, step, step.action, compiled)
        _backfills(bench, draft)
    if used:
        languages = tuple(
            dict.fromkeys(language for draft in bench.project.drafts for language in draft.campaign.languages)
        )
        folder = bench.project.places.templates
        bench.findings += lint_layouts(bench.project.files, languages=languages, folder=folder)
    if all(draft.whole for draft in bench.project.drafts):
        _unused(bench, used)


def _template(bench: Bench, draft: Draft, step: Step, mail: Mail, compiled: Compiled) -> None:
    """What the templates themselves hold, and whether they can be compiled: told at its place in the template."""
    project, campaign = bench.project, draft.campaign
    entity = project.content.entities.get(campaign.entity)
    default = entity.languages[0] if entity else campaign.languages[0]
    failures = compiled.failures.get((draft.path, step.key), ())
    files = mail_files(project.files, mail.template)
    if failures and files and not any((file.language or default) == default for file in files):
        where = f"{project.places.templates}/{mail.template}.md"
        said = f"there is no {default} text, on which every language falls back. Write {where}"
        bench.tell("error", "missing-language", step_path(draft, step.key, "mail"), said)
        return
    found: tuple[Finding, ...] = ()
    if files:
        found = lint_mail(
            project.files,
            mail.template,
            languages=campaign.languages,
            default_language=default,
            variants=tuple(mail.variants),
            subject=mail.subject or "",
            answers=frozenset(mail.answers),
            calendar=tuple(project.content.calendars),
            windows=in_window(campaign),
            custom=tuple(project.content.fields),
            folder=project.places.templates,
            compiler=compiled.compiler,
        )
        bench.findings += found
    if not any(finding.severity == "error" for finding in found):
        bench.findings += failures


def _first_language(bench: Bench, draft: Draft, step: Step, compiled: Compiled) -> None:
    """A mail exists in the campaign's first language: everybody else falls back on it."""
    first = draft.campaign.languages[0]
    for (path, key, language, _variant), source in compiled.sources.items():
        if (path, key, language) == (draft.path, step.key, first) and source.language != first:
            assert isinstance(step.action, Mail)
            where = f"{bench.project.places.templates}/{step.action.template}.{first}.md"
            said = f"there is no {first} text, and {first} is the first language of the campaign. Write {where}"
            bench.tell("error", "missing-language", step_path(draft, step.key, "mail"), said)
            return


def _unoffered(bench: Bench, draft: Draft, step: Step, mail: Mail, compiled: Compiled) -> None:
    """An answer that is declared is offered by the template, in every language."""
    for (path, key, _language, _variant), source in compiled.sources.items():
        if (path, key) != (draft.path, step.key):
            continue
        offered = {answer for text in (source.html, source.text) for answer in answer_keys(text)}
        for answer in sorted(set(mail.answers) - offered):
            where = f"{bench.project.places.templates}/{source.path}"
            bench.tell(
                "error",
                "unoffered-answer",
                step_path(draft, step.key, "answers", answer),
                f'{where} does not offer it. Write there: {{{{ answer("{answer}", "...") }}}}',
            )


def _backfills(bench: Bench, draft: Draft) -> None:
    """A step of an arm cannot be sent to those who are past it: they may have taken another arm."""
    for node in sequence(draft.campaign).nodes.values():
        if isinstance(node.step.action, Mail) and node.step.action.backfill and node.depth:
            said = "inside a branch it does nothing. Move the step out of the branch, or take `backfill` away."
            bench.tell("warning", "backfill", step_path(draft, node.step.key, "backfill"), said)
        elif isinstance(node.step.action, Mail) and node.step.action.backfill and draft.campaign.on_edit == "pin":
            said = "with `on_edit: pin` everybody finishes on the version entered, so it does nothing."
            bench.tell("warning", "backfill", step_path(draft, node.step.key, "backfill"), said)


def _unused(bench: Bench, used: set[str]) -> None:
    for name in sorted(known_mails(bench.project.files) - used):
        first = min(mail_files(bench.project.files, name), key=lambda file: (file.language, file.variant))
        path = (f"{bench.project.places.templates}/{first.path}",)
        bench.findings.append(bench.project.sources.finding("warning", "unused", "no step sends this mail.", path))
