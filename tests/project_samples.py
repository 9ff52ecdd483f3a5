"""Working folders with campaign files that several tests share."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from rfs_mail.campaign_files.load import Project, load_project
from rfs_mail.settings import Settings

ROOT = Path(__file__).parents[1]

ENTITIES = """\
entities:
  rfs:
    name: Run for Something
    tax_status: c4
    from_name: Run for Something
    from_address: hello@rfs.example.org
    list_domain: rfs.example.org
    bounce_domain: bounces.rfs.example.org
    postal_address: 100 Example Street, Washington, DC 20001
    disclaimer: {en: Paid for by Run for Something., es: Pagado por Run for Something.}
    languages: [en, es]
  rfs_civics:
    name: Civics
    tax_status: c3
    from_name: Civics
    from_address: hello@civics.example.org
    list_domain: civics.example.org
    bounce_domain: bounces.civics.example.org
    postal_address: 100 Example Street, Washington, DC 20001
    languages: [en]
topics:
  running: {entity: rfs, name: {en: Steps toward running, es: Pasos}}
  deadlines: {entity: rfs, name: {en: Ballot deadlines, es: Fechas}}
  day: {entity: rfs_civics, name: {en: The day}}
"""

CALENDAR = """\
intro_call:
  zone: America/New_York
  occurrences:
    - {key: intro_call-2026-12, date: 2026-12-08, time: 19:00}
nrfod:
  zone: America/New_York
  occurrences:
    - {key: nrfod-2027, date: 2027-11-09}
"""

FIELDS = """\
office_interest: {type: choice, values: [school_board, council]}
call_date: {type: date}
hours_a_week: {type: number}
"""

SEGMENTS = """\
wisconsin: state == "WI"
ready: {about: Ready., where: segment("wisconsin") and stage >= "committed"}
"""

WELCOME = """\
id: welcome
entity: rfs
topic: running
audience:
  - stage in ["signed_up", "onboarded"]
entry: {event: signup}
steps:
  - {key: hello, mail: hello}
  - {key: offices, at: entry + 2d @ 10:00, mail: offices}
goal: stage >= "exploring"
ends: entry + 60d
"""

COUNTDOWN = """\
id: filing_countdown
entity: rfs
topic: deadlines
languages: [en, es]
audience:
  - stage in ["onboarded", "exploring", "committed", "circulating"]
entry:
  per: filing_window
  from: closes - 45d
  require: window.confidence >= "computed"
steps:
  - {key: gather, at: closes - 45d @ 10:00, mail: gather, not_after: closes - 31d}
  - key: route
    at: closes - 30d @ 10:00
    branch:
      - when: window.petition_due is not none
        steps: [{key: signatures, mail: signatures, not_after: petition_due - 7d}]
    else: [{key: fee, mail: fee, not_after: closes - 15d}]
  - key: call_them
    at: closes - 14d
    when: stage == "committed"
    task: {title: "Call {{ given_name }}: {{ window.office }}", for: region, due: 2d}
  - {key: t7, at: closes - 7d @ 10:00, mail: t7, not_after: closes - 4d}
  - key: t3
    at: closes - 3d @ 10:00
    mail: t3
    variants: {plain: 1, urgent: 1}
    priority: deadline
    not_after: closes - 30h
  - {key: t1, at: closes - 1d @ 09:00, mail: t1, priority: deadline, not_after: closes - 3h}
  - key: did_you
    at: closes + 1d @ 10:00
    mail: did_you
    cap: exempt
    answers:
      filed: {set: {stage: filed}}
      need_help: {task: {title: "{{ given_name }} did not file: ask why", for: region}}
      not_this_time: {set: {stage: not_now}}
goal: filed(window)
exit:
  - when: window.status == "cancelled"
ends: closes + 3d
"""

PLAIN_MAIL = "---\nsubject: A subject\n---\nA line.\n"

WELCOME_MAILS = {
    f"welcome/{name}{language}.md": PLAIN_MAIL for name in ("hello", "offices") for language in ("", ".es")
}

COUNTDOWN_MAILS = {
    f"filing_countdown/{name}{language}.md": PLAIN_MAIL
    for name in ("gather", "signatures", "fee", "t7", "t1")
    for language in ("", ".es")
} | {
    f"filing_countdown/{name}{language}.md": text
    for language in ("", ".es")
    for name, text in (
        ("t3", '---\nsubject: Three days\nsubject.urgent: "Friday, then it is closed"\n---\nA line.\n'),
        (
            "did_you",
            "---\nsubject: Did you?\n---\n"
            + "\n\n".join(f'{{{{ answer("{key}", "Yes") }}}}' for key in ("filed", "need_help", "not_this_time"))
            + "\n",
        ),
    )
}


def make_folder(
    folder: Path,
    campaigns: Mapping[str, str] | None = None,
    mails: Mapping[str, str] | None = None,
    **files: str,
) -> Settings:
    """
    A working folder with entities, calendar, fields, segments and the shipped layout.

    `campaigns` are files by stem (default: `welcome`), `mails` templates by path; `files` replace `entities`,
    `calendar`, `fields`, `segments` or `_defaults`.
    """
    (folder / "campaigns").mkdir(parents=True, exist_ok=True)
    (folder / "data").mkdir(exist_ok=True)
    texts = {"entities": ENTITIES, "calendar": CALENDAR, "fields": FIELDS, "segments": SEGMENTS, **files}
    if campaigns is None:
        campaigns = {"welcome": WELCOME}
    if mails is None:
        mails = WELCOME_MAILS
    for name, text in {**texts, **campaigns}.items():
        place = folder / ("data" if name == "calendar" else "campaigns") / f"{name}.yaml"
        place.write_bytes(text.encode("utf-8", "surrogateescape"))
    for layout in (ROOT / "templates").glob("_layout*"):
        (folder / "templates").mkdir(exist_ok=True)
        shutil.copy(layout, folder / "templates" / layout.name)
    for name, text in mails.items():
        path = folder / "templates" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return Settings(folder=folder)


def make_project(folder: Path, campaign: str | None = None, **files: str) -> Project:
    """A project of one campaign file (default: `welcome`) and the mails of `welcome`."""
    return load_project(make_folder(folder, {"welcome": WELCOME if campaign is None else campaign}, **files))


def shipped(folder: Path) -> Settings:
    """A copy of what is shipped, to change."""
    for name in ("campaigns", "templates", "data"):
        shutil.copytree(ROOT / name, folder / name)
    return Settings(folder=folder)
