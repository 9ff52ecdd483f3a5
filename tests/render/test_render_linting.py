"""What `check` says about templates."""

import pytest

from rfs_mail.core.findings import Finding
from rfs_mail.render import lint_layouts, lint_mail
from tests.render_samples import DEMO, LAYOUT, files_with

NAMES = {"calendar": ["intro_call"], "windows": True, "custom": ["pronouns"], "answers": ["filed"]}


def _codes(body: str, subject: str = "Hello", **more: str) -> list[str]:
    found = lint_mail(files_with(body, subject=subject, **more), "demo/mail", **NAMES)  # type: ignore[arg-type]
    return [finding.code for finding in found]


def test_a_finding_reads_as_a_place_and_a_sentence() -> None:
    """`path:line:column  message`, so that a terminal makes a link of it."""
    finding = Finding("templates/a.md", 3, 7, "error", "http", "Write: https://")
    assert str(finding) == "templates/a.md:3:7  Write: https://"
    assert finding < Finding("templates/a.md", 10, 1, "error", "http", "x")


def test_a_sound_mail_has_no_findings() -> None:
    """In both languages, with variant, table, loop, partial and answers."""
    assert lint_mail(DEMO, "demo/full", languages=("en", "es"), answers=["filed"], windows=True) == ()


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("Hi\n{{ given_nmae }}", "5:4  Nothing is called given_nmae. Did you mean given_name?"),
        ("Hi {{ given_name }}", '4:7  given_name may be missing. Write: {{ given_name or "..." }}'),
        ("Hi {{ given_name | title }}", '4:7  given_name may be missing. Write: {{ given_name or "..." }}'),
        ('{{ "a" ~ person.zip }}', '4:17  person.zip may be missing. Write: {{ person.zip or "..." }}'),
        ("{{ custom.pronouns }}", '4:11  custom.pronouns may be missing. Write: {{ custom.pronouns or "..." }}'),
        ('{{ custom.pronoun or "" }}', "4:11  custom has no pronoun. Did you mean pronouns?"),
        ("{{ entity.nam }}", "4:11  entity has no nam. Did you mean name?"),
        ("{{ window.ofice }}", "4:11  window has no ofice. Did you mean office?"),
        ('{{ state or "" | uper }}', "4:18  There is no filter uper. Did you mean upper?"),
        ("{{ entity.name | safe }}", "4:18  There is no filter safe."),
        (
            "{{ signed_up_at }}",
            "4:4  signed_up_at needs a filter that says it. Write: {{ signed_up_at | day }}, or | day_and_time",
        ),
        ('{{ answer("filled", "x") }}', '4:12  The step declares no answer "filled". Did you mean filed?'),
        ("{% if stage = 'filed' %}x{% endif %}", '4:1  "=" compares nothing. Write: =='),
        ("{% if stage is filed %}x{% endif %}", '4:16  filed needs quotes. Write: stage == "filed"'),
        ('{% if stage == "onborded" %}x{% endif %}', '4:17  No stage "onborded"; nearest: "onboarded"'),
        ("a\n\n{% if state %}\nb", "6:1  A if tag has no end. Write: endif"),
        ("{{ state && zip }}", "4:1  Write: and"),
        (
            "[here](https://a.example.org)",
            '4:2  "here" does not say where the link goes. Write what the reader finds there',
        ),
        ("a [list](http://a.example.org)", "4:10  The address is not encrypted. Write: https://"),
        ("[list](www.example.org)", "4:8  www.example.org is no address to go to. Write it whole: https://..."),
        (
            "![](https://a.example.org/x.png)",
            "4:1  The image has no description for those who do not see it. Write: ![what it shows](https://...)",
        ),
        ('a\n{% include "no.md" %}', "5:1  There is no no.md in the templates folder."),
    ],
)  # fmt: skip
def test_a_mistake_is_shown_with_its_place_and_its_remedy(body: str, expected: str) -> None:
    """One mistake, one finding, at the word itself."""
    found = lint_mail(files_with(body), "demo/mail", **NAMES)  # type: ignore[arg-type]
    assert [str(finding) for finding in found] == [f"templates/demo/mail.md:{expected}"]


@pytest.mark.parametrize(
    "body",
    [
        '{{ given_name or "there" }}',
        '{{ given_name | default("there") }}',
        "{% if given_name %}Hi {{ given_name }}{% endif %}",
        "{% if not given_name %}Hi{% else %}Hi {{ given_name }}{% endif %}",
        "{% if given_name is none %}Hi{% elif zip %}{{ given_name }} {{ zip }}{% endif %}",
        "{% if given_name and state %}{{ given_name }} {{ state }}{% endif %}",
        '{% if state in ["WI", "MN"] %}{{ state }}{% endif %}',
        '{{ ("Hi " ~ given_name) if given_name else "Hi" }}',
        "{% if given_name is not none %}{{ given_name | title }}{% endif %}",
        "{% if intro_call %}{{ intro_call.starts | day }}{% endif %}",
        "{{ stage }} {{ signed_up_at | day }} {{ entity.postal_address }}",
        "{% for w in windows %}{{ w.office }}{% endfor %}",
        "{% set place = county or 'here' %}{{ place }}",
    ],
)
def test_a_value_that_is_looked_after_is_no_finding(body: str) -> None:
    """A fallback, or a condition around it."""
    assert _codes(body) == []


@pytest.mark.parametrize(
    "body",
    [
        "{% if given_name or state %}{{ given_name }}{% endif %}",
        "{% if given_name != 'x' %}{{ given_name }}{% endif %}",
        "{% if not given_name %}{{ given_name }}{% endif %}",
        "{% for w in windows %}{{ given_name }}{% endfor %}",
    ],
)
def test_a_condition_that_does_not_ask_for_it_does_not_help(body: str) -> None:
    """`or`, `!=` and `not` leave the value possibly missing."""
    assert _codes(body) == ["no-fallback"]


def test_what_a_step_may_ask_for_itself_is_a_warning() -> None:
    """A milestone or an occurrence can be asked for in the step's `when`."""
    found = lint_mail(files_with("{{ intro_call.starts | day }} {{ window.petition_due | day }}"), "demo/mail", **NAMES)  # type: ignore[arg-type]
    assert [(finding.code, finding.severity) for finding in found] == [("no-fallback", "warning")] * 2


def test_window_names_exist_only_in_window_campaigns() -> None:
    """Elsewhere they are unknown."""
    found = lint_mail(files_with("{{ window.office }}"), "demo/mail", windows=False)
    assert [finding.code for finding in found] == ["unknown-name"]


@pytest.mark.parametrize(
    ("head", "code"),
    [
        ("preheader: x", "no-subject"),
        ('subject: ""', "no-subject"),
        ("subject: a\nsubjct: b", "front-matter"),
        ("subject: a\nsubject: b", "front-matter"),
        ("subject: a\nnonsense", "front-matter"),
        ('subject: "{{ given_name }}"', "no-fallback"),
        ('subject: a\npreheader: "{{ nothing }}"', "unknown-name"),
    ],
)
def test_the_head_is_checked_too(head: str, code: str) -> None:
    """Keys, quotes, a subject at all, and the tags in them."""
    found = lint_mail(LAYOUT | {"demo/mail.md": f"---\n{head}\n---\nx"}, "demo/mail")
    assert [finding.code for finding in found] == [code]


def test_a_place_in_the_head_is_the_place_in_the_file() -> None:
    """Inside the quotes."""
    files = LAYOUT | {"demo/mail.md": '---\npreheader: a\nsubject: "{{ given_nmae }}"\n---\nx'}
    assert [(finding.line, finding.column) for finding in lint_mail(files, "demo/mail")] == [(3, 14)]


def test_a_partial_is_checked_under_its_own_name() -> None:
    """Its findings name the partial; it may use a loop of the mail."""
    files = files_with(
        '{% for w in windows %}\n{% include "partials/w.md" %}\n{% endfor %}',
        **{"partials/w.md": "{{ w.office }}\n{{ given_nmae }}"},
    )
    found = lint_mail(files, "demo/mail", windows=True)
    assert [(finding.path, finding.line, finding.code) for finding in found] == [
        ("templates/partials/w.md", 2, "unknown-name")
    ]


def test_a_template_that_is_not_there_is_found() -> None:
    """With the nearest name."""
    found = lint_mail(files_with("x"), "demo/male")
    assert [finding.code for finding in found] == ["missing-template"]
    assert "Did you mean demo/mail?" in found[0].message


def test_missing_languages_and_variants_are_found() -> None:
    """Fallbacks work, so they are warnings; a variant that nobody wrote is an error."""
    files = files_with("x", subject="a\nsubject.urgent: b") | {"demo/mail.es.md": "---\nsubject: c\n---\ny"}
    found = lint_mail(files, "demo/mail", languages=("en", "es", "fr"), variants=["plain", "urgent", "calm"])
    assert [(finding.code, finding.severity) for finding in found] == [
        ("missing-variant", "error"),
        ("missing-variant", "warning"),
        ("no-translation", "warning"),
    ]


@pytest.mark.parametrize(("size", "expected"), [(50_000, []), (90_000, ["warning"]), (120_000, ["error"])])
def test_a_mail_that_gmail_cuts_off_is_found(size: int, expected: list[str]) -> None:
    """A warning over 80 kB of HTML, an error over 100 kB."""
    found = lint_mail(files_with("word " * (size // 5)), "demo/mail")
    assert [finding.severity for finding in found] == expected


def test_hand_written_html_is_checked() -> None:
    """Links, images, names, and that there is a text part."""
    files = LAYOUT | {
        "demo/mail.html": "---\nsubject: s\n---\n"
        '<a href="http://a.example.org">Click here</a>\n<img src="x.png">{{ nothing }}'
    }
    assert {finding.code for finding in lint_mail(files, "demo/mail")} == {"http", "link-text", "alt", "unknown-name"}
    sound = LAYOUT | {"demo/mail.html": "---\nsubject: s\n---\n<p>x</p>"}
    assert [finding.message for finding in lint_mail(sound, "demo/mail")] == [
        "demo/mail.html has no text part. Write demo/mail.txt, or write the mail as Markdown."
    ]


def test_the_shipped_layouts_have_no_findings() -> None:
    """In both languages."""
    assert lint_layouts(LAYOUT, languages=("en", "es")) == ()


def test_a_layout_that_leaves_out_what_must_be_there_is_an_error() -> None:
    """Unsubscribe, postal address and disclaimer, in HTML and in text; words in every language."""
    files = LAYOUT | {"_layout.txt": "{{ body }} {{ words.hello }} {{ unsubscribe_url }}"}
    found = lint_layouts(files, languages=("en", "es"))
    assert [(finding.path, finding.code, finding.severity) for finding in found] == [
        ("templates/_layout.txt", "missing-word", "error"),
        ("templates/_layout.txt", "no-footer", "error"),
        ("templates/_layout.txt", "no-footer", "error"),
        ("templates/_layout.txt", "missing-word", "warning"),
    ]
    assert {finding.code for finding in lint_layouts({})} == {"missing-layout"}


def test_a_target_that_is_a_value_may_be_written_with_spaces():
    """A link to `{{ window.source }}` is an address to go to, however the tag is spaced."""
    files = {"a/b.md": '---\nsubject: "Hello there"\n---\nRead [the notice]({{ window.source }}).\n'}
    findings = lint_mail(files, "a/b", languages=("en",), default_language="en", windows=True)
    assert [] == [finding for finding in findings if finding.code == "address"]


@pytest.mark.parametrize("mark", ["{# placeholder #}", "{#- placeholder: the second half -#}"])
def test_a_placeholder_is_refused(mark: str) -> None:
    """Text that is marked as still to be written is an error at its place; the word itself is not."""
    files = files_with(f"A placeholder is a word.\n\n{mark}\nSay here what is new.")
    assert [("placeholder", "error", 6)] == [
        (finding.code, finding.severity, finding.line) for finding in lint_mail(files, "demo/mail")
    ]
