"""
The expression language of campaign files: text in, checked tree out.

Jinja's own parser reads it, so that an expression means in a campaign file what it means in a template; the words come
from `expression_tokens`, which knows columns, and the meaning from `expression_check`, which knows names and types.
Jinja's nodes carry a line number only: here it is the offset of the word in the text.
"""

from functools import lru_cache
from typing import Final

from jinja2 import Environment, TemplateSyntaxError, nodes
from jinja2.lexer import Token as JinjaToken
from jinja2.lexer import TokenStream, operators
from jinja2.parser import Parser

from rfs_mail.core.evaluation import AtomResult, evaluate, explain
from rfs_mail.core.expression_check import Checker
from rfs_mail.core.expression_raw import (
    Raw,
    RawCall,
    RawCompare,
    RawConst,
    RawIsNone,
    RawJoin,
    RawList,
    RawName,
    RawNot,
    RawOperator,
)
from rfs_mail.core.expression_source import Edit, Source
from rfs_mail.core.expression_tokens import LONGEST, Token, scan
from rfs_mail.core.expression_tree import Expression, Length, quoted
from rfs_mail.core.facts import PersonFacts
from rfs_mail.core.vocabulary import FieldType, Vocabulary
from rfs_mail.errors import ExpressionError

__all__ = [
    "LONGEST",
    "AtomResult",
    "Expression",
    "FieldType",
    "PersonFacts",
    "Vocabulary",
    "check_fix",
    "evaluate",
    "explain",
    "parse",
]


def parse(text: str, vocabulary: Vocabulary) -> Expression:
    """
    Read and check an expression where it stands; segments are opened, so the result needs nothing else.

    Raises ExpressionError with line and column inside the text, a message that says what to write instead, and the
    corrected text as `hint` where the correction cannot change what was meant.
    """
    return Expression(text, Checker(Source(text), vocabulary, read).check())


def check_fix(text: str, vocabulary: Vocabulary | None = None) -> str | None:
    """
    The text with everything mended that can be mended without a question, or None where there is nothing to mend.

    The result may still hold an error that somebody has to decide on.
    """
    words = vocabulary or Vocabulary()
    fixed = text
    for _ in range(_MOST_FIXES):
        try:
            parse(fixed, words)
        except ExpressionError as error:
            if error.hint is None or error.hint == fixed:
                break
            fixed = error.hint
        else:
            break
    return None if fixed == text else fixed


_MOST_FIXES: Final = 50
_SCRATCH: Final = Environment(autoescape=True)  # it renders nothing: the parser wants one to make its nodes


@lru_cache(maxsize=2048)
def read(source: Source) -> Raw:
    """The text as a tree, names and types unchecked. Raises ExpressionError."""
    tokens = scan(source)
    parser = Parser(_SCRATCH, "")
    parser.stream = TokenStream([_jinja_token(token) for token in tokens], None, None)
    try:
        tree = parser.parse_expression()
        rest = parser.stream.current
    except TemplateSyntaxError as error:
        raise _syntax_error(source, tokens, error.lineno - 1) from None
    if rest.type != "eof":
        raise _syntax_error(source, tokens, rest.lineno - 1)
    return _Reading(source, tokens).convert(tree)


def _jinja_token(token: Token) -> JinjaToken:
    line = token.start + 1
    match token.kind:
        case "operator":
            return JinjaToken(line, operators[str(token.value)], str(token.value))
        case "number" | "duration":
            return JinjaToken(line, "integer", token.value)  # type: ignore[arg-type]  # its value becomes a Const
        case kind:
            return JinjaToken(line, kind, str(token.value))


def _syntax_error(source: Source, tokens: tuple[Token, ...], offset: int) -> ExpressionError:
    """Jinja names the word it stumbled over; at the end of the text that is the last one."""
    place = next((index for index, token in enumerate(tokens) if token.start >= offset), len(tokens) - 1)
    token = tokens[place]
    shown = source.text[token.start : token.end]
    if place == len(tokens) - 1 and not token.ends_operand:
        return source.error(f'The expression stops after "{shown}": something is missing there', token.start)
    before = tokens[place - 1] if place else None
    if before is None:
        return source.error(f'An expression does not begin with "{shown}"', token.start)
    earlier = source.text[before.start : before.end]
    return source.error(f'"{shown}" does not fit after "{earlier}"', token.start)


class _Reading:
    """Jinja's tree of one text as ours."""

    def __init__(self, source: Source, tokens: tuple[Token, ...]) -> None:
        self.source = source
        self.tokens = tokens
        self.index = {token.start: place for place, token in enumerate(tokens)}
        self.closed_at = _pairs(tokens)

    def convert(self, node: nodes.Expr) -> Raw:
        at = node.lineno - 1
        match node:
            case nodes.And() | nodes.Or():
                return self._join(node)
            case nodes.Not(node=nodes.Test() as test) if self.tokens[self.index[at]].is_word("is"):
                inner = self.convert(test)
                return RawNot(inner, inner.start, inner.end)
            case nodes.Not():
                item = self.convert(node.node)
                return RawNot(item, at, item.end)
            case nodes.Test():
                return self._is_none(node)
            case nodes.Compare():
                first = self.convert(node.expr)
                rest: list[tuple[RawOperator, Raw]] = [(_operator(op.op), self.convert(op.expr)) for op in node.ops]
                return RawCompare(first, tuple(rest), first.start, rest[-1][1].end)
            case nodes.Name(name=("and" | "or" | "not" | "in" | "is") as word):
                raise self.source.error(f'"{word}" stands where a value is expected', at)
            case nodes.Name():
                return RawName((node.name,), at, self._end(at))
            case nodes.Getattr():
                return self._dotted(node)
            case nodes.Const():
                return RawConst(_constant(node.value), at, self._end(at))
            case nodes.Neg(node=nodes.Const(value=int() | float() as number) as inner) if not isinstance(number, bool):
                return RawConst(-number, at, self._end(inner.lineno - 1))
            case nodes.List():
                return RawList(tuple(map(self.convert, node.items)), at, self.closed_at[at])
            case nodes.Tuple():
                items = tuple(map(self.convert, node.items))
                return RawList(items, at, items[-1].end if items else at)
            case nodes.Call():
                return self._call(node)
            case nodes.Getitem():
                raise self.source.error("A field is named with a dot, such as custom.office_interest", at)
            case nodes.Neg() | nodes.Pos() | nodes.BinExpr() | nodes.Concat():
                raise self._calculated(node)
            case _:
                raise self.source.error("This has no meaning in an expression", at)

    def _join(self, node: nodes.And | nodes.Or) -> Raw:
        kind = type(node)
        items: list[Raw] = []
        rest: nodes.Expr = node
        while isinstance(rest, kind):  # a long chain leans to the left
            items.append(self.convert(rest.right))
            rest = rest.left
        items.append(self.convert(rest))
        items.reverse()
        return RawJoin("and" if kind is nodes.And else "or", tuple(items), items[0].start, items[-1].end)

    def _is_none(self, node: nodes.Test) -> Raw:
        item = self.convert(node.node)
        place = self.index[node.lineno - 1] + 1
        if self.tokens[place].is_word("not"):
            place += 1
        if node.args or node.kwargs or node.dyn_args or node.dyn_kwargs or node.name.lower() != "none":
            raise self.source.error('After "is none" the question ends', self.tokens[place].start)
        return RawIsNone(item, item.start, self.tokens[place].end)

    def _dotted(self, node: nodes.Getattr) -> Raw:
        path: list[str] = []
        end = self.tokens[self.index[node.lineno - 1] + 1].end
        rest: nodes.Expr = node
        while isinstance(rest, nodes.Getattr):
            path.append(rest.attr)
            rest = rest.node
        if not isinstance(rest, nodes.Name):
            raise self.source.error("A dot follows a name only, such as custom.office_interest", node.lineno - 1)
        return RawName((rest.name, *reversed(path)), rest.lineno - 1, end)

    def _call(self, node: nodes.Call) -> Raw:
        bracket = node.lineno - 1
        if not isinstance(node.node, nodes.Name | nodes.Getattr):
            raise self.source.error("Only a function can be asked with brackets, such as tag(...)", bracket)
        if node.dyn_args is not None or node.dyn_kwargs is not None:
            raise self.source.error('"*" has no meaning in an expression', bracket)
        function = self.convert(node.node)
        assert isinstance(function, RawName)
        keywords = tuple((keyword.key, self.convert(keyword.value)) for keyword in node.kwargs)
        arguments = tuple(map(self.convert, node.args))
        return RawCall(function, arguments, keywords, function.start, self.closed_at[bracket])

    def _calculated(self, node: nodes.Expr) -> ExpressionError:
        at = node.lineno - 1
        if isinstance(node, nodes.Sub) and isinstance(node.left, nodes.Name) and isinstance(node.right, nodes.Name):
            end = self._end(node.right.lineno - 1)
            written = self.source.text[at:end]
            if written == f"{node.left.name}-{node.right.name}":  # es-US
                return self.source.error(f"{written} needs quotes", at, [Edit(at, end, quoted(written))])
        return self.source.error("Expressions do not calculate. Compare two values, and put quotes around text", at)

    def _end(self, start: int) -> int:
        return self.tokens[self.index[start]].end


def _operator(word: str) -> RawOperator:
    for known in _OPERATORS:
        if known == word:
            return known
    raise AssertionError(word)


_OPERATORS: Final[tuple[RawOperator, ...]] = ("eq", "ne", "lt", "lteq", "gt", "gteq", "in", "notin")


def _constant(value: object) -> str | int | float | bool | Length | None:
    assert value is None or isinstance(value, str | int | float | bool | Length)
    return value


def _pairs(tokens: tuple[Token, ...]) -> dict[int, int]:
    """Offset of each opening bracket -> the end of its closing one."""
    pairs: dict[int, int] = {}
    waiting: list[int] = []
    for token in tokens:
        if token.is_operator("(", "["):
            waiting.append(token.start)
        elif token.is_operator(")", "]"):
            pairs[waiting.pop()] = token.end
    return pairs
