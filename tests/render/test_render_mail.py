"""One mail for one person: what she sees, and what can never happen."""

from datetime import UTC, datetime
from html.parser import HTMLParser
from zoneinfo import ZoneInfo

import pytest
from css_inline import CSSInliner
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rfs_mail.core.mail import MailSource
from rfs_mail.errors import RenderError
from rfs_mail.render import Renderer, compile_mail
from rfs_mail.render import compiling as compiling_module
from rfs_mail.render.inlining import has_rules, inline, inline_template
from tests.render_samples import (
    ADA,
    DEMO,
    ENTITY,
    NOBODY,
    PLAIN_URLS,
    TRACKED_URLS,
    body_of,
    card,
    compiled,
    context_for,
    files_with,
    rendered,
)

FULL = compile_mail(DEMO, "demo/full", language="en")
SPANISH = compile_mail(DEMO, "demo/full", language="es")
RENDERER = Renderer()


class _Page(HTMLParser):
    """The elements of a document, and all its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_mail_reads_as_written() -> None:
    """Subject, preheader, both bodies, for a person with a stage and a window."""
    mail = RENDERER.render(FULL, context_for())
    assert mail.subject == "Ada: three days left"
    assert mail.preheader == 'Two papers & a "signature"'
    assert body_of(mail.text).split("\n\n") == [
        "Hello Ada\n" + "=" * 14,
        "Read the list (https://www.example.org/list?a=1&b=WI) first.",
        "You are exploring.",
        "- one paper\n- one signature",
        "Office | Closes\nMayor | Tuesday, January 5, 5:00 pm Central",
        "Where to file: https://www.example.org/where",
        "Yes, I filed: https://m.example.org/a/TOKEN/filed",
        "See you, Run for Something.",
    ]


def test_a_person_without_values_gets_a_whole_mail() -> None:
    """No stage reached, no name, no county: fallbacks, and no exception."""
    mail = RENDERER.render(FULL, context_for(NOBODY))
    assert mail.subject == "Hello: three days left"
    assert "You are not exploring yet." in mail.text
    assert "None" not in mail.text + mail.html


def test_a_spanish_mail_is_spanish_from_end_to_end() -> None:
    """Dates, footer, disclaimer and the lang attribute follow the language of the mail."""
    mail = RENDERER.render(SPANISH, context_for(language="es"))
    assert "cierra el martes 5 de enero, 5:00 p. m. del Centro" in mail.html
    assert '<html lang="es">' in mail.html
    for part in (_Page(mail.html).text, " ".join(mail.text.split())):
        assert "Recibes este correo porque te registraste en www.example.org el 2 de noviembre de 2026." in part
        assert "Pagado por Run for Something." in part
        assert "Cancelar la suscripción" in part


@pytest.mark.parametrize("source", [FULL, SPANISH], ids=["en", "es"])
def test_both_bodies_carry_what_the_law_asks_for(source: MailSource) -> None:
    """Unsubscribe and preferences address, postal address, disclaimer, why she gets it: in HTML and in text."""
    mail = RENDERER.render(source, context_for(urls=TRACKED_URLS, language=source.language))
    disclaimer = ENTITY["disclaimer"][source.language]
    for part in (mail.html, " ".join(mail.text.split())):
        for wanted in (TRACKED_URLS.unsubscribe, TRACKED_URLS.preferences, TRACKED_URLS.view):
            assert wanted in part
        assert ENTITY["postal_address"] in part
        assert disclaimer in part
        assert "www.example.org" in part


def test_a_person_whose_sign_up_page_is_unknown_is_told_the_entity() -> None:
    """The sentence stays whole."""
    mail = rendered("x", signup_source=None)
    assert "You get this because you signed up with Run for Something on November 2, 2026." in " ".join(
        mail.text.split()
    )


def test_the_layout_holds_for_small_screens_dark_mode_and_screen_readers() -> None:
    """Presentation tables, a title, a language, a hidden preheader, both colour schemes, text of 16 px and more."""
    html = RENDERER.render(FULL, context_for()).html
    page = _Page(html)
    layout_tables = [
        attributes for tag, attributes in page.elements if tag == "table" and attributes.get("class") != "data"
    ]
    assert {attributes.get("role") for attributes in layout_tables} == {"presentation"}
    assert ("html", {"lang": "en"}) in page.elements
    assert "<title>Ada: three days left</title>" in html
    assert '<meta name="color-scheme" content="light dark">' in html
    assert "@media (prefers-color-scheme: dark)" in html
    assert html.index("charset") < 200
    preview = next(attributes for tag, attributes in page.elements if attributes.get("class") == "preview")
    assert "display: none" in str(preview["style"])
    body = next(attributes for tag, attributes in page.elements if attributes.get("class") == "card")
    assert "font: 17px/1.55" in str(body["style"])


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize(
    ("text", "ground"),
    [
        ("#1f2328", "#f3f4f6"), ("#1f2328", "#ffffff"), ("#57606a", "#f3f4f6"), ("#0b4f9e", "#ffffff"),
        ("#ffffff", "#0b4f9e"), ("#e6e8eb", "#15181c"), ("#e6e8eb", "#1e2227"), ("#8ab8f5", "#1e2227"),
        ("#a9b1ba", "#15181c"), ("#10151b", "#8ab8f5"),
    ],
)  # fmt: skip
def test_colours_of_the_layout_can_be_read(text: str, ground: str) -> None:
    """Contrast of 4.5 to 1 and more in both schemes (WCAG 2.1, 1.4.3); all pairs stand in the layout."""
    lighter, darker = sorted((_luminance(text), _luminance(ground)), reverse=True)
    assert (lighter + 0.05) / (darker + 0.05) >= 4.5
    assert text in DEMO["_layout.html"]
    assert ground in DEMO["_layout.html"]


# --- hostile values ---------------------------------------------------------------------------------------------------

HOSTILE = st.one_of(
    st.sampled_from(
        [
            "<script>alert(1)</script>", '"><img src=x onerror=y>', "{{ 7 * 7 }}", "{% if x %}", "{# #}", "a\r\nBcc: b",
            "</p></td></table>", "&lt;", "' onclick='x", "\ue0000\ue001", "{{ entity }}",
        ]
    ),
    st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30),
)  # fmt: skip


@settings(max_examples=60)
@given(HOSTILE, HOSTILE)
@example("{{ unsubscribe_url }}", "{% raw %}")
def test_a_hostile_value_is_only_text(name: str, state: str) -> None:
    """Whatever a person is called, the document keeps its elements, and nothing of it is evaluated."""
    plain = _Page(RENDERER.render(FULL, context_for({**ADA, "given_name": "Ada"})).html)
    mail = RENDERER.render(FULL, context_for({**ADA, "given_name": name, "state": state}))
    page = _Page(mail.html)
    assert [tag for tag, _ in page.elements] == [tag for tag, _ in plain.elements]
    assert len(page.elements[0][1]) == 1
    assert "\n" not in mail.subject
    assert mail.subject == " ".join(f"{name}: three days left".split())
    shown = name.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "")
    assert "".join(shown.split()) in "".join(page.text.replace("\x00", "").split())


def test_a_value_with_tags_is_never_evaluated() -> None:
    """It is printed as it is, in all four parts."""
    mail = rendered("{{ given_name }}", {**ADA, "given_name": "{{ 7 * 7 }}{% for x in y %}"})
    assert card(mail.html) == "<p>{{ 7 * 7 }}{% for x in y %}</p>"
    assert body_of(mail.text) == "{{ 7 * 7 }}{% for x in y %}"


def test_a_link_made_of_a_value_must_lead_to_a_page() -> None:
    """Nobody's field becomes a script behind a link."""
    body = '[site]({{ custom.site or "https://a.example.org" }})'
    assert "https://b.example.org" in rendered(body, {**ADA, "custom": {"site": "https://b.example.org"}}).html
    with pytest.raises(RenderError) as refused:
        rendered(body, {**ADA, "custom": {"site": "javascript:alert(1)"}})
    assert refused.value.field == "link"


# --- missing values and the expression language -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("birth_year < 1990", False),
        ("birth_year >= 1990", False),
        ("not birth_year < 1990", True),
        ("birth_year != 1990", True),
        ("birth_year == none", False),
        ("birth_year is none", True),
        ('county in ["Dane"]', False),
        ('county not in ["Dane"]', True),
        ('stage >= "exploring"', False),
        ('"exploring" <= stage', False),
        ('stage in ["signed_up", "onboarded"]', True),
        ('"prospect" < stage < "filed"', True),
        ("custom.anything.deeper > 3", False),
        ("nrfod.starts > intro_call.starts", False),
        ("nrfod.starts is none", True),
        ("window.petition_due is not none", False),
        ('window.confidence >= "computed"', True),
        ('window.closes > "2026-12-31"', True),
        ("window.closes > sent_on", True),
        ('"mentor" in tags', False),
        ("birth_year is lt(1990)", False),
        ('person.stage == "signed_up"', True),
    ],
)
def test_conditions_mean_in_templates_what_they_mean_in_campaigns(expression: str, expected: bool) -> None:
    """Two-valued, ordered stages, and no exception for a person without values."""
    mail = rendered(f"{{% if {expression} %}}yes{{% else %}}no{{% endif %}}", NOBODY)
    assert body_of(mail.text) == ("yes" if expected else "no")


def test_a_duration_can_be_written_in_a_template() -> None:
    """`7d` and the like are durations; facts are functions that the context gives."""
    now = datetime(2026, 11, 5, 12, tzinfo=UTC)
    body = "{% if age(signed_up_at) < 7d and not age(signed_up_at) < 71h %}fresh{% endif %}"
    assert body_of(rendered(body, facts={"age": lambda at: now - at}).text) == "fresh"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ("{{ given_nmae }}", "given_nmae"),
        ("{{ county }}", "county"),
        ("{{ county | upper }}", "county"),
        ('{{ "in " ~ county }}', "county"),
        ("{{ custom.issue }}", "custom.issue"),
        ("{{ nrfod.starts | day }}", "nrfod.starts"),
        ("{{ window }}", "window"),
        ("{{ tags }}", "tags"),
        ("{{ signed_up_at }}", "signed_up_at"),
        ("{{ given_name.__class__ }}", "__class__"),
        ("{{ given_name.format(1) }}", "format"),
        ("{% if given_nmae %}x{% endif %}", "given_nmae"),
    ],
)
def test_what_cannot_be_printed_names_the_field(body: str, field: str) -> None:
    """A misspelt name, a missing value, a record: the delivery fails with path and field."""
    with pytest.raises(RenderError) as failed:
        rendered(body)
    assert (failed.value.template, failed.value.field) == ("demo/mail.md", field)
    assert "demo/mail.md" in str(failed.value)


@pytest.mark.parametrize(
    "body",
    [
        "{{ state < 3 }}", "{{ state * 1000000000 }}", "{{ 10 ** 10 ** 10 }}", "{{ state % 5 }}", "{{ state.nothing }}",
        "{{ intro_call.day | clock }}", "{{ 1 / 0 }}", "{{ given_name | int + given_name }}",
    ],
)  # fmt: skip
def test_an_error_shows_nobodys_data(body: str) -> None:
    """The message says where, never whose."""
    person = {**ADA, "given_name": "Zebulon", "state": "Quux"}
    with pytest.raises(RenderError) as failed:
        rendered(body, person)
    assert "Zebulon" not in str(failed.value)
    assert "Quux" not in str(failed.value)
    assert failed.value.__cause__ is None


def test_a_mail_that_grows_without_end_is_stopped() -> None:
    """At 512 kB, long before memory is."""
    with pytest.raises(RenderError, match="512 kB"):
        rendered("{% for a in range(9999) %}{% for b in range(9999) %}" + "x" * 100 + "{% endfor %}{% endfor %}")


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ('county | default("x")', "x"),
        ('county | upper or "x"', "x"),
        ('tags | join(", ")', "mentor"),
        ('["a", "b", "c"] | join(", ", "and")', "a, b and c"),
        ('"x" if county', ""),
        ("2 * 3 + 10 % 4", "8"),
        ("given_name[0]", "A"),
        ("intro_call.starts | day", "Tuesday, December 8"),
        ("intro_call.starts | clock", "4:00 pm Pacific"),
        ("intro_call.starts | day_and_time", "Tuesday, December 8, 4:00 pm Pacific"),
        ("intro_call.starts | office_time", "Tuesday, December 8, 7:00 pm Eastern"),
        ("intro_call.starts | office_day", "Tuesday, December 8"),
        ("intro_call.day | day_and_time", "Tuesday, December 8"),
        ("window.closes_at | office_time", "Tuesday, January 5, 5:00 pm Central"),
        ("window.opens_at | office_time", "Tuesday, December 1"),
        ("signed_up_at | date", "November 2, 2026"),
        ("sent_on | day", "Tuesday, December 1"),
    ],
)
def test_filters_say_values_as_people_do(expression: str, expected: str) -> None:
    """On the recipient's clock, or on the office's own."""
    mail = rendered(f"x{{{{ {expression} }}}}", zone=ZoneInfo("America/Los_Angeles"))
    assert body_of(mail.text) == f"x{expected}".strip()


# --- inlining and the renderer ----------------------------------------------------------------------------------------

_PARSE = CSSInliner(inline_style_tags=False, keep_style_tags=True)


@pytest.mark.parametrize("person", [ADA, {**NOBODY, "county": "Dane"}], ids=["ada", "nobody"])
@pytest.mark.parametrize("urls", [PLAIN_URLS, TRACKED_URLS], ids=["plain", "tracked"])
def test_inlining_once_gives_what_inlining_each_mail_gives(
    person: dict[str, object], urls: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The style sheet is moved on the template, with the result that moving it in every mail would have."""
    once = compile_mail(DEMO, "demo/full", language="en")
    monkeypatch.setattr(compiling_module, "inline_template", lambda html: html)
    later = compile_mail(DEMO, "demo/full", language="en")
    assert not has_rules(once.html)
    assert has_rules(later.html)
    context = context_for(person, urls=urls)  # type: ignore[arg-type]
    early_html, late_html = Renderer().render(once, context).html, Renderer().render(later, context).html
    assert _PARSE.inline(early_html) == _PARSE.inline(late_html)


LINES = st.sampled_from(
    [
        "Hi {{ given_name or 'x' }} **b**", "", "- a", "- {{ state or '' }}", "1. one", "> q", "## H", "  in", "---",
        "| A | B |\n|---|---|\n| 1 | 2 |", "| 3 | 4 |", "[button: Go](https://a.example.org)", "text\\", "```\nx\n```",
        "[l](https://b.example.org/{{ state or '' }}) and", '{{ answer("filed", "Yes") }}', "{% if zip %}y{% endif %}",
    ]
)  # fmt: skip
BLOCKS = st.recursive(
    st.lists(LINES, min_size=1, max_size=4),
    lambda inner: st.builds(
        lambda before, word, inside, otherwise, after: [
            *before,
            f"{{% {word} %}}",
            *inside,
            *(["{% else %}", *otherwise] if otherwise else []),
            "{% endif %}" if word.startswith("if") else "{% endfor %}",
            *after,
        ],
        inner,
        st.sampled_from(["if state", "if county", "for w in windows"]),
        inner,
        st.one_of(st.just([]), inner),
        st.lists(LINES, max_size=2),
    ),
    max_leaves=4,
)


@settings(max_examples=30)
@given(BLOCKS)
def test_any_markdown_between_statements_is_a_sound_document(lines: list[str]) -> None:
    """Every element closes where it should, no paragraph holds a block, and both ways of inlining agree."""
    once = compiled("\n".join(lines))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiling_module, "inline_template", lambda html: html)
        later = compiled("\n".join(lines))
    for person in (ADA, {**NOBODY, "county": "Dane"}):
        mail = RENDERER.render(once, context_for(person))
        assert "{%" not in mail.text
        assert _Nesting(mail.html).torn == []
        assert _PARSE.inline(mail.html) == _PARSE.inline(RENDERER.render(later, context_for(person)).html)


class _Nesting(HTMLParser):
    """The elements that do not close in order, or stand in a paragraph though they are blocks."""

    void = frozenset({"meta", "br", "hr", "img"})
    blocks = frozenset({"p", "ul", "ol", "table", "h2", "blockquote", "pre"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self._open: list[str] = []
        self.torn: list[str] = []
        self.feed(html)
        self.close()
        self.torn += self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self.blocks and "p" in self._open:
            self.torn.append(tag)
        if tag not in self.void:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.torn.append(tag)


@pytest.mark.parametrize(
    "template",
    [
        "<html><head><style>p:first-child { color: red }</style></head><body>{% if x %}<p>a</p>{% endif %}</body>",
        "<html><head><style>h1 + p { color: red }</style></head><body><h1>a</h1>{{ x }}<p>b</p></body></html>",
        "<html><head><style>.a { color: red }</style></head><body><p class='{{ x }}'>b</p></body></html>",
        "<html><head><style>p { color: red }</style></head><body><p {{ x }}>b</p></body></html>",
        "<html><head><style>p { color: {{ x }} }</style></head><body><p>b</p></body></html>",
        "<html><head><style>p { color: red }</style></head><body><p>{% if x %}</p><b>b</b>{% endif %}</body></html>",
    ],
)
def test_where_inlining_once_is_uncertain_it_is_done_for_each_mail(template: str) -> None:
    """Counting selectors, tags inside HTML tags and torn conditions leave the template as it is."""
    assert inline_template(template) == template
    assert has_rules(template)


def test_a_mail_that_could_not_be_inlined_before_is_inlined_after() -> None:
    """Whoever writes a counting selector gets it, a little slower."""
    layout = DEMO["_layout.html"].replace("</style>", ".card p:first-child { color: #ff0000; }</style>")
    files = files_with("{% if county %}\na\n{% endif %}\nb\n\nc", **{"_layout.html": layout})
    html = Renderer().render(compile_mail(files, "demo/mail", language="en"), context_for()).html
    assert html.count("color: #ff0000") == 1
    assert html.index("color: #ff0000") < html.index(">b</p>")


def test_nothing_is_fetched_while_inlining() -> None:
    """A style sheet elsewhere is left alone; a port nobody listens on would raise."""
    page = '<html><head><link rel="stylesheet" href="http://127.0.0.1:9/x.css"></head><body><p>x</p></body></html>'
    assert "<p>x</p>" in inline(page)


def test_a_renderer_gives_the_same_for_the_same() -> None:
    """Compiled templates are kept between mails, values are not."""
    renderer = Renderer(base={"base_url": "https://m.example.org"})
    first = renderer.render(FULL, context_for())
    renderer.render(FULL, context_for({**ADA, "given_name": "Grace"}))
    assert renderer.render(MailSource.model_validate_json(FULL.model_dump_json()), context_for()) == first


def test_short_texts_are_rendered_too() -> None:
    """The title of a task has the same names and filters."""
    title = "Call {{ given_name }}: {{ window.office }} closes {{ window.closes_at | office_time }}"
    expected = "Call Ada: Mayor closes Tuesday, January 5, 5:00 pm Central"
    assert Renderer().render_text(title, context_for(), path="campaigns/x.yaml") == expected
    with pytest.raises(RenderError) as failed:
        Renderer().render_text("{{ given_name", context_for(), path="campaigns/x.yaml")
    assert failed.value.template == "campaigns/x.yaml"


def test_a_tracked_link_leads_to_its_plain_target() -> None:
    """By number, for one person; an unknown number or a strange target is refused."""
    source = compiled(
        '[a](https://a.example.org/?s={{ state | urlencode }}) [b]({{ custom.site or "https://b.example.org" }})'
    )
    renderer = Renderer()
    assert renderer.link_target(source, 0, context_for({**ADA, "state": "N Y&"})) == "https://a.example.org/?s=N%20Y%26"
    for number, person in ((2, ADA), (-1, ADA), (1, {**ADA, "custom": {"site": "javascript:x"}})):
        with pytest.raises(RenderError):
            renderer.link_target(source, number, context_for(person))


def test_a_mail_source_survives_json() -> None:
    """A revision keeps it."""
    assert MailSource.model_validate(FULL.model_dump(mode="json")) == FULL
