"""What `campaigns new` writes: a campaign of a common kind with its templates, on which `check` finds nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from rfs_mail.campaign_files.campaigns import RESERVED_IDS
from rfs_mail.campaign_files.desk import ID, as_id
from rfs_mail.campaign_files.load import Project
from rfs_mail.core.campaign import ReleaseContent
from rfs_mail.errors import UsageError
from rfs_mail.settings import Settings

Kind = Literal["series", "countdown", "broadcast"]

KINDS: Final[tuple[Kind, ...]] = ("series", "countdown", "broadcast")


@dataclass(frozen=True, slots=True)
class Starter:
    """Files to write: text by path from the working folder. The first is the campaign."""

    files: Mapping[str, str]


def new_campaign(project: Project, campaign_id: str, kind: str, *, entity: str | None = None) -> Starter:
    """
    The files of a new campaign: `series` after an event, `countdown` to a filing deadline, or one `broadcast`.

    `entity` speaks (default: the first of entities.yaml). Raises UsageError for an id that is taken or no name, for an
    unknown kind or entity, and where the entity has no topic.
    """
    if kind not in KINDS:
        raise UsageError(f'There is no kind "{kind}". Kinds: {", ".join(KINDS)}.')
    if not ID.fullmatch(campaign_id) or campaign_id in RESERVED_IDS:
        hint = as_id(campaign_id)
        advice = f" Try: {hint}" if hint and hint not in RESERVED_IDS else ""
        raise UsageError(f'"{campaign_id}" cannot be an id: a-z, 0-9 and _, from a letter on.{advice}')
    path = f"{project.places.campaigns}/{campaign_id}.yaml"
    if project.file_of(campaign_id) or path in project.texts:
        raise UsageError(f'There is a campaign "{campaign_id}" already: {project.file_of(campaign_id) or path}')
    speaker, topic = _speaker(project.content, entity)
    languages = project.content.entities[speaker].languages
    templates = project.places.templates
    body = _BODIES[kind].format(id=campaign_id, name=campaign_id.replace("_", " ").capitalize())
    head = _HEAD.format(id=campaign_id, name=campaign_id.replace("_", " ").capitalize(), entity=speaker, topic=topic)
    files = {path: head + body}
    for name, (subject, text) in _MAILS[kind].items():
        for language in languages:
            ending = "" if language == languages[0] else f".{language}"
            note = "" if language == languages[0] else f"{{# This text is still to be written in {language}. #}}\n"
            file = f"{templates}/{campaign_id}/{name}{ending}.md"
            files[file] = _MAIL.format(subject=subject, text=note + text)
    return Starter(files)


def write_starter(settings: Settings, starter: Starter) -> tuple[Path, ...]:
    """Write the files; nothing is overwritten. Raises UsageError where one is there already."""
    paths = {settings.folder / name: text for name, text in starter.files.items()}
    for path in paths:
        if path.exists():
            raise UsageError(f"{path} is there already. Choose another id, or move it away.")
    for path, text in paths.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
    return tuple(paths)


def _speaker(content: ReleaseContent, entity: str | None) -> tuple[str, str]:
    if not content.entities:
        raise UsageError("There is no entity yet. Write campaigns/entities.yaml first, or run: rfs-mail init")
    speaker = entity or next(iter(content.entities))
    if speaker not in content.entities:
        raise UsageError(f'There is no entity "{speaker}". There are: {", ".join(content.entities)}.')
    topic = next((name for name, topic in content.topics.items() if topic.entity == speaker), None)
    if topic is None:
        raise UsageError(f'The entity "{speaker}" has no topic yet. Add one to campaigns/entities.yaml.')
    return speaker, topic


_HEAD: Final = """\
# yaml-language-server: $schema=./campaign.schema.json
id: {id}
name: {name}
entity: {entity}
topic: {topic}
"""

_BODIES: Final[Mapping[str, str]] = {
    "series": """\
audience:                            # all must hold, once, at entry
  - stage in ["signed_up", "onboarded"]
entry: {{event: signup}}               # each new sign-up, from the first apply on
steps:
  - {{key: first, mail: first}}        # at once, within sending hours
  - {{key: second, at: entry + 3d @ 10:00, mail: second}}
  - key: third
    at: entry + 8d @ 10:00
    when: not clicked("second")      # only who did not follow the link
    mail: third
goal: stage >= "exploring"           # reaching it ends the series for that person
ends: entry + 30d
""",
    "countdown": """\
audience:
  - stage in ["onboarded", "exploring", "committed", "circulating"]
entry:
  per: filing_window                 # once for each window the person wants
  from: closes - 30d
  require: window.confidence >= "computed"
steps:
  - {{key: month, at: closes - 30d @ 10:00, mail: month, not_after: closes - 10d}}
  - {{key: week, at: closes - 7d @ 10:00, mail: week, not_after: closes - 3d}}
  - {{key: tomorrow, at: closes - 1d @ 09:00, mail: tomorrow, priority: deadline, not_after: closes - 3h}}
goal: filed(window)
exit:
  - when: window.status == "cancelled"
ends: closes + 1d
""",
    "broadcast": """\
audience:                            # who gets it
  - stage in ["signed_up", "onboarded", "exploring"]
entry: {{per: person, existing: all}}  # everyone who qualifies, once
send: {{rate: 25000/h}}
steps:
  - {{key: news, mail: news}}
""",
}

_MAIL: Final = """\
---
subject: "{subject}"
preheader: ""
---
Hi {{{{ given_name or "there" }}}},

{text}
"""

_MAILS: Final[Mapping[str, Mapping[str, tuple[str, str]]]] = {
    "series": {
        "first": ("Thank you for signing up", "Say here what happens next, and what the person can expect of you."),
        "second": (
            "Find the offices where you live",
            "Say here what the link is good for.\n\n[button: Look up your offices](https://www.example.org/offices)",
        ),
        "third": ("Did you find an office?", "Say it again, in other words and shorter."),
    },
    "countdown": {
        "month": (
            "{{ window.office }}: a month until filing closes",
            "Filing for {{ window.office }} closes {{ window.closes_at | office_day }}. Say here what has to be ready.",
        ),
        "week": (
            "{{ window.office }}: one week until filing closes",
            "Filing for {{ window.office }} closes {{ window.closes_at | office_day }}. Say here where the papers go.",
        ),
        "tomorrow": (
            "Tomorrow is the last day",
            "Filing for {{ window.office }} closes {{ window.closes_at | office_day }}. Say here who helps.",
        ),
    },
    "broadcast": {"news": ("Your subject here", "Say here what is new, and what you would like the person to do.")},
}
