"""The mails that come with the product: compiled, checked and rendered as people will get them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml

from rfs_mail.core.vocabulary import FUNCTIONS
from rfs_mail.render import Renderer, compile_mail, lint_mail
from rfs_mail.render.compiling import known_mails
from tests.render_samples import ADA, CALL, NOBODY, ROOT, TRACKED_URLS, context_for, read_folder

FILES = read_folder(ROOT / "templates")
CALENDAR = yaml.safe_load((ROOT / "data" / "calendar.yaml").read_text("utf-8"))
CUSTOM = yaml.safe_load((ROOT / "campaigns" / "fields.yaml").read_text("utf-8"))
CAMPAIGNS = [
    campaign
    for path in sorted((ROOT / "campaigns").glob("*.yaml"))
    if "steps" in (campaign := yaml.load(path.read_text("utf-8"), Loader=yaml.BaseLoader) or {}) and "id" in campaign
]
MAILS = sorted(known_mails(FILES))


def _answers(name: str) -> list[str]:
    found: list[str] = []

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            if isinstance(node.get("mail"), str) and isinstance(node.get("answers"), dict):
                found.extend(node["answers"])
            for inner in node.values():
                walk(inner)
        elif isinstance(node, list):
            for inner in node:
                walk(inner)

    walk([campaign for campaign in CAMPAIGNS if campaign["id"] == name.partition("/")[0]])
    return found


def _per_window(name: str) -> bool:
    campaign = next((each for each in CAMPAIGNS if each["id"] == name.partition("/")[0]), None)
    return campaign is None or campaign.get("entry", {}).get("per") == "filing_window"


@pytest.mark.parametrize("name", MAILS)
def test_a_shipped_mail_has_no_findings(name: str) -> None:
    """Neither errors nor warnings."""
    found = lint_mail(
        FILES,
        name,
        languages=("en", "es"),
        answers=_answers(name),
        calendar=CALENDAR,
        windows=_per_window(name),
        custom=CUSTOM,
    )
    assert [str(finding) for finding in found] == []


@pytest.mark.parametrize("name", MAILS)
@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize("person", [ADA, NOBODY], ids=["ada", "nobody"])
def test_a_shipped_mail_renders_for_everybody(name: str, language: str, person: dict[str, object]) -> None:
    """With and without values, with and without dates, never with a hole in it."""
    source = compile_mail(FILES, name, language=language, answers=_answers(name))
    for calendar in (dict.fromkeys(CALENDAR, CALL), dict.fromkeys(CALENDAR)):
        mail = Renderer().render(source, context_for(person, language=language, calendar=calendar, urls=TRACKED_URLS))
        assert mail.subject
        assert TRACKED_URLS.unsubscribe in mail.html
        assert TRACKED_URLS.unsubscribe in mail.text
        for part in (mail.subject, mail.preheader, mail.html, mail.text):
            assert "{{" not in part


def _expressions(node: Any) -> list[str]:
    found: list[str] = []
    if isinstance(node, dict):
        for key, value in node.items():
            if key in {"audience", "exclude", "when", "goal", "exit", "while", "wait_for", "require"}:
                values = value if isinstance(value, list) else [value]
                found += [each for each in values if isinstance(each, str)]
            found += _expressions(value)
    elif isinstance(node, list):
        for value in node:
            found += _expressions(value)
    return found


EXPRESSIONS = sorted(set(_expressions(CAMPAIGNS)))


@pytest.mark.parametrize("expression", EXPRESSIONS)
@pytest.mark.parametrize("person", [ADA, NOBODY], ids=["ada", "nobody"])
def test_a_shipped_expression_can_stand_in_a_template(expression: str, person: dict[str, object]) -> None:
    """One language in campaigns and templates; the facts behind its functions are given by the caller."""
    now = datetime(2026, 12, 1, tzinfo=UTC)
    facts: dict[str, Any] = {name: lambda *args, **kwargs: False for name in FUNCTIONS if name != "topic"}
    facts |= {"mails": lambda **kwargs: 7, "age": lambda at: now - at if at else timedelta()}
    context = context_for(person, facts=facts) | {"entry": now, "today": now.date()}
    said = Renderer().render_text(f"{{% if {expression} %}}yes{{% else %}}no{{% endif %}}", context, path="x")
    assert said in {"yes", "no"}
