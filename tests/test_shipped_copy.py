"""
What `rfs-mail init` lays down: campaigns, their mails in each language, and the sample data.

Subjects are measured with the widest values their dates and names can take.
"""

import csv
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from jinja2 import ChainableUndefined, Environment, nodes

from rfs_mail.core.office_words import read_offices
from rfs_mail.core.send_hours import DEFAULT_RULES, SendRules, parse_days, parse_rate, parse_send_hours
from rfs_mail.core.times import TimeNames, parse_time

ROOT = Path(__file__).parents[1]
PARTIALS = ROOT / "templates" / "partials"
TEMPLATES = sorted(path for path in (ROOT / "templates").glob("*/*.md") if path.parent != PARTIALS)
LANGUAGES = ("en", "es")
SUBJECT_LIMIT = 60
PREHEADER_LIMIT = 90


def _yaml(path: Path) -> Any:
    return yaml.load(path.read_text("utf-8"), Loader=yaml.BaseLoader)


CAMPAIGNS: dict[str, Any] = {
    found["id"]: found
    for path in sorted((ROOT / "campaigns").glob("*.yaml"))
    if "steps" in (found := _yaml(path) or {}) and "id" in found
}
ENTITIES = _yaml(ROOT / "campaigns" / "entities.yaml")
CALENDAR = _yaml(ROOT / "data" / "calendar.yaml")
OPTIONAL = {"given_name", "family_name", "state", "county", "zip", "birth_year", "runs_before", "custom"} | set(
    CALENDAR
)

WIDEST = {
    "en": {"day": "Wednesday, September 30", "day_and_time": "Wednesday, September 30 at 12:30 pm Arizona time"},
    "es": {
        "day": "miércoles 30 de septiembre",
        "day_and_time": "miércoles 30 de septiembre a las 12:30 p. m., hora de la Montaña",
    },
}
"""What the date filters print at their longest, by language."""


def _name(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def _language(path: Path) -> str:
    last = path.stem.rpartition(".")[2]
    return last if last in LANGUAGES else "en"


def _english(path: Path) -> Path:
    return path.with_name(re.sub(r"\.es\.md$", ".md", path.name))


def _read(path: Path) -> tuple[dict[str, str], str]:
    """Front matter, and the body with its partials in it."""
    _, front, body = path.read_text("utf-8").split("---\n", 2)

    def partial(match: re.Match[str]) -> str:
        name = match[1] if _language(path) == "en" else match[1].replace(".md", f".{_language(path)}.md")
        return (ROOT / "templates" / name).read_text("utf-8")

    return yaml.load(front, Loader=yaml.BaseLoader), re.sub(r'\{% include "([^"]+)" %\}\n', partial, body)


def _environment(language: str) -> Environment:
    """Jinja with every date filter at its widest; other filters print their name."""
    environment = Environment(undefined=ChainableUndefined, autoescape=False)  # plain text is measured, nothing is sent
    for name in ("clock", "office_time", "office_day", "soon", "office_soon", *WIDEST["en"]):
        environment.filters[name] = lambda value, wide=WIDEST[language].get(name, WIDEST[language]["day"]): wide
    for name in ("left", "office_left", "days"):
        environment.filters[name] = lambda value: {"en": "in 45 days", "es": "en 45 días"}[language]
    return environment


def _widest(source: str, language: str, *, known: bool) -> str:
    today = date(2026, 11, 30)
    values: Mapping[str, object] = {"entity": {"name": "Run for Something Civics"}, "sent_on": today}
    if known:
        dates = {name: {"starts": today, "day": today + timedelta(days=1)} for name in CALENDAR}
        values = {**values, "given_name": "Christopher", "state": "WI", **dates}
    return _environment(language).from_string(source).render(values, answer=lambda key, label: f"[{label}]({key})")


def _prose(path: Path) -> str:
    """Everything a reader sees, without Jinja tags, addresses and marks."""
    front, body = _read(path)
    text = "\n".join([*front.values(), body])
    text = re.sub(r'\{\{\s*answer\("\w+",\s*"([^"]+)"\)\s*\}\}', r"\1", text)
    text = re.sub(r"\{%.*?%\}|\{\{.*?\}\}", " ", text, flags=re.S)
    return re.sub(r"\]\([^)]*\)", "]", text)


def _targets(body: str) -> Counter[str]:
    return Counter(re.findall(r"\]\(((?:[^(){}]|\{\{.*?\}\})+)\)", body))


def _answers(body: str) -> Counter[str]:
    return Counter(re.findall(r'answer\(\s*"(\w+)"', body))


def _mails(campaign: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Every mail step, arms of branches included."""

    def walk(steps: list[dict[str, Any]]) -> Iterator[Mapping[str, Any]]:
        for step in steps:
            if "mail" in step:
                yield step
            for arm in step.get("branch", []):
                yield from walk(arm["steps"])
            yield from walk(step.get("else", []))

    return walk(campaign["steps"])


def _files_of(campaign: Mapping[str, Any], mail: Mapping[str, Any]) -> Iterator[tuple[str, Path]]:
    folder, _, name = str(mail["mail"]).rpartition("/")
    for language in campaign.get("languages") or ENTITIES["entities"][campaign["entity"]]["languages"]:
        suffix = "" if language == "en" else f".{language}"
        yield language, ROOT / "templates" / (folder or campaign["id"]) / f"{name}{suffix}.md"


def _sent_by(*campaigns: Mapping[str, Any]) -> set[Path]:
    return {file for campaign in campaigns for mail in _mails(campaign) for _, file in _files_of(campaign, mail)}


OF_THE_C3 = _sent_by(*(each for each in CAMPAIGNS.values() if each["entity"] == "rfs_civics"))
WITHOUT_A_WINDOW = _sent_by(*(each for each in CAMPAIGNS.values() if each["entry"].get("per") != "filing_window"))


def _unguarded(node: nodes.Node, guarded: frozenset[str] = frozenset()) -> Iterator[str]:
    """Optional names that are printed where nothing says what stands in for a missing value."""
    if isinstance(node, nodes.If | nodes.CondExpr):
        inside = guarded | {name.name for name in node.test.find_all(nodes.Name)}
        if isinstance(node.test, nodes.Name):
            inside |= {node.test.name}
        otherwise: list[nodes.Node] = []
        then: list[nodes.Node] = []
        if isinstance(node, nodes.If):
            then, otherwise = node.body, [*node.elif_, *node.else_]
        else:
            then, otherwise = [node.expr1], [node.expr2] if node.expr2 else []
        for child in then:
            yield from _unguarded(child, inside)
        for child in otherwise:
            yield from _unguarded(child, guarded)
    elif isinstance(node, nodes.Or):
        yield from _unguarded(node.left, guarded | OPTIONAL)
        yield from _unguarded(node.right, guarded)
    elif isinstance(node, nodes.Name):
        if node.name in OPTIONAL - guarded:
            yield node.name
    else:
        for child in node.iter_child_nodes():
            yield from _unguarded(child, guarded)


@pytest.mark.parametrize("path", TEMPLATES, ids=_name)
def test_subject_and_preheader_fit(path: Path) -> None:
    """Every mail has a subject and a preheader that fit on a phone, with every value known and with none."""
    front, _ = _read(path)
    assert {"subject", "preheader"} <= set(front)
    for key, source in front.items():
        limit = PREHEADER_LIMIT if key.startswith("preheader") else SUBJECT_LIMIT
        for known in (True, False):
            text = _widest(source, _language(path), known=known)
            assert 0 < len(text.strip()) <= limit, f"{key}: {len(text)} characters: {text}"
            assert "  " not in text


@pytest.mark.parametrize("path", [path for path in TEMPLATES if _language(path) != "en"], ids=_name)
def test_a_translation_offers_the_same(path: Path) -> None:
    """A translated mail has the links, answers, subject variants and conditions of the English one."""
    (front, body), (english_front, english_body) = _read(path), _read(_english(path))
    assert _targets(body) == _targets(english_body)
    assert _answers(body) == _answers(english_body)
    assert set(front) == set(english_front)
    assert body != english_body


@pytest.mark.parametrize("path", TEMPLATES, ids=_name)
def test_links_are_honest(path: Path) -> None:
    """Links are https at sample hosts, go out under words that say where, and a mail asks for one thing."""
    front, body = _read(path)
    text = "\n".join([*front.values(), body])
    assert "http://" not in text
    assert re.findall(r"click here|clic aquí|pincha aquí|haz clic", text, re.I) == []
    targets = _targets(body)
    assert all(re.match(r"https://(?:\w+\.)?example\.org/", url) or url.startswith("{{") for url in targets)
    assert len(re.findall(r"\[button:", body)) + bool(_answers(body)) == 1


@pytest.mark.parametrize("path", TEMPLATES, ids=_name)
def test_optional_values_have_a_fallback(path: Path) -> None:
    """Whatever we may not know about somebody is printed only where the mail says what stands in for it."""
    front, body = _read(path)
    for source in [*front.values(), body]:
        assert list(_unguarded(Environment().parse(source))) == []


@pytest.mark.parametrize("path", TEMPLATES, ids=_name)
def test_a_mail_is_short(path: Path) -> None:
    """A mail is read in a minute: 80 to 180 words as sent, up to 200 in Spanish, which needs more of them."""
    sent = _widest(_read(path)[1], _language(path), known=True)
    words = len(re.findall(r"[\w'’]+", re.sub(r"\]\([^)]*\)", "]", sent)))
    assert 80 <= words <= (180 if _language(path) == "en" else 200), words


@pytest.mark.parametrize("path", TEMPLATES, ids=_name)
def test_nobody_is_given_a_gender(path: Path) -> None:
    """No mail takes its reader to be a man or a woman."""
    said = {
        "en": r"\b(?:he|she|him|his|hers?|sir|madam|guys|ladies)\b",
        "es": r"\b(?:candidat[oa]s?|bienvenid[oa]s?|inscrit[oa]s?|interesad[oa]s?|list[oa] para|segur[oa] de|"
        r"tod[oa]s (?:ustedes|ellos|ellas)|amig[oa]s?|vecin[oa]s?|querid[oa]|sol[oa]s)\b",
    }
    assert re.findall(said[_language(path)], _prose(path), re.I) == []


@pytest.mark.parametrize("path", [path for path in TEMPLATES if path in OF_THE_C3], ids=_name)
def test_the_c3_takes_no_side(path: Path) -> None:
    """Mail of a 501(c)(3) names no party, no candidate and no side of an election."""
    sides = (
        r"democra|republic|progres|conserva|liberal|socialis|left[- ]wing|right[- ]wing|candida|endors|respald|"
        r"vote for|vote against|vot[aeo] por|vot[aeo] contra|elect\b|partid[oa]|\bparty\b|trump|biden|maga\b|"
        r"red state|blue state|\bwon\b|\blost\b|ganó|perdió"
    )
    assert re.findall(sides, _prose(path), re.I) == []
    assert not any("www.example.org" in target for target in _targets(_read(path)[1]))


@pytest.mark.parametrize("path", [path for path in TEMPLATES if path in WITHOUT_A_WINDOW], ids=_name)
def test_no_bare_file_without_a_window(path: Path) -> None:
    """A mail that does not know the state's word does not say file: in five states one qualifies instead."""
    assert re.findall(r"\bfil(?:e|es|ed|ing)\b", _prose(path), re.I) == []


@pytest.mark.parametrize("path", TEMPLATES, ids=_name)
def test_every_template_is_sent_by_somebody(path: Path) -> None:
    """No template lies about that no campaign sends."""
    sent = _sent_by(*CAMPAIGNS.values())
    body_variant = path.with_name(re.sub(r"^([^.]+)\.(?!es\.md|md)\w+", r"\1", path.name))
    assert path in sent or body_variant in sent


@pytest.mark.parametrize("campaign", CAMPAIGNS.values(), ids=list(CAMPAIGNS))
def test_every_mail_of_a_campaign_is_written(campaign: Mapping[str, Any]) -> None:
    """Every mail step has its template in each language, with the subjects and answers that the step names."""
    for mail in _mails(campaign):
        for language, path in _files_of(campaign, mail):
            assert path.is_file(), f"{campaign['id']}.{mail['key']} has no {language} template"
            front, body = _read(path)
            if "subject" in mail:
                assert f"subject.{mail['subject']}" in front
            assert set(_answers(body)) == set(mail.get("answers", {}))


@pytest.mark.parametrize("campaign", CAMPAIGNS.values(), ids=list(CAMPAIGNS))
def test_a_campaign_speaks_for_an_entity_on_its_topic(campaign: Mapping[str, Any]) -> None:
    """Entity and topic of a campaign exist, and the topic is that entity's own."""
    assert campaign["entity"] in ENTITIES["entities"]
    assert ENTITIES["topics"][campaign["topic"]]["entity"] == campaign["entity"]


def _times(value: Any, key: str = "") -> Iterator[str]:
    """Every time that is written in a campaign, by the keys that hold times."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _times(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from _times(inner)
    elif key in ("at", "from", "to", "until", "not_after", "ends"):
        yield value


@pytest.mark.parametrize("campaign", CAMPAIGNS.values(), ids=list(CAMPAIGNS))
def test_times_of_a_campaign_can_be_read(campaign: Mapping[str, Any]) -> None:
    """Every time is in our grammar, with anchors that the calendar or a window knows."""
    names = TimeNames.of(calendar=CALENDAR)
    times = list(_times(campaign))
    assert times
    for text in times:
        read = parse_time(text, names=names)
        assert not read.needs_window or campaign["entry"].get("per") == "filing_window"
    if "rate" in campaign.get("send", {}):
        assert parse_rate(campaign["send"]["rate"]).count > 0


def test_defaults_say_what_the_product_does_unsaid() -> None:
    """The defaults file spells the built-in days and hours out, so that a director sees what to change."""
    send = _yaml(ROOT / "campaigns" / "_defaults.yaml")["send"]
    assert SendRules(parse_days(send["days"]), parse_send_hours(send["hours"])) == DEFAULT_RULES


def test_entities_speak_each_of_their_languages() -> None:
    """Disclaimers and public topic names exist in every language of their entity."""
    for entity in ENTITIES["entities"].values():
        assert set(entity["disclaimer"]) == set(entity["languages"])
        assert set(entity["partners"]) <= set(ENTITIES["entities"])
    for topic in ENTITIES["topics"].values():
        languages = set(ENTITIES["entities"][topic["entity"]]["languages"])
        assert set(topic["name"]) == set(topic["about"]) == languages


def test_calendar_occurrences_are_in_order_under_unique_keys() -> None:
    """Keys carry the name of their calendar, are unique, and go with dates that rise."""
    keys = [occurrence["key"] for calendar in CALENDAR.values() for occurrence in calendar["occurrences"]]
    assert len(keys) == len(set(keys))
    for name, calendar in CALENDAR.items():
        assert all(occurrence["key"].startswith(f"{name}-") for occurrence in calendar["occurrences"])
        days = [date.fromisoformat(occurrence["date"]) for occurrence in calendar["occurrences"]]
        assert all(earlier < later for earlier, later in pairwise(days))


def test_run_for_office_day_is_a_week_after_election_day() -> None:
    """The default of National Run for Office Day is Election Day, the Tuesday after the first Monday, and 7 days."""

    def days(name: str) -> dict[int, date]:
        found = [date.fromisoformat(occurrence["date"]) for occurrence in CALENDAR[name]["occurrences"]]
        return {day.year: day for day in found}

    for day in days("election_day").values():
        assert (day.month, day.weekday()) == (11, 1)
        assert 2 <= day.day <= 8
    for year, day in days("nrfod").items():
        assert day == days("election_day")[year] + timedelta(days=7)


def test_sample_sign_ups_have_the_traps_of_a_real_file() -> None:
    """The sample file holds sample addresses only, a duplicate, a missing and a mistyped address, and a cut ZIP."""
    with (ROOT / "data" / "signups_example.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    columns = "email first_name last_name zip state language birth_year signed_up_at source_note office_interest"
    assert list(rows[0]) == columns.split()
    assert len(rows) == 25
    written = [row["email"] for row in rows if row["email"]]
    assert len(written) == 24
    assert len(set(written)) == 24
    assert len({address.lower() for address in written}) == 23
    assert [address for address in written if not re.search(r"@example\.(?:org|com)$", address, re.I)] == [
        "jin.park@example.con"
    ]
    assert [row["zip"] for row in rows if len(row["zip"]) != 5] == ["2139"]
    said = {row["office_interest"]: read_offices(row["office_interest"]) for row in rows if row["office_interest"]}
    assert ["Senate"] == [text for text, read in said.items() if read.unread]
    assert ["Milwaukee school board"] == [text for text, read in said.items() if read.among_words]
    wanting = {row["state"] for row in rows if row["office_interest"] and said[row["office_interest"]].levels}
    assert {"WI", "TX", "MS"} <= wanting
