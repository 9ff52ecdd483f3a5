# ruff: noqa: E501 - a table reads best with a case on each line
"""Every mistake a director is likely to make gets an answer that says what to write instead."""

import pytest

from rfs_mail.core.expression import check_fix, parse
from rfs_mail.core.vocabulary import Vocabulary
from rfs_mail.errors import ExpressionError
from tests.core.expression_samples import FULL, PLAIN


def refusal(text: str, vocabulary: Vocabulary = FULL) -> ExpressionError:
    """The error that this text raises."""
    with pytest.raises(ExpressionError) as raised:
        parse(text, vocabulary)
    return raised.value


# Written, the column, what is said, the corrected text where it is safe.
CASES = [
    # what was meant is plain
    ('stage = "filed"', 7, '"=" compares nothing. Write: stage == "filed"', 'stage == "filed"'),
    ("stage == filed", 10, 'filed needs quotes. Write: stage == "filed"', 'stage == "filed"'),
    ("stage is filed", 7, 'filed needs quotes. Write: stage == "filed"', 'stage == "filed"'),
    ("stage is not filed", 7, 'filed needs quotes. Write: stage != "filed"', 'stage != "filed"'),
    ("filed == stage", 1, 'filed needs quotes. Write: "filed" == stage', '"filed" == stage'),
    ("state == WI", 10, 'WI needs quotes. Write: state == "WI"', 'state == "WI"'),
    ("stage in [filed]", 11, 'filed needs quotes. Write: stage in ["filed"]', 'stage in ["filed"]'),
    ("state != null", 7, "Write: state is not none", "state is not none"),
    ("state == None", 7, "Write: state is none", "state is none"),
    ("none == state", 1, "Write: state is none", "state is none"),
    ("state is county", 7, '"is" asks only for none. Write: state == county', "state == county"),
    ("state is not window.state", 7, "Write: state != window.state", "state != window.state"),
    ("(state) == none", 9, 'asked with "is none". Write: (state) is none', "(state) is none"),
    ('(stage == "filed") or "won"', 23, "Several values are a list", None),
    ('stage == (("filed" or "won"))', 12, "Several values are a list", None),
    ("state is null", 7, "Write: state is none", "state is none"),
    ("state is defined", 7, "Write: state is not none", "state is not none"),
    ("state is not empty", 7, "Write: state is not none", "state is not none"),
    ('endorsable && tag("a")', 12, '"&&" is written "and". Write: endorsable and tag("a")', 'endorsable and tag("a")'),
    ('endorsable||tag("a")', 11, '"||" is written "or". Write: endorsable or tag("a")', 'endorsable or tag("a")'),
    ("!endorsable", 1, '"!" is written "not". Write: not endorsable', "not endorsable"),
    ('endorsable OR tag("a")', 12, 'Write: endorsable or tag("a")', 'endorsable or tag("a")'),
    ("NOT endorsable", 1, "Write: not endorsable", "not endorsable"),
    ('stage === "filed"', 7, '"===" is written "==". Write: stage == "filed"', 'stage == "filed"'),
    ('stage <> "filed"', 7, '"<>" is written "!=". Write: stage != "filed"', 'stage != "filed"'),
    ('stage => "filed"', 7, '"=>" is written ">=". Write: stage >= "filed"', 'stage >= "filed"'),
    ("birth_year ≥ 1990", 12, '"≥" is written ">=". Write: birth_year >= 1990', "birth_year >= 1990"),
    ("stage == “filed”", 10, 'Quotes are straight. Write: stage == "filed"', 'stage == "filed"'),
    ("stage in [‘filed’, ‘won’]", 11, 'Write: stage in ["filed", "won"]', 'stage in ["filed", "won"]'),
    ('{{ stage == "filed" }}', 1, 'without {{ }}. Write: stage == "filed"', 'stage == "filed"'),
    ('stage ==\u200b "filed"', 9, "invisible character here (U+200B)", 'stage == "filed"'),
    ("clicked(day)", 9, 'Steps are quoted: clicked("day")', 'clicked("day")'),
    ("segment(ready)", 9, 'Segments are quoted: segment("ready")', 'segment("ready")'),
    ("endorsable and tag(vip)", 20, 'Tags are quoted: tag("vip")', 'endorsable and tag("vip")'),
    ("received(welcome.hello)", 10, 'Steps are quoted: received("welcome/hello")', 'received("welcome/hello")'),
    ("age(signed_up_at) < 7", 21, "age() is a duration. Write: < 7d", "age(signed_up_at) < 7d"),
    ('age("signed_up_at") < 7d', 5, "Write: age(signed_up_at) < 7d", "age(signed_up_at) < 7d"),
    ("age(signed_up_at) is none", 1, "Ask the field. Write: signed_up_at is none", "signed_up_at is none"),
    ('stage in "filed"', 10, 'in needs a list. Write: stage in ["filed"]', 'stage in ["filed"]'),
    ('stage == ["filed", "won"]', 10, 'Write: stage in ["filed", "won"]', 'stage in ["filed", "won"]'),
    ('stage != ["filed"]', 10, 'Write: stage not in ["filed"]', 'stage not in ["filed"]'),
    ('"WI" in state', 1, 'state is one value, not a list. Write: state == "WI"', 'state == "WI"'),
    ('"vip" in tags', 1, 'tags is asked one by one. Write: tag("vip")', 'tag("vip")'),
    ('"vip" not in tags', 1, 'Write: not tag("vip")', 'not tag("vip")'),
    ('stage is in ["filed"]', 7, 'Write: stage in ["filed"]', 'stage in ["filed"]'),
    ('stage == "filed" or "won"', 21, 'Several values are a list. Write: stage in ["filed", "won"]', 'stage in ["filed", "won"]'),
    (
        'endorsable or stage == "filed" or "won" or "advanced"',
        35,
        "Several values are a list",
        'endorsable or stage in ["filed", "won", "advanced"]',
    ),
    ('stage == ("filed" or "won")', 11, 'Write: stage in ["filed", "won"]', 'stage in ["filed", "won"]'),
    ('stage in ["filed" "won"]', 19, 'a comma is missing. Write: stage in ["filed", "won"]', 'stage in ["filed", "won"]'),
    ("zip == 53703", 8, 'zip is text. Write: zip == "53703"', 'zip == "53703"'),
    ("zip == 02139", 8, 'Write: zip == "02139"', 'zip == "02139"'),
    ('birth_year == "1990"', 15, "birth_year is a number. Write: birth_year == 1990", "birth_year == 1990"),
    ('state == "Wisconsin"', 10, 'States are two letters. Write: state == "WI"', 'state == "WI"'),
    ('window.state in ["wi"]', 18, 'Write: window.state in ["WI"]', 'window.state in ["WI"]'),
    ('endorsable == "yes"', 15, "endorsable is yes or no. Write: endorsable == true", "endorsable == true"),
    ("endorsable is not true", 12, "Write: endorsable == false", "endorsable == false"),
    ("endorsable == TRUE", 15, "Write: endorsable == true", "endorsable == true"),
    ("lang == es-US", 9, 'es-US needs quotes. Write: lang == "es-US"', 'lang == "es-US"'),
    ("volunteer", 1, "volunteer is a custom field. Write: custom.volunteer", "custom.volunteer"),
    ('State == "WI"', 1, 'Names are lower case. Write: state == "WI"', 'state == "WI"'),
    ("onboarded", 1, 'onboarded is a stage. Write: stage == "onboarded"', 'stage == "onboarded"'),
    ("filed", 1, "filed is asked with brackets. Write: filed(window)", "filed(window)"),
    ("active and endorsable", 1, "active is asked with brackets. Write: active() and endorsable", "active() and endorsable"),
    ("wants()", 1, "wants() asks about a window. Write: wants(window)", "wants(window)"),
    ('wants("county")', 7, 'wants() asks about a window. Write: wants_office("county")', 'wants_office("county")'),
    ('wants_office("mayor")', 14, 'No office level "mayor"', None),
    ("wants_office(county)", 14, 'Office levels are quoted: wants_office("county")', 'wants_office("county")'),
    ('wants("window")', 7, "window has no quotes. Write: wants(window)", "wants(window)"),
    ('has_tag("a")', 1, 'No has_tag(). Write: tag("a")', 'tag("a")'),
    ("mails(within=30d)", 1, "mails() is a number. Compare it. Write: mails(within=30d) >= 1", "mails(within=30d) >= 1"),
    ("active(30d)", 8, "A duration is given by name. Write: active(within=30d)", "active(within=30d)"),
    ('active(within="30d")', 15, "Durations have no quotes. Write: active(within=30d)", "active(within=30d)"),
    ("active(within=30)", 15, "within= is a duration. Write: active(within=30d)", "active(within=30d)"),
    ("active(within=30 days)", 15, "Write: active(within=30d)", "active(within=30d)"),
    ("active(within=30days)", 15, "Write: active(within=30d)", "active(within=30d)"),
    ("active(within=90m)", 15, '"m" may be minutes or months', "active(within=90min)"),
    ('active(since="entry")', 14, "entry has no quotes. Write: active(since=entry)", "active(since=entry)"),
    ("has_window(closes_within=48h)", 26, "counts whole days. Write: has_window(closes_within=2d)", "has_window(closes_within=2d)"),
    ("age(custom.call_date) < 24h", 25, "counts whole days. Write: age(custom.call_date) < 1d", "age(custom.call_date) < 1d"),
    ("signed_up_at > 2026-11-01", 16, 'A date needs quotes. Write: signed_up_at > "2026-11-01"', 'signed_up_at > "2026-11-01"'),
    ('signed_up_at > "20261101"', 16, 'Write: signed_up_at > "2026-11-01"', 'signed_up_at > "2026-11-01"'),
    # what was meant has to be decided by somebody
    ('stage == "onborded"', 10, 'No stage "onborded"; nearest: "onboarded"', None),
    ('reached("field")', 9, 'No stage "field"; nearest: "filed"', None),
    ('custom.office == "schoolboard"', 18, 'custom.office is never "schoolboard"; nearest: "school_board"', None),
    ('window.confidence >= "computd"', 22, 'No confidence "computd"; nearest: "computed"', None),
    ('window.status == "canceled"', 18, 'window.status is never "canceled"; nearest: "cancelled"', None),
    ('received("hallo")', 10, 'No step "hallo"; nearest: "hello"', None),
    ('received("teaser")', 10, 'No step "teaser" in this campaign. Perhaps: "nrfod/teaser"', None),
    ('received("nrfod/tesser")', 10, 'No step of nrfod "tesser"; nearest: "teaser"', None),
    ('received("nrfood/day")', 10, 'No campaign "nrfood"; nearest: "nrfod"', None),
    ('answered("did_you", "field")', 21, 'No answer of did_you "field"; nearest: "filed"', None),
    ('consented("rfz")', 11, 'No entity "rfz"; nearest: "rfs"', None),
    ('topic("deadline")', 7, 'No topic "deadline"; nearest: "deadlines"', None),
    ('attended("xyz")', 10, 'No calendar name "xyz"; there are intro_call nrfod', None),
    ('in_campaign("welcom")', 13, 'No campaign "welcom"; nearest: "welcome"', None),
    ('segment("redy")', 9, 'No segment "redy"; nearest: "ready"', None),
    ('stat == "WI"', 1, "No field stat; nearest: state", None),
    ("custom.volunter", 1, "No field custom.volunter; nearest: custom.volunteer", None),
    ("window.closs is none", 1, "No field window.closs; nearest: window.closes", None),
    ("ready", 1, 'ready is no field. Perhaps: segment("ready")', None),
    ("deadlines", 1, 'deadlines is no field. Perhaps: topic("deadlines")', None),
    ("qwfp == 5", 1, "custom fields are written custom.qwfp", None),
    ('attend("intro_call")', 1, 'No attend(); nearest: attended("intro_call")', None),
    ('frobnicate("x")', 1, "No frobnicate(); there are tag role", None),
    ('stage("filed")', 1, 'stage is a field: it is compared, as in stage == "filed"', None),
    ('opened("day")', 1, "Opens do not exist here", None),
    ('event("opened")', 7, "Opens do not exist here", None),
    ("stage", 1, "stage alone is neither true nor false", None),
    ("birth_year and endorsable", 1, "birth_year alone is neither true nor false", None),
    ('"filed"', 1, '"filed" stands alone', None),
    ('endorsable and "filed"', 16, '"filed" stands alone', None),
    ('["a"]', 1, "A list stands alone", None),
    ('"a" == "b"', 1, "Both sides are written out", None),
    ('stage >= "lost"', 10, '"lost" is off the line', None),
    ('custom.office > "county"', 1, "its values have no order", None),
    ("state == 5 > 3", 14, "One comparison at a time: join == and > with and", None),
    ("birth_year < 1990 > 3", 21, "One comparison at a time: join < and > with and", None),
    ("stage == endorsable", 10, "stage is a stage and endorsable is yes or no", None),
    ("birth_year < signed_up_at", 14, "birth_year is a number and signed_up_at is a moment", None),
    ("custom.call_date < signed_up_at", 20, "is a date and signed_up_at is a moment", None),
    ("birth_year == true", 15, "birth_year is a number: true does not compare with it", None),
    ("birth_year < 7d", 14, "birth_year is no age", None),
    ("age(signed_up_at) == 7d", 22, "No two ages are equal", None),
    ("age(birth_year) < 7d", 5, "birth_year is no moment", None),
    ("age(signed_up_at)", 1, "age() is a duration. Compare it", None),
    ("endorsable > true", 14, "endorsable is yes or no", None),
    ("tag(\"a\") == true", 1, "tag(...) is true or false already", None),
    ("(state == \"WI\") == true", 2, "compares values, and this is true or false", None),
    ("event(\"x\") is none", 1, "Only a field can be none", None),
    ("stage in []", 10, "The list is empty", None),
    ("state in [county]", 11, "A list holds written values, not fields", None),
    ("endorsable in [true]", 1, "a list cannot name it", None),
    ("state in 5d", 10, "in needs a list", None),
    ('today > "tomorrow"', 9, 'today is a date, and "tomorrow" is none', None),
    ('today > "2026-02-30"', 9, 'A date is written year-month-day: "2026-12-03"', None),
    ('today > "3026-02-03"', 9, "The year 3026 is a slip of the keyboard", None),
    ("active(withn=30d)", 14, "active() takes no withn=; nearest: within=", None),
    ("tag(\"a\", within=3d)", 17, "tag() takes no within=", None),
    ("active(within=3d, within=4d)", 26, "within= stands twice", None),
    ("active(since=yesterday)", 14, "since= takes entry only", None),
    ("active(within=x)", 15, "within= takes a duration, such as within=30d", None),
    ("tag()", 1, 'tag() needs tag, as in tag("name")', None),
    ('tag("a", "b")', 10, 'tag() takes 1 name, as in tag("name")', None),
    ('tag("")', 5, "The name is empty", None),
    ("tag(5)", 5, "Tags are quoted names", None),
    ('answered("did_you")', 1, 'answered() needs an answer, as in answered("did_you", "filed")', None),
    ('state | lower == "wi"', 7, '"|" is a filter, and filters belong to templates', None),
    ("birth_year + 1 > 3", 1, "Expressions do not calculate", None),

    ("endorsable if true else false", 12, '"if" has no place here', None),
    ('custom["volunteer"]', 7, "A field is named with a dot", None),
    ('stage contains "f"', 7, '"contains" is no word of an expression', None),
    ('endorsable tag("a")', 12, "and, or, == or a comma is missing", None),
    ('stage == "filed" and', 18, 'The expression stops after "and"', None),
    ("and endorsable", 1, 'Before "and" there is something missing', None),
    ("== 5", 1, 'An expression does not begin with "=="', None),
    ('(stage == "filed"', 1, 'The "(" is never closed', None),
    ('stage == "filed")', 17, 'The ")" closes nothing', None),
    ('stage in ["filed")', 18, '"[" is closed by "]"', None),
    ('stage == "filed', 10, 'The quote " is never closed', None),
    ("stage == \"a\\x\"", 12, '"\\x" means nothing in a text', None),
    ("birth_year > 99999999999999999999", 14, "The number is too large", None),
    ("active(within=9999d)", 15, "is longer than ten years", None),
    ("stage is", 7, 'The expression stops after "is"', None),
    ("", 1, "The expression is empty", None),
    ("  \n ", 1, "The expression is empty", None),
    ("entity.name is none", 1, "entity.name exists in templates only", None),
    ("window is none", 1, "window is asked for its parts or by a function", None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "column", "message", "fixed"), CASES, ids=[case[0] for case in CASES])
def test_a_mistake_is_answered(text: str, column: int, message: str, fixed: str | None) -> None:
    """What is said, where, and the corrected text only where it cannot change what was meant."""
    error = refusal(text)
    assert message in str(error)
    assert (error.line, error.column, error.hint) == (1, column, fixed)


@pytest.mark.parametrize("text", [case[0] for case in CASES if case[3]])
def test_a_corrected_text_holds(text: str) -> None:
    """What `check --fix` writes parses."""
    fixed = check_fix(text, FULL)
    assert fixed is not None
    parse(fixed, FULL)


@pytest.mark.parametrize("text", [case[0] for case in CASES if not case[3]])
def test_what_must_be_decided_is_left_alone(text: str) -> None:
    """`check --fix` does not guess."""
    assert check_fix(text, FULL) is None


def test_several_slips_are_mended_together() -> None:
    """One run of `check --fix` is enough."""
    written = "stage = “filed” && !endorsable || state != null"
    assert check_fix(written, FULL) == 'stage == "filed" and not endorsable or state is not none'


def test_what_can_be_mended_is_mended_though_the_rest_is_open() -> None:
    """A misspelt name stays for its author, the rest is done."""
    assert check_fix('stage = "onborded"', FULL) == 'stage == "onborded"'


def test_a_right_expression_needs_no_fix() -> None:
    """None means there is nothing to do."""
    assert check_fix('stage == "filed"', FULL) is None


def test_slips_are_mended_without_knowing_the_names() -> None:
    """A file can be mended before the release is known."""
    assert check_fix('stage = "filed"') == 'stage == "filed"'


def test_the_place_is_counted_in_lines_and_columns() -> None:
    """From 1, inside the expression's own text, and only the line to mend is shown."""
    error = refusal('stage in ["filed"]\n  and state = "WI"\n  and endorsable')
    assert (error.line, error.column) == (2, 13)
    assert str(error) == '"=" compares nothing. Write: and state == "WI"'
    assert error.hint == 'stage in ["filed"]\n  and state == "WI"\n  and endorsable'


def test_a_text_that_cannot_be_stored_is_refused() -> None:
    """Control characters and halves of a character never reach a database."""
    for char in ("\x00", "\x07", "\ud800"):
        assert "cannot be stored" in str(refusal(f'county == "a{char}"'))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('received("hello")', 'Write: received("welcome/hello")'),
        ('received("nowhere")', 'Write the campaign before it: "campaign/nowhere"'),
        ("active(since=entry)", "since=entry has no meaning here: nobody has entered yet"),
        ("window.closes is none", "only in a campaign whose entry is per: filing_window"),
        ("window.frob is none", "window exists in a campaign whose entry is per: filing_window"),
    ],
)  # fmt: skip
def test_what_does_not_exist_outside_a_campaign(text: str, message: str) -> None:
    """A segment or an audience has no enrollment and no window."""
    assert message in str(refusal(text, PLAIN))
