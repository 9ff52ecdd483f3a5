"""From files to one mail source: languages, variants, partials, layout, errors."""

import re

import pytest

from rfs_mail.errors import CampaignFileError
from rfs_mail.render import Compiler, MailFile, Renderer, compile_mail, mail_files
from tests.render_samples import DEMO, LAYOUT, TRACKED_URLS, body_of, card, context_for, files_with

TWO_LANGUAGES = LAYOUT | {
    "demo/mail.md": "---\nsubject: Plain\nsubject.urgent: Urgent\n---\nplain",
    "demo/mail.es.md": "---\nsubject: Sencillo\n---\nsencillo",
}


@pytest.mark.parametrize(
    ("language", "default", "written_in", "subject"),
    [
        ("en", "en", "en", "Plain"),
        ("es", "en", "es", "Sencillo"),
        ("es-US", "en", "es", "Sencillo"),
        ("fr", "en", "en", "Plain"),
        ("fr-CA", "es", "es", "Plain"),
    ],
)
def test_a_language_falls_back_for_the_whole_message(
    language: str, default: str, written_in: str, subject: str
) -> None:
    """`es-US` is es, then the default; a file without a language is in the default language."""
    files = TWO_LANGUAGES if default == "en" else {**LAYOUT, "demo/mail.md": TWO_LANGUAGES["demo/mail.md"]}
    source = compile_mail(files, "demo/mail", language=language, default_language=default)
    assert (source.language, source.subject) == (written_in, subject)


def test_the_layout_speaks_the_language_of_the_body() -> None:
    """Someone who reads French gets English body and English footer, never a mixture."""
    source = compile_mail(TWO_LANGUAGES, "demo/mail", language="fr")
    assert "Unsubscribe" in source.html
    assert "Unsubscribe" in source.text
    spanish = compile_mail(TWO_LANGUAGES, "demo/mail", language="es")
    assert "Cancelar la suscripción" in spanish.html
    assert "Unsubscribe" not in spanish.html + spanish.text


@pytest.mark.parametrize(
    ("language", "variant", "subject", "body"),
    [
        ("en", "", "Plain", "plain"),
        ("en", "plain", "Plain", "plain"),
        ("en", "urgent", "Urgent", "plain"),
        ("es", "urgent", "Sencillo", "sencillo"),
        ("en", "short", "Short", "short"),
        ("es", "short", "Corto", "corto"),
    ],
)
def test_a_variant_is_a_body_or_a_subject(language: str, variant: str, subject: str, body: str) -> None:
    """The language is chosen first; a variant that is not written in it gives the plain mail."""
    files = TWO_LANGUAGES | {
        "demo/mail.short.md": "---\nsubject: Short\n---\nshort",
        "demo/mail.es.short.md": "---\nsubject: Corto\n---\ncorto",
    }
    source = compile_mail(files, "demo/mail", language=language, variant=variant)
    assert (source.subject, source.text.split("\n")[0]) == (subject, body)


def test_a_step_may_name_a_subject() -> None:
    """`subject: again` takes subject.again; one that is not there is refused."""
    files = files_with("x", subject="First\nsubject.again: Once more")
    assert compile_mail(files, "demo/mail", language="en", subject="again").subject == "Once more"
    with pytest.raises(CampaignFileError, match=r"subject\.last"):
        compile_mail(files, "demo/mail", language="en", subject="last")


def test_the_files_of_a_mail_are_found_by_name() -> None:
    """Language and variant come from the file name; other mails of the folder do not count."""
    files = [
        "demo/t3.md",
        "demo/t3.es.md",
        "demo/t3.urgent.md",
        "demo/t3.es-US.urgent.md",
        "demo/t30.md",
        "demo/t3.html",
    ]
    assert mail_files(dict.fromkeys(files, ""), "demo/t3") == (
        MailFile("demo/t3.es-US.urgent.md", "es-US", "urgent", "md"),
        MailFile("demo/t3.es.md", "es", "", "md"),
        MailFile("demo/t3.html", "", "", "html"),
        MailFile("demo/t3.md", "", "", "md"),
        MailFile("demo/t3.urgent.md", "", "urgent", "md"),
    )


def test_a_partial_is_folded_in_and_in_the_language_of_the_mail() -> None:
    """What is compiled names no other file."""
    english = compile_mail(DEMO, "demo/full", language="en")
    spanish = compile_mail(DEMO, "demo/full", language="es-US")
    assert "See you, {{ entity.name }}." in english.text
    assert "Hasta pronto, {{ entity.name }}." in spanish.html
    for source in (english, spanish):
        assert not re.search(r"\{%-?\s*(include|import|extends)", source.html + source.text)


def test_macros_of_another_file_can_be_used() -> None:
    """`from ... import` and `import ... as` are folded in too."""
    macros = "{% macro big(x) %}**{{ x }}**{% endmacro %}\n\n{% macro small(x) %}*{{ x }}*{% endmacro %}\n"
    body = (
        '{% from "partials/m.md" import big, small as tiny %}\n{% import "partials/m.md" as m %}\n'
        "{{ big(1) }} {{ tiny(2) }} {{ m.small(3) }}"
    )
    files = files_with(body, **{"partials/m.md": macros})
    html = Renderer().render(compile_mail(files, "demo/mail", language="en"), context_for()).html
    assert card(html) == "<p><strong>1</strong> <em>2</em> <em>3</em></p>"


def test_the_variables_are_what_the_templates_read() -> None:
    """Layout, subject, body and links count; names of a loop and our functions do not."""
    source = compile_mail(DEMO, "demo/full", language="en")
    assert source.variables == (
        "county", "entity", "given_name", "language", "preferences_url", "signed_up_at", "signup_source", "stage",
        "state", "unsubscribe_url", "view_url", "windows",
    )  # fmt: skip


def test_hand_written_html_keeps_its_markup_and_shares_its_links_with_its_text() -> None:
    """NAME.html and NAME.txt are a pair; the head stands in the HTML."""
    files = LAYOUT | {
        "demo/mail.html": '---\nsubject: By hand\n---\n<p>Go <a class="x" href="https://a.example.org/?a=1&amp;b=2">there</a></p>',
        "demo/mail.txt": "Go there: https://a.example.org/?a=1&b=2\nor https://a.example.org/?a=1&b=23",
    }
    source = compile_mail(files, "demo/mail", language="en")
    assert source.links == ("https://a.example.org/?a=1&b=2",)
    tracked = Renderer().render(source, context_for(urls=TRACKED_URLS))
    assert card(tracked.html) == '<p>Go <a class="x" href="https://m.example.org/c/TOKEN/0">there</a></p>'
    assert body_of(tracked.text) == "Go there: https://m.example.org/c/TOKEN/0\nor https://a.example.org/?a=1&b=23"
    plain = Renderer().render(source, context_for())
    assert 'href="https://a.example.org/?a=1&amp;b=2"' in plain.html
    assert "Unsubscribe" in plain.html


def test_a_whole_html_document_brings_its_own_layout() -> None:
    """Nothing is put around a file that begins with its own html element."""
    files = LAYOUT | {
        "demo/mail.html": "---\nsubject: s\n---\n<html lang=en><body>{{ entity.name }}</body></html>",
        "demo/mail.txt": "{{ entity.name }}",
    }
    source = compile_mail(files, "demo/mail", language="en")
    assert source.text == "{{ entity.name }}"
    assert "Unsubscribe" not in source.html


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (LAYOUT, "There is no template demo/mail"),
        ({"demo/male.md": ""}, "Did you mean demo/male?"),
        (LAYOUT | {"demo/mail.md": "Hi"}, "has no subject"),
        (LAYOUT | {"demo/mail.md": "---\nsubject: Hi"}, "demo/mail.md:1:1  The head has no end"),
        (LAYOUT | {"demo/mail.md": '---\nsubject: "Hi\n---\n'}, "demo/mail.md:2:10  The quotes around subject"),
        (LAYOUT | {"demo/mail.md": "---\nsubject: Seat # 3\n---\n"}, "demo/mail.md:2:10  A # after a blank"),
        (files_with("a\n\n{% if x %}"), "demo/mail.md:6:1  "),
        (files_with('{% include "no.md" %}'), "There is no no.md"),
        (files_with('{% include "demo/mail.md" %}'), "circle"),
        (files_with('{% extends "no.md" %}'), "extends is not for mails"),
        (files_with("{% include given_name %}"), "plain name of a file"),
        (files_with('{{ answer("filled", "x") }}'), 'no answer "filled"'),
        (LAYOUT | {"demo/mail.html": "---\nsubject: s\n---\nx"}, "has no text part"),
        ({"demo/mail.md": "---\nsubject: s\n---\nx"}, "no templates/_layout.html"),
        (files_with("x", **{"_layout.html": "{{ words.hello }}{{ body }}"}), "no word hello"),
    ],
)
def test_what_cannot_be_compiled_is_refused_with_its_place(files: dict[str, str], message: str) -> None:
    """Every refusal names the file and what to write."""
    with pytest.raises(CampaignFileError) as refused:
        compile_mail(files, "demo/mail", language="en", answers=["filed"])
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("subject: plain text", "plain text"),
        ('subject: "quoted: {{ x }} \\"y\\""   # note', 'quoted: {{ x }} "y"'),
        ("subject: 'it''s'", "it's"),
        ("subject: {{ given_name or 'Hi' }}: soon", "{{ given_name or 'Hi' }}: soon"),
        ("subject: >-\n  folded\n  lines", "folded lines"),
        ("subject: on\n", "on"),
    ],
)
def test_every_value_of_a_head_is_text(line: str, value: str) -> None:
    """Quoted, plain or folded; nothing is read as yes, no or a number."""
    files = LAYOUT | {"demo/mail.md": f"---\n{line}\n---\nx"}
    assert compile_mail(files, "demo/mail", language="en").subject == value


def test_a_compiler_makes_each_mail_once() -> None:
    """What was made is the same value when it is asked for again, a mistake too; `plain` is no variant."""
    compiler = Compiler(DEMO)
    once = compiler.mail("demo/full", language="en")
    assert compile_mail(DEMO, "demo/full", language="en") == once
    assert compiler.mail("demo/full", language="en", variant="plain") is once
    assert compiler.mail("demo/full", language="es") is not once
    refusals = []
    for _ in range(2):
        with pytest.raises(CampaignFileError) as refused:
            compiler.mail("demo/none", language="en")
        refusals.append(refused.value)
    assert refusals[0] is refusals[1]
