"""What an expression means: its tree, what it depends on, what it names, and how large it may be."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from rfs_mail.core.campaign import FieldSpec
from rfs_mail.core.expression import check_fix, parse
from rfs_mail.core.expression_tree import And, Asked, Compare, Constant, Field, Holds, Missing, Not, OneOf, Or, Segment
from rfs_mail.core.vocabulary import NUMBER, STAGE, Vocabulary
from rfs_mail.errors import ExpressionError
from tests.core.expression_samples import ENROLLED_SAMPLES, FIELDS, FULL, PLAIN, SAMPLES, expressions

CAMPAIGNS = Path(__file__).parents[2] / "campaigns"

ALL = SAMPLES + ENROLLED_SAMPLES


def field(name: str) -> Field:
    """A built-in field as the tree has it."""
    found = parse(f"{name} is none", PLAIN).root
    assert isinstance(found, Missing)
    return found.value


def refusal(text: str, vocabulary: Vocabulary = FULL) -> ExpressionError:
    """The error that this text raises."""
    with pytest.raises(ExpressionError) as raised:
        parse(text, vocabulary)
    return raised.value


# -- the tree ----------------------------------------------------------------------------------------------------------


def test_a_comparison_has_its_types() -> None:
    """A stage is compared with a stage, a number with a number."""
    stage, year = parse('stage >= "filed"', PLAIN).root, parse("birth_year < 1990", PLAIN).root
    assert stage == Compare(field("stage"), ">=", Constant("filed", STAGE))
    assert year == Compare(field("birth_year"), "<", Constant(1990, NUMBER))


def test_the_written_value_always_stands_on_the_right() -> None:
    """`1990 > birth_year` is `birth_year < 1990`."""
    assert parse("1990 > birth_year", PLAIN).root == parse("birth_year < 1990", PLAIN).root


def test_negated_forms_are_a_not_around_the_plain_ones() -> None:
    """`!=`, `not in` and `is not none` keep the people without a value because they are `not` of something."""
    assert parse('state != "WI"', PLAIN).root == parse('not state == "WI"', PLAIN).root
    assert parse('state not in ["WI"]', PLAIN).root == parse('not state in ["WI"]', PLAIN).root
    assert parse("state is not none", PLAIN).root == Not(Missing(field("state")))


def test_and_binds_closer_than_or_and_not_closest() -> None:
    """As in Jinja and in Python."""
    found = parse('not endorsable and tag("a") or tag("b")', PLAIN).root
    assert found == Or((And((Not(Holds(field("endorsable"))), Asked("tag", ("a",)))), Asked("tag", ("b",))))


def test_a_chained_comparison_is_both_of_its_parts() -> None:
    """`1980 < birth_year <= 2000` asks two things."""
    assert (
        parse("1980 < birth_year <= 2000", PLAIN).root == parse("birth_year > 1980 and birth_year <= 2000", PLAIN).root
    )


def test_person_may_stand_before_a_field() -> None:
    """`person.state` is `state`, also for custom fields and tags."""
    for short in ('state == "WI"', "custom.volunteer", 'tag("vip")', 'role("volunteer")'):
        assert parse(f"person.{short}", PLAIN).root == parse(short, PLAIN).root


def test_a_segment_carries_what_it_stands_for() -> None:
    """Nobody has to look it up again."""
    found = parse('segment("ready")', PLAIN).root
    assert isinstance(found, Segment)
    assert found.body == parse(PLAIN.segments["ready"], PLAIN).root


def test_brackets_of_either_kind_make_a_list() -> None:
    """`in ("a", "b")` is how some write it, and a value that is named twice is one."""
    assert parse('state in ("WI", "GA", "WI")', PLAIN).root == parse('state in ["WI", "GA"]', PLAIN).root


def test_quotes_and_escapes() -> None:
    """Either quote, and a backslash before a quote, a backslash, n and t."""
    found = parse(r"""custom.note in ["a'b", 'c"d', "e\"f", "g\\h", "i\nj"]""", PLAIN).root
    assert isinstance(found, OneOf)
    assert [item.value for item in found.items] == ["a'b", 'c"d', 'e"f', "g\\h", "i\nj"]


def test_an_expression_may_have_several_lines() -> None:
    """Folded and literal YAML texts come with line breaks."""
    assert (
        parse('stage == "filed"\n  and\n\tendorsable\n', PLAIN).root
        == parse('stage == "filed" and endorsable', PLAIN).root
    )


@pytest.mark.parametrize("text", ALL)
def test_every_sample_says_its_meaning_again(text: str) -> None:
    """The canonical text parses to the same tree and is its own canonical text."""
    expression = parse(text, FULL)
    again = parse(expression.canonical, FULL)
    assert (again.root, again.canonical) == (expression.root, expression.canonical)


@given(expressions(ALL))
def test_any_joined_expression_says_its_meaning_again(text: str) -> None:
    """The same for whatever is joined of them."""
    expression = parse(text, FULL)
    assert parse(expression.canonical, FULL).root == expression.root


def test_equal_texts_are_equal_and_hash_alike() -> None:
    """An expression can be a key."""
    assert len({parse('tag("a") or endorsable', PLAIN), parse('tag("a") or endorsable', PLAIN)}) == 1


def test_a_long_number_keeps_its_digits() -> None:
    """A small fraction is not written with an exponent, which the language does not have."""
    assert parse("custom.hours > 0.0000001", PLAIN).canonical == "custom.hours > 0.0000001"


# -- what it depends on ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('stage == "filed"', False),
        ("age(signed_up_at) < 7d", True),
        ('today >= "2026-11-10"', True),
        ('today in ["2026-11-10"]', True),
        ("signed_up_at < today", True),
        ('signed_up_at < "2026-11-10"', False),
        ('event("x")', False),
        ('event("x", within=30d)', True),
        ("mails() >= 6", False),
        ("mails(within=180d) >= 6", True),
        ("mails(within=180d) in [1, 2]", True),
        ("active(since=entry)", False),
        ("has_window()", True),
        ("wants(window)", False),
        ('not (endorsable or segment("ready"))', True),
    ],
)
def test_what_moves_with_time(text: str, expected: bool) -> None:
    """Only these can change without a write, so only these are swept daily."""
    assert parse(text, FULL).depends_on_time is expected


def test_any_window_moves_with_time() -> None:
    """Outside `per: filing_window`, `wants(window)` asks for one that is still ahead."""
    assert [parse(f"{name}(window)", PLAIN).depends_on_time for name in ("wants", "lives_in", "filed")] == [
        True,
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("text", "window", "enrollment"),
    [
        ("window.closes is none", True, False),
        ("window.petition_due is none", True, False),
        ("age(window.opens) > 1d", True, False),
        ("filed(window)", True, False),
        ('stage == "filed"', False, False),
        ('received("day")', False, True),
        ('received("welcome/hello")', False, False),
        ('clicked("day") and wants(window)', True, True),
        ("active(since=entry)", False, True),
        ("mails(since=entry) > 1", False, True),
        ('not event("x", since=entry)', False, True),
    ],
)
def test_what_it_needs_from_its_place(text: str, window: bool, enrollment: bool) -> None:
    """The caller learns what to hand in."""
    expression = parse(text, FULL)
    assert (expression.uses_window, expression.uses_enrollment) == (window, enrollment)


@pytest.mark.parametrize(
    ("text", "turns", "any_window"),
    [
        ('window.status == "cancelled"', True, False),
        ("window.petition_due is none", True, False),
        ("age(window.opens) > 1d", True, False),
        ("filed(window)", False, False),
        ("wants(window)", True, False),
        ('stage == "filed" or not lives_in(window)', True, False),
        ("has_window(closes_within=60d)", True, True),
        ('received("day")', False, False),
    ],
)
def test_what_turns_with_a_window(text: str, *, turns: bool, any_window: bool) -> None:
    """These are asked again when a window says something else, in its own campaign or in any."""
    expression = parse(text, FULL)
    assert (expression.turns_with_window, expression.asks_any_window) == (turns, any_window)


def test_outside_its_campaign_any_window_is_asked_about() -> None:
    """`filed(window)` asks for a candidacy, there too."""
    asked = [parse(f"{name}(window)", PLAIN) for name in ("wants", "lives_in", "filed")]
    assert [(one.turns_with_window, one.asks_any_window) for one in asked] == [
        (True, True),
        (True, True),
        (False, False),
    ]


def test_outside_a_window_campaign_no_window_is_needed() -> None:
    """There `wants(window)` looks among all of them."""
    assert parse("wants(window) or filed(window)", PLAIN).uses_window is False


def test_what_it_names() -> None:
    """Everything a revision has to carry along, segments and what is inside them too."""
    text = (
        'segment("ready") and custom.volunteer and consented("rfs") and topic("running") and registered("nrfod") '
        'and answered("welcome/did_you", "filed") and in_campaign("nrfod") and event("x") and window.status == "moved"'
    )
    assert parse(text, FULL).names == {
        ("segment", "ready"),
        ("field", "stage"),
        ("custom", "volunteer"),
        ("entity", "rfs"),
        ("topic", "running"),
        ("calendar", "nrfod"),
        ("step", "welcome/did_you"),
        ("answer", "filed"),
        ("campaign", "nrfod"),
        ("event", "x"),
        ("window", "status"),
    }


def test_atoms_are_what_explain_answers_line_by_line() -> None:
    """Segments are opened, a `not` stays with its part."""
    expression = parse('not endorsable and (tag("a") or segment("ready"))', PLAIN)
    assert [text for text, _ in expression.atoms] == [
        "not endorsable",
        'tag("a")',
        'stage in ["committed", "circulating"]',
        "has_window(closes_within=60d)",
    ]


def test_a_renamed_step_is_known_by_both_keys() -> None:
    """What was sent under the old key still counts."""
    found = parse('received("hello")', FULL).root
    assert found == Asked("received", keys=("hello", "hi"))


# -- limits ------------------------------------------------------------------------------------------------------------


def test_two_thousand_characters_are_the_most() -> None:
    """One more is refused, before anything is parsed."""
    text = 'county == "{}"'
    room = 2000 - len(text.format(""))
    assert parse(text.format("x" * room), PLAIN).text == text.format("x" * room)
    assert str(refusal(text.format("x" * (room + 1)))).startswith("An expression has at most 2,000 characters")


@pytest.mark.parametrize("opening", ["(", "not ", "not (", "(not not "])
def test_thirty_levels_are_the_deepest(opening: str) -> None:
    """Brackets and `not` count alike, and no text is too deep to be told so."""
    for times in (31, 150):
        closing = ")" * (opening.count("(") * times)
        assert "nested more than 30 deep" in str(refusal(opening * times + "endorsable" + closing))
    assert parse("not " * 29 + "endorsable", PLAIN).canonical == "not " * 29 + "endorsable"


def test_two_hundred_questions_are_the_most() -> None:
    """Segments count with what they stand for."""
    twenty = " or ".join(f'tag("{number}")' for number in range(20))
    words = Vocabulary(segments={"twenty": twenty})
    assert len(parse(" or ".join(['segment("twenty")'] * 10), words).leaves) == 200
    assert "This asks 220 questions" in str(refusal(" or ".join(['segment("twenty")'] * 11), words))


def test_segments_that_double_each_other_are_refused_quickly() -> None:
    """Twenty segments, each naming the one before twice, would be a million questions."""
    segments = {"s0": "endorsable"} | {f"s{n}": f'segment("s{n - 1}") or segment("s{n - 1}")' for n in range(1, 21)}
    assert "questions" in str(refusal('segment("s20")', Vocabulary(segments=segments)))


def test_a_long_chain_of_segments_is_refused() -> None:
    """However deep they refer to each other, the answer is an error of ours."""
    segments = {"s0": "endorsable"} | {f"s{n}": f'not segment("s{n - 1}")' for n in range(1, 300)}
    assert "deep" in str(refusal('segment("s299")', Vocabulary(segments=segments)))


def test_segments_in_a_circle_are_named_in_order() -> None:
    """The way round is shown, wherever one steps in."""
    words = Vocabulary(segments={"a": 'segment("b")', "b": 'endorsable or segment("a")', "c": 'segment("a")'})
    assert str(refusal('segment("a")', words)) == "Segments go in a circle: a -> b -> a"
    assert str(refusal('segment("c")', words)) == "Segments go in a circle: a -> b -> a"


def test_an_error_in_a_segment_names_it() -> None:
    """The place is where it is used; what is wrong is said as if one stood there."""
    error = refusal('endorsable and segment("bad")', Vocabulary(segments={"bad": 'stage == "onborded"'}))
    assert (str(error), error.column) == ('In segment "bad": No stage "onborded"; nearest: "onboarded"', 16)


def test_a_segment_stands_outside_of_every_campaign() -> None:
    """It cannot ask about an enrollment or a window, whoever uses it."""
    segments = {"mine": 'received("day")', "late": "active(since=entry)", "soon": "window.closes is none"}
    words = Vocabulary(segments=segments, steps=("day",), in_window=True, in_enrollment=True)
    for name in segments:
        assert str(refusal(f'segment("{name}")', words)).startswith(f'In segment "{name}": ')


# -- nothing but our own errors ----------------------------------------------------------------------------------------


def problem(text: str) -> ExpressionError | None:
    """What is wrong with a text, if anything is."""
    try:
        parse(text, FULL)
    except ExpressionError as error:
        return error
    return None


_PIECES = st.sampled_from(
    [
        *"()[]{}.,=!<>|&+-*/%~:;#'\"\\?$ \n\t",
        *[
            "==",
            "!=",
            "<=",
            "{{",
            "}}",
            "{%",
            "**",
            "and",
            "or",
            "not",
            "in",
            "is",
            "none",
            "true",
            "if",
            "else",
            "stage",
            "person",
            "custom",
            "window",
            "today",
            "age",
            "event",
        ],
        *[
            "segment",
            "tag",
            "mails",
            "received",
            "within",
            "since",
            "entry",
            "filed",
            "wants",
            "null",
            "7",
            "7d",
            "30min",
            "02139",
            "2026-11-10",
            "1.5",
        ],
        *('"filed"', '"day"', '"ready"', "'x'", "“", "”", "\u200b", "\x00", "\ud800", "é", "9" * 21),
    ]
)
_MANY = st.lists(_PIECES, max_size=14)


@given(st.one_of(st.text(max_size=60), _MANY.map("".join), _MANY.map(" ".join)))
def test_any_text_parses_or_is_refused_in_our_words(text: str) -> None:
    """Whatever is written: a tree, or an ExpressionError with a place inside the text and a sentence."""
    error = problem(text)
    if error is not None:
        lines = text.split("\n")
        assert 1 <= error.line <= len(lines)
        assert 1 <= error.column <= len(lines[error.line - 1]) + 1
        assert len(str(error)) > 10
        assert "jinja" not in str(error).lower()


@given(expressions(ALL), st.integers(0, 200), st.integers(0, 3), _PIECES)
def test_a_damaged_expression_is_refused_in_our_words(text: str, at: int, cut: int, piece: str) -> None:
    """The same for texts that are nearly right; `check_fix` comes to an end and leaves a right one alone."""
    damaged = text[:at] + piece + text[at + cut :]
    fixed = check_fix(damaged, FULL)
    if problem(damaged) is None:
        assert fixed is None
    elif fixed is not None:
        assert check_fix(fixed, FULL) is None


# -- what is shipped ---------------------------------------------------------------------------------------------------


def shipped_expressions() -> list[tuple[str, str]]:
    """(campaign file, expression) of everything the shipped files ask."""
    found: list[tuple[str, str]] = []

    def collect(name: str, value: Any, key: str = "") -> None:
        if isinstance(value, dict):
            for inner, each in value.items():
                collect(name, each, inner)
        elif isinstance(value, list):
            for each in value:
                collect(name, each, key)
        elif key in ("when", "goal", "audience", "exclude", "wait_for", "require", "while", "where", "exit"):
            found.append((name, str(value)))

    for path in sorted(CAMPAIGNS.glob("*.yaml")):
        collect(path.stem, yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader))
    return found


def shipped_vocabulary(name: str) -> Vocabulary:
    """The words of a shipped file."""
    read = {
        path.stem: yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
        for path in CAMPAIGNS.glob("*.yaml")
    }
    keys = {stem: tuple(_keys(content["steps"])) for stem, content in read.items() if "steps" in content}
    entry = read[name].get("entry", {})
    fields = [
        FieldSpec(slug=slug, type=spec["type"], values=spec.get("values", ())) for slug, spec in read["fields"].items()
    ]
    return Vocabulary(
        fields={spec.slug: spec for spec in fields},
        segments={slug: spec["where"] for slug, spec in read["segments"].items()},
        entities=tuple(read["entities"]["entities"]),
        topics=tuple(read["entities"]["topics"]),
        calendars=("intro_call", "nrfod", "endorsement_class", "election_day"),
        steps=keys.get(name, ()),
        campaigns={"filing_countdown": (), **keys},
        in_window=entry.get("per") == "filing_window",
        in_enrollment=name in keys,
    )


@pytest.mark.parametrize(("name", "text"), shipped_expressions())
def test_the_shipped_files_parse(name: str, text: str) -> None:
    """Every expression of the shipped campaigns and segments."""
    vocabulary = shipped_vocabulary(name)
    expression = parse(text, vocabulary)
    assert parse(expression.canonical, vocabulary).root == expression.root


def _keys(steps: list[Any]) -> list[str]:
    keys: list[str] = []
    for step in steps:
        keys.append(step["key"])
        for arm in step.get("branch", []):
            keys += _keys(arm["steps"])
        keys += _keys(step.get("else", []))
    return keys


def test_fields_are_used_as_declared() -> None:
    """The samples cover every type a custom field may have."""
    assert {spec.type for spec in FIELDS.values()} == {"text", "number", "date", "yes_no", "choice"}
