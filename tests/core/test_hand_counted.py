"""Days to a deadline that were counted by hand."""

import pytest

from rfs_mail.core.hand_counted import hand_counted


@pytest.mark.parametrize(
    ("text", "words", "days"),
    [
        ("Three days left to file", "Three days left", 3),
        ("Only 30 days to go", "Only 30 days to go", 30),
        ("You have two weeks until it closes.", "two weeks until", 14),
        ("in forty-five days", "in forty-five days", 45),
        ("The window closes in one week.", "in one week", 7),
        ("Filing ends 5 days from now", "5 days from now", 5),
        ("The deadline is three days off", "three days", 3),
        ("It closes tomorrow.", "tomorrow", 1),
        ("The day after tomorrow it is over", "day after tomorrow", 2),
        ("Yesterday the window closed", "Yesterday", -1),
        ("It closes today at five.", "today", 0),
        ("Last chance tonight", "tonight", 0),
        ("Quedan tres días", "Quedan tres días", 3),
        ("Cierra en 30 días.", "en 30 días", 30),
        ("Faltan dos semanas", "Faltan dos semanas", 14),
        ("El plazo termina mañana", "mañana", 1),
        ("Pasado mañana vence", "Pasado mañana", 2),
        ("Hoy termina el plazo", "Hoy", 0),
    ],
)
def test_a_count_to_a_deadline_is_found(text: str, words: str, days: int) -> None:
    """What is said, where it begins, and how many days ahead it says, in both languages."""
    assert [(text.index(words), words, days)] == [(one.start, one.words, one.days) for one in hand_counted(text)]


@pytest.mark.parametrize(
    "text",
    [
        "Your report is due within ten days of filing.",
        "File it 10 days after the election.",
        "Call your clerk today.",
        "The office opens at nine every day.",
        "A stamp costs 30 cents, days are long.",
        "Llama por la mañana, a las diez.",
        "Abren a las 9 de la mañana.",
        "Hoy puedes llamar a la oficina.",
        "Hace años que nadie se postula. Once upon a time, days were longer.",
        "It closes on ····· at five.",
    ],
)
def test_other_days_are_left_alone(text: str) -> None:
    """Days that are no countdown: rules of law, habits, mornings, what to do today."""
    assert [] == list(hand_counted(text))


def test_several_counts_come_in_their_order() -> None:
    """A text is read to its end, whatever kind of words it counts with."""
    text = "It closes tomorrow. Not in three days, and not today: the deadline is near."
    assert ["tomorrow", "in three days", "today"] == [one.words for one in hand_counted(text)]
