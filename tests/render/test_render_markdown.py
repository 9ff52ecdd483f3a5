"""Markdown and Jinja tags together: HTML and text of one source."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfs_mail.render.tags import Tags, in_html, static_html
from rfs_mail.render.writing import WIDTH, fold
from tests.render_samples import NOBODY, TRACKED_URLS, body_of, card, compiled, rendered

ONE_COLUMN = '<table class="data"><thead><tr><th align="left">A</th></tr></thead><tbody>'


@pytest.mark.parametrize(
    ("body", "html", "text"),
    [
        ("Hi {{ given_name }},\nyou.", "<p>Hi Ada,you.</p>", "Hi Ada, you."),
        ("**{{ given_name }}** *{{ state }}*x", "<p><strong>Ada</strong> <em>WI</em>x</p>", "Ada WIx"),
        ("## Dear {{ given_name }}", "<h2>Dear Ada</h2>", "Dear Ada\n-------------"),
        ("a\n{% if state %}\nb\n{% endif %}\nc", "<p>a</p><p>b</p><p>c</p>", "a\n\nb\n\nc"),
        ("a\n{% if county %}\nb\n{% endif %}\nc", "<p>a</p><p>c</p>", "a\n\nc"),
        ("{% if county %}b {{ county }}{% endif %}\n\nc", "<p>c</p>", "c"),
        ("x {% if county %}b{% else %}d{% endif %}", "<p>x d</p>", "x d"),
        ("{# no #}\na {# note #}b", "<p>a b</p>", "a b"),
        ("- a\n{% if county %}\n- b\n{% endif %}\n- c", "<ul><li>a</li><li>c</li></ul>", "- a\n- c"),
        (
            "{% for w in windows %}\n- {{ w.office }}\n{% endfor %}",
            "<ul><li>Mayor</li></ul>",
            "- Mayor",
        ),
        (
            "1. a\n{% if county %}\n2. b\n{% else %}\n2. c\n{% endif %}\n3. d",
            "<ol><li>a</li><li>c</li><li>d</li></ol>",
            "1. a\n2. c\n3. d",
        ),
        (
            "|A|B|\n|---|--:|\n{% for w in windows %}\n|{{ w.office | upper }}|x|\n{% endfor %}",
            '<table class="data"><thead><tr><th align="left">A</th><th align="right">B</th></tr></thead>'
            '<tbody><tr><td>MAYOR</td><td align="right">x</td></tr></tbody></table>',
            "A | B\nMAYOR | x",
        ),
        (
            "{% if county %}\n|A|\n|---|\n|1|\n{% else %}\n|A|\n|---|\n|2|\n{% endif %}\nb",
            f"{ONE_COLUMN}<tr><td>2</td></tr></tbody></table><p>b</p>",
            "A\n2\n\nb",
        ),
        (
            "|A|\n|---|\n|1|\n{% if state %}\n{% if county %}\n|2|\n{% else %}\n|3|\n{% endif %}\n{% endif %}\n"
            "{% if state %}\nb\n{% endif %}",
            f"{ONE_COLUMN}<tr><td>1</td></tr><tr><td>3</td></tr></tbody></table><p>b</p>",
            "A\n1\n3\n\nb",
        ),
        ("> {{ given_name }} said\n> so", "<blockquote><p>Ada saidso</p></blockquote>", "> Ada said so"),
        (
            "<b>x</b> & {x} \\{\\{ y \\}\\}",
            "<p>&lt;b&gt;x&lt;/b&gt; &amp; {x} &#123;{ y }}</p>",
            "<b>x</b> & {x} {{ y }}",
        ),
        ("{% raw %}{{ x }}<i>{% endraw %}", "<p>&#123;{ x }}&lt;i&gt;</p>", "{{ x }}<i>"),
        ('{{ "}}" }} {{ "a" }}', "<p>}} a</p>", "}} a"),
        ("a  \nb", "<p>a<br>b</p>", "a\nb"),
        (
            "![A dog](https://a.example.org/d.png)",
            '<p><img src="https://a.example.org/d.png" alt="A dog"></p>',
            "[A dog]",
        ),
        ("    not code", "<p>not code</p>", "not code"),
        ("`a_{{ state }}`", "<p><code>a_WI</code></p>", "a_WI"),
    ],
)
def test_markdown_and_tags_give_html_and_text(body: str, html: str, text: str) -> None:
    """Tags go through Markdown untouched, and both bodies say the same."""
    mail = rendered(body)
    assert (card(mail.html), body_of(mail.text)) == (html, text)


@pytest.mark.parametrize(
    ("body", "html", "text"),
    [
        (
            "[the list](https://a.example.org/?s={{ state }}&x=1)",
            '<p><a href="https://a.example.org/?s=WI&amp;x=1">the list</a></p>',
            "the list (https://a.example.org/?s=WI&x=1)",
        ),
        (
            "<https://a.example.org>",
            '<p><a href="https://a.example.org">https://a.example.org</a></p>',
            "https://a.example.org",
        ),
        ("[write](mailto:a@example.org)", '<p><a href="mailto:a@example.org">write</a></p>', "write (a@example.org)"),
        ("[x](https://a.example.org/é b)", "<p>[x](https://a.example.org/é b)</p>", "[x](https://a.example.org/é b)"),
        (
            "[x](https://a.example.org/é)",
            '<p><a href="https://a.example.org/%C3%A9">x</a></p>',
            "x (https://a.example.org/%C3%A9)",
        ),
        ("[x](javascript:alert)", "<p>[x](javascript:alert)</p>", "[x](javascript:alert)"),
        (
            'Or {{ answer("filed", "Yes, I filed") }}.',
            '<p>Or <a href="https://m.example.org/a/TOKEN/filed">Yes, I filed</a>.</p>',
            "Or Yes, I filed: https://m.example.org/a/TOKEN/filed.",
        ),
    ],
)
def test_links_are_readable_in_both_bodies(body: str, html: str, text: str) -> None:
    """A link is a link in HTML and an address in text."""
    mail = rendered(body)
    assert (card(mail.html), body_of(mail.text)) == (html, text)


def test_a_button_is_a_table_in_html_and_a_line_in_text() -> None:
    """A paragraph of buttons and answers is no paragraph: each is a table cell with a colour of its own."""
    mail = rendered('[button: Where to {{ state }}](https://a.example.org)\n{{ answer("filed", "Yes & no") }}')
    html = card(mail.html)
    assert html.count('<table role="presentation"') + html.count('<table class="button" role="presentation"') == 2
    assert '<a href="https://a.example.org">Where to WI</a>' in html
    assert '<a href="https://m.example.org/a/TOKEN/filed">Yes &amp; no</a>' in html
    assert "<p>" not in html
    expected = "Where to WI: https://a.example.org\nYes & no: https://m.example.org/a/TOKEN/filed"
    assert body_of(mail.text) == expected


def test_the_same_link_has_one_number_in_both_bodies() -> None:
    """Tracking: every address once, our own pages and mail addresses never."""
    body = (
        "[a](https://a.example.org) [again](https://a.example.org) [b](https://b.example.org/{{ state }})\n\n"
        "[stop]({{ unsubscribe_url }}) [mail](mailto:x@example.org) [call](tel:+15550100) [top](#top)"
    )
    source = compiled(body)
    assert source.links == ("https://a.example.org", "https://b.example.org/{{ state }}")
    mail = rendered(body, urls=TRACKED_URLS)
    for part in (card(mail.html), body_of(mail.text)):
        assert part.count("https://m.example.org/c/TOKEN/0") == 2
        assert part.count("https://m.example.org/c/TOKEN/1") == 1
        assert "a.example.org" not in part
        assert "https://m.example.org/u/TOKEN" in part


def test_a_link_of_a_loop_is_not_tracked() -> None:
    """Its target cannot be found again from the link's number alone."""
    body = "{% for w in windows %}\n- [{{ w.office }}](https://a.example.org/{{ w.id }})\n{% endfor %}"
    assert compiled(body).links == ()
    assert "https://a.example.org/wi-mayor-2027" in rendered(body, urls=TRACKED_URLS).html


def test_statements_stay_balanced_where_lists_cannot_be_joined() -> None:
    """A condition that holds a paragraph and a list keeps its own list."""
    body = "{% if county %}\nYours:\n\n- a\n{% endif %}\n- b"
    assert card(rendered(body).html) == "<ul><li>b</li></ul>"
    assert (
        card(rendered(body, {**NOBODY, "county": "Dane"}).html) == "<p>Yours:</p><ul><li>a</li></ul><ul><li>b</li></ul>"
    )


def test_a_macro_is_inline_where_it_is_one_paragraph() -> None:
    """So that it can be used in the middle of a sentence, in both bodies."""
    mail = rendered("{% macro big(x) %}\n**{{ x }}**\n{% endmacro %}\nSo {{ big(state) }}.")
    assert (card(mail.html), body_of(mail.text)) == ("<p>So <strong>WI</strong>.</p>", "So WI.")


@given(st.text(alphabet=st.sampled_from("ab {}%#\"'<>&\n-*|_`[]()!\\"), max_size=60))
def test_tags_survive_being_set_aside(text: str) -> None:
    """Setting tags aside and putting them back changes nothing but comments, which go."""
    tags = Tags()
    protected = tags.protect(text)
    without_comments = Tags().protect(tags.text_tags(protected))
    assert without_comments == protected or "{#" in text or "raw" in text


@given(st.text(max_size=80).filter(lambda text: not set(text) & set("{}\ue000\ue001\r")))
def test_any_text_is_only_text(text: str) -> None:
    """Text without tags is escaped and nothing else."""
    assert in_html(text) == static_html(text)


WORDS = st.lists(st.text(alphabet="abcdefghij-/.:", min_size=1, max_size=90), min_size=1, max_size=40)


@given(WORDS, st.sampled_from(["", "- ", "> ", "  ", "10. "]))
def test_folding_keeps_words_whole_and_lines_short(words: list[str], prefix: str) -> None:
    """No line is over 76 characters unless one word is, and no word is broken or lost."""
    folded = fold(prefix + " ".join(words))
    assert " ".join(folded.replace("\n> ", " ").split()) == (prefix + " ".join(words)).strip()
    for line in folded.split("\n"):
        assert len(line) <= WIDTH or " " not in line.strip().removeprefix(prefix.strip()).strip()


def test_a_long_address_stands_unbroken_in_the_text() -> None:
    """Not even where the paragraph around it is folded."""
    address = "https://a.example.org/" + "x" * 120
    text = rendered(f"{'word ' * 20}[here it is]({address}) {'word ' * 20}").text
    assert f"({address})" in text
    assert all(len(line) <= WIDTH or address in line for line in text.split("\n"))
