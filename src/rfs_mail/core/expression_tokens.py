"""
The words of an expression, each with its place; slips of the pen are found here, where the columns are known.

What is left after this pass is well formed as far as words, brackets and neighbours go: quotes are closed, brackets
match, durations are one token, `is` is followed by `none`, and no two operands stand side by side.
"""

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from rfs_mail.core.duration import parse_duration
from rfs_mail.core.expression_source import Edit, Source
from rfs_mail.core.expression_tree import Length, quoted
from rfs_mail.core.vocabulary import PERSON_FIELDS
from rfs_mail.errors import ExpressionError, TimeError

LONGEST: Final = 2000
DEEPEST: Final = 30
LARGEST: Final = 2**53
"""Whole numbers up to here mean the same in Python, JSON and both databases."""

KEYWORDS: Final = frozenset({"and", "or", "not", "in", "is"})
WORDS: Final = frozenset({"true", "false", "none", "True", "False", "None"})
_NOTHING: Final = frozenset({"null", "nil", "none", "undefined", "empty", "missing", "blank"})


@dataclass(frozen=True, slots=True)
class Token:
    """
    A word of an expression. `kind`: name, string, number, duration, operator.

    `value` is what it means: the text, the number, the Length; for names and operators what is written.
    """

    kind: str
    value: str | int | float | Length
    start: int
    end: int

    def is_operator(self, *signs: str) -> bool:
        """Is it one of these signs?"""
        return self.kind == "operator" and self.value in signs

    def is_word(self, *words: str) -> bool:
        """Is it one of these words?"""
        return self.kind == "name" and self.value in words

    @property
    def begins_operand(self) -> bool:
        """May a value begin with it?"""
        return self.kind != "operator" and not self.is_word(*KEYWORDS)

    @property
    def ends_operand(self) -> bool:
        """May a value end with it?"""
        return self.begins_operand or self.is_operator(")", "]")


_SPACE = re.compile(r"\s+")
_NAME = re.compile(r"[^\W\d]\w*")
_STRING = re.compile(r"""'([^'\\]*(?:\\.[^'\\]*)*)'|"([^"\\]*(?:\\.[^"\\]*)*)\"""", re.S)
_ESCAPE = re.compile(r"\\(.)", re.S)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?!\d)")
_NUMBER = re.compile(r"(?P<whole>\d+(?:_\d+)*)(?P<fraction>\.\d+)?(?P<word>\w+)?")
_LATE_UNIT = re.compile(r"[ \t]+(min(?:ute)?s?|h(?:our)?s?|hrs?|d(?:ay)?s?|w(?:eek)?s?|months?|years?)\b", re.I)
_OPERATOR = re.compile(r"===|!==|==|!=|<>|<=|>=|=<|=>|&&|\|\||\{\{|\}\}|\{%|%\}|\*\*|//|[-+*/%~=!<>&|()\[\].,]")
_CURLY_QUOTES: Final = "“”„‟«»‘’‚‛`´"
_CURLY = re.compile('[“”„‟«»]([^“”„‟«»"\n]*)[“”„‟«»]|[‘’‚‛`´]([^‘’‚‛`´"\n]*)[‘’‚‛`´]')
_SLIPS: Final = {
    "===": "==",
    "!==": "!=",
    "<>": "!=",
    "=<": "<=",
    "=>": ">=",
    "≤": "<=",
    "≥": ">=",
    "≠": "!=",
    "&&": "and",
    "&": "and",
    "||": "or",
    "∧": "and",
    "∨": "or",
    "¬": "not",
    "–": "-",
    "−": "-",
}
_PLAIN_ESCAPES: Final = {"n": "\n", "t": "\t", '"': '"', "'": "'", "\\": "\\"}


def scan(source: Source) -> tuple[Token, ...]:
    """The words in order. Raises ExpressionError for the first that cannot stand as it is."""
    text = source.text
    if len(text) > LONGEST:
        raise source.error(
            f"An expression has at most {LONGEST:,} characters, this one has {len(text):,}. Name parts as segments",
            LONGEST,
        )
    if not text.strip():
        raise source.error('The expression is empty. Write a condition, such as stage == "filed"', 0)
    return _Scanner(source).scan()


class _Scanner:
    """One pass over one text."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.text = source.text
        self.tokens: list[Token] = []
        self.open: list[tuple[Token, bool, int]] = []
        """Open brackets: the token, whether it is that of a call, the depth of signs before it."""
        self.signs = 0
        """How many `not` and `-` stand before the next operand."""

    def scan(self) -> tuple[Token, ...]:
        at = 0
        while at < len(self.text):
            if space := _SPACE.match(self.text, at):
                at = space.end()
                continue
            token = self._next(at)
            self._check(token)
            self.tokens.append(token)
            at = token.end
        if self.open:
            bracket = self.open[-1][0]
            closing = ")" if bracket.value == "(" else "]"
            raise self.source.error(
                f'The "{bracket.value}" is never closed. Add "{closing}" where it ends', bracket.start
            )
        return tuple(self.tokens)

    @property
    def previous(self) -> Token | None:
        return self.tokens[-1] if self.tokens else None

    # -- one token ---------------------------------------------------------------------------------------------------

    def _next(self, at: int) -> Token:
        char = self.text[at]
        if found := _STRING.match(self.text, at):
            return Token("string", self._unescape(found[0], at), at, found.end())
        if found := _NAME.match(self.text, at):
            return Token("name", found[0], at, found.end())
        if char.isascii() and char.isdigit():
            return self._number(at)
        if found := _OPERATOR.match(self.text, at):
            return self._operator(found[0], at)
        if char in _SLIPS:
            raise self._slip(at, char)
        if char in "'\"":
            raise self.source.error(f"The quote {char} is never closed", at)
        raise self._stray(at, char)

    def _unescape(self, written: str, at: int) -> str:
        def plain(found: re.Match[str]) -> str:
            if found[1] not in _PLAIN_ESCAPES:
                message = f'"\\{found[1]}" means nothing in a text. A backslash itself is written twice'
                raise self.source.error(message, at + 1 + found.start())
            return _PLAIN_ESCAPES[found[1]]

        value = _ESCAPE.sub(plain, written[1:-1])
        for place, char in enumerate(value):
            if unicodedata.category(char) in ("Cc", "Cs") and char not in "\n\t":
                raise self.source.error(
                    f"The text holds a character that cannot be stored (U+{ord(char):04X})", at + 1 + place
                )
        return value

    def _number(self, at: int) -> Token:
        if found := _DATE.match(self.text, at):
            raise self.source.error("A date needs quotes", at, [Edit(at, found.end(), f'"{found[0]}"')])
        found = _NUMBER.match(self.text, at)
        assert found is not None
        whole, fraction, word = found["whole"], found["fraction"], found["word"]
        if word:
            return self._duration(at, found.end())
        if late := _LATE_UNIT.match(self.text, found.end()):
            return self._duration(at, late.end())
        if len(whole) > 1 and whole[0] == "0":
            message = "A number does not begin with 0, and text needs quotes"
            raise self.source.error(message, at, [Edit(at, found.end(), quoted(found[0]))])
        digits = whole.replace("_", "")
        if len(digits) > 17 or int(digits) > LARGEST:
            raise self.source.error("The number is too large. Long codes are text: put quotes around them", at)
        value = float(digits + fraction) if fraction else int(digits)
        return Token("number", value, at, found.end())

    def _duration(self, at: int, end: int) -> Token:
        written = self.text[at:end]
        try:
            length = parse_duration(written)
        except TimeError as error:
            message = str(error).split(". Write")[0]
            fix = [Edit(at, end, error.hint)] if error.hint else []
            advice = "" if fix else ". Write a whole number and a unit of w d h min, such as 30d; text needs quotes"
            raise self.source.error(message + advice, at, fix) from None
        return Token("duration", Length(written, length.nominal, None if length.minutes else length.days), at, end)

    def _operator(self, sign: str, at: int) -> Token:
        end = at + len(sign)
        if sign in ("{{", "}}", "{%", "%}"):
            places = [Edit(found.start(), found.end(), "") for found in re.finditer(r"\{\{-?|-?\}\}", self.text)]
            raise self.source.error("Expressions stand here without {{ }}", at, places if "%" not in sign else ())
        if sign in _SLIPS:
            raise self._slip(at, sign)
        if sign == "!":
            rest = _SPACE.match(self.text, end)
            raise self.source.error('"!" is written "not"', at, [self._spaced(at, rest.end() if rest else end, "not")])
        if sign == "|":
            raise self.source.error('"|" is a filter, and filters belong to templates. For either of two write or', at)
        if sign == "=" and not self._is_keyword_place():
            raise self.source.error('"=" compares nothing', at, [Edit(at, end, "==")])
        return Token("operator", sign, at, end)

    def _is_keyword_place(self) -> bool:
        """After `name` at the start of an argument of a call, `=` gives it a value."""
        if len(self.tokens) < 2 or not self.open or not self.open[-1][1]:
            return False
        return self.tokens[-1].kind == "name" and self.tokens[-2].is_operator("(", ",")

    def _slip(self, at: int, sign: str) -> ExpressionError:
        meant = _SLIPS[sign]
        edit = self._spaced(at, at + len(sign), meant) if meant.isalpha() else Edit(at, at + len(sign), meant)
        return self.source.error(f'"{sign}" is written "{meant}"', at, [edit])

    def _spaced(self, start: int, end: int, word: str) -> Edit:
        before = " " if start and not (self.text[start - 1].isspace() or self.text[start - 1] in "([,") else ""
        after = " " if end < len(self.text) and not self.text[end].isspace() else ""
        return Edit(start, end, before + word + after)

    def _stray(self, at: int, char: str) -> ExpressionError:
        if char in _CURLY_QUOTES:
            pairs = [
                Edit(found.start(), found.end(), quoted(found[1] if found[1] is not None else found[2]))
                for found in _CURLY.finditer(self.text, at)
            ]
            return self.source.error("Quotes are straight", at, pairs)
        if unicodedata.category(char) in ("Cf", "Cc"):
            message = f"There is an invisible character here (U+{ord(char):04X}). Write the line again without it"
            return self.source.error(message, at, [Edit(at, at + 1, "")], say=False)
        shown = char if unicodedata.category(char) != "Cs" else f"U+{ord(char):04X}"
        return self.source.error(f'"{shown}" has no meaning in an expression. Put quotes around text', at)

    # -- a token among its neighbours --------------------------------------------------------------------------------

    def _check(self, token: Token) -> None:
        before = self.previous
        if token.is_word("and", "or", "in", "is") and (before is None or before.is_operator("(", "[", ",")):
            raise self.source.error(f'Before "{token.value}" there is something missing', token.start)
        if token.kind == "name":
            self._check_word(token, before)
        if before is not None and before.is_word("is", "not") and self._after_is(before):
            self._check_is(token, before)
        if before is not None and before.ends_operand:
            calls = token.is_operator("(") and before.kind == "name" and not before.is_word(*WORDS)
            if token.begins_operand or (token.is_operator("(") and not calls):
                raise self._side_by_side(before, token)
        self._count_brackets(token, before)

    def _check_word(self, token: Token, before: Token | None) -> None:
        word = str(token.value)
        if before is not None and before.is_operator("."):
            return
        folded = word.lower()
        if word not in KEYWORDS and folded in KEYWORDS and word.isupper():
            edit = Edit(token.start, token.end, folded)
            raise self.source.error(f'"{word}" is written in lower case', token.start, [edit])
        if word not in WORDS and word.isupper() and folded in ("true", "false"):
            edit = Edit(token.start, token.end, folded)
            raise self.source.error(f'"{word}" is written in lower case', token.start, [edit])
        if folded in _NOTHING and before is not None and before.is_operator("==", "!="):
            meant = "is none" if before.value == "==" else "is not none"
            edit = Edit(before.start, token.end, meant)
            raise self.source.error(f'Whether there is a value is asked with "{meant}"', before.start, [edit])
        if word in ("if", "else"):
            raise self.source.error(
                f'"{word}" has no place here: an expression is one condition. Join with and, or, not', token.start
            )

    def _after_is(self, before: Token) -> bool:
        return before.is_word("is") or (len(self.tokens) > 1 and self.tokens[-2].is_word("is"))

    def _check_is(self, token: Token, before: Token) -> None:
        """What follows `is` or `is not`: only `none` does."""
        if token.is_word("none", "None") or (before.is_word("is") and token.is_word("not")):
            return
        negated = before.is_word("not")
        start = self.tokens[-2].start if negated else before.start
        folded = str(token.value).lower()
        if token.kind == "name" and folded in _NOTHING | {"defined", "known", "set"}:
            asks_presence = folded in ("defined", "known", "set")
            meant = "is not none" if negated != asks_presence else "is none"
            raise self.source.error(
                "Whether there is a value is asked with none", start, [Edit(start, token.end, meant)]
            )
        if token.is_word("true", "false", "True", "False"):
            wanted = (folded == "true") != negated
            edit = Edit(start, token.end, "== true" if wanted else "== false")
            raise self.source.error('"is" asks only for none', start, [edit])
        if token.is_word("in"):
            edit = Edit(start, token.end, "not in" if negated else "in")
            raise self.source.error('"is" has no place before "in"', start, [edit])
        sign = "!=" if negated else "=="
        if token.kind in ("string", "number", "duration"):
            raise self.source.error('"is" asks only for none', start, [Edit(start, token.start, f"{sign} ")])
        if token.kind == "name" and (
            token.value in PERSON_FIELDS or self.text[token.end : token.end + 1] in (".", "(")
        ):
            raise self.source.error('"is" asks only for none', start, [Edit(start, token.start, f"{sign} ")])
        if token.kind == "name":
            word = f"{sign} {quoted(str(token.value))}"
            raise self.source.error(f"{token.value} needs quotes", start, [Edit(start, token.end, word)])
        raise self.source.error('After "is" stands none. To compare write ==', start)

    def _side_by_side(self, before: Token, token: Token) -> ExpressionError:
        first, second = self.text[before.start : before.end], self.text[token.start : token.end]
        if self.open and self.open[-1][0].is_operator("[") and before.kind == token.kind == "string":
            edit = Edit(before.end, before.end, ",")
            return self.source.error(f"Between {first} and {second} a comma is missing", token.start, [edit])
        if token.is_word("contains", "like", "matches", "equals", "startswith", "endswith"):
            return self.source.error(
                f'"{second}" is no word of an expression. There are == != < <= > >= in', token.start
            )
        return self.source.error(f"Between {first} and {second} and, or, == or a comma is missing", token.start)

    def _count_brackets(self, token: Token, before: Token | None) -> None:
        if token.is_word("not") or (token.is_operator("-", "+") and (before is None or not before.ends_operand)):
            self.signs += 1
        elif token.is_operator("(", "["):
            called = token.value == "(" and before is not None and before.kind == "name" and before.begins_operand
            self.open.append((token, called, self.signs))
            self.signs = 0
        elif token.is_operator(")", "]"):
            pair = "(" if token.value == ")" else "["
            if not self.open:
                message = f'The "{token.value}" closes nothing. Take it away, or add "{pair}" where it begins'
                raise self.source.error(message, token.start)
            if self.open[-1][0].value != pair:
                meant = ")" if pair == "[" else "]"
                raise self.source.error(f'"{self.open[-1][0].value}" is closed by "{meant}"', token.start)
            _, _, self.signs = self.open.pop()
        elif not token.is_operator("."):
            self.signs = 0
        if len(self.open) + self.signs + sum(signs for _, _, signs in self.open) > DEEPEST:
            raise self.source.error(
                f"This is nested more than {DEEPEST} deep. Name parts of it as segments", token.start
            )
