"""Every condition: names, types, the place it stands in; and the corrections that cannot change what was meant."""

from collections.abc import Collection, Iterator
from dataclasses import replace

from rfs_mail.campaign_files.campaigns import Draft
from rfs_mail.campaign_files.desk import Trail
from rfs_mail.campaign_files.nodes import Scalar
from rfs_mail.core.campaign import Campaign, Mail
from rfs_mail.core.expression import check_fix, parse
from rfs_mail.core.script import vocabulary
from rfs_mail.core.vocabulary import Vocabulary
from rfs_mail.engine.checking.bench import Bench
from rfs_mail.errors import ExpressionError

AT_ENTRY = frozenset({"audience", "exclude", "entry"})
"""Where conditions stand that are asked before there is an enrollment."""


def check_expressions(bench: Bench) -> None:
    """Parse every condition in the vocabulary of its place."""
    for path, scalar, words in placed(bench):
        try:
            parse(scalar.value, words)
        except ExpressionError as error:
            bench.tell("error", "expression", path, str(error), line=error.line, column=error.column)


def fixes(bench: Bench) -> Iterator[tuple[Scalar, str]]:
    """The conditions that can be mended without a question, and their new text."""
    for _path, scalar, words in placed(bench):
        fixed = check_fix(scalar.value, words)
        if fixed is not None:
            yield scalar, fixed


def placed(bench: Bench) -> Iterator[tuple[Trail, Scalar, Vocabulary]]:
    """Every condition of every file with the names it may use."""
    project = bench.project
    outside = replace(vocabulary(None, project.content, _steps(bench), in_enrollment=False), answers=_answers(bench))
    drafts = {draft.path: draft for draft in project.drafts}
    known: dict[tuple[str, bool], Vocabulary] = {}
    for path, scalar in project.sources.expressions.items():
        draft = drafts.get(str(path[0]))
        if draft is None:
            yield path, scalar, outside
            continue
        in_enrollment = path[1] not in AT_ENTRY
        key = (draft.path, in_enrollment)
        if key not in known:
            known[key] = _vocabulary(bench, draft, in_enrollment)
        yield path, scalar, known[key]


def _vocabulary(bench: Bench, draft: Draft, in_enrollment: bool) -> Vocabulary:
    words = vocabulary(draft.campaign, bench.project.content, _steps(bench), in_enrollment=in_enrollment)
    return replace(
        words,
        # A step that is broken itself is no reason to call its name unknown.
        steps=tuple(dict.fromkeys((*words.steps, *draft.step_keys))),
        answers=_answers(bench) | _answers_of(draft.campaign, ""),
        was={step.key: step.was for step in draft.campaign.walk() if step.was},
    )


def _steps(bench: Bench) -> dict[str, tuple[str, ...]]:
    """Campaign id -> its step keys, as far as they are known."""
    return {draft.campaign.id: draft.step_keys for draft in reversed(bench.project.drafts) if draft.campaign.id}


def _answers(bench: Bench) -> dict[str, Collection[str]]:
    found: dict[str, Collection[str]] = {}
    for name, campaign in bench.campaigns.items():
        found |= _answers_of(campaign, f"{name}/")
    return found


def _answers_of(campaign: Campaign, prefix: str) -> dict[str, Collection[str]]:
    return {prefix + step.key: tuple(step.action.answers) for step in campaign.walk() if isinstance(step.action, Mail)}
