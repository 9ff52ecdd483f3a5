"""
The Jinja environments of a mail: sandboxed, strict about names, forgiving about missing values.

* A name the context does not have is an error; a value that is `None` compares as false and may not be printed.
* Comparing is the two-valued comparison of the expression language, because Python would raise for `None < 1990`.
  It is compiled into the template (a call of `environment.compare`), so that values stay plain values.
* Only the filters that a mail needs exist. `safe` is not among them: nothing leaves the escaping of HTML.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from datetime import tzinfo as TimeZone
from functools import update_wrapper
from typing import Any, Final, NoReturn

from jinja2 import StrictUndefined, nodes, pass_context
from jinja2.compiler import CodeGenerator, Frame
from jinja2.ext import Extension
from jinja2.filters import FILTERS
from jinja2.lexer import Token, TokenStream
from jinja2.runtime import Context, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup, escape

from rfs_mail.core.values import Record, compare
from rfs_mail.render import spoken

LONGEST_TEXT: Final = 512 * 1024
"""The most characters one part of a mail may have."""


class TemplateFault(Exception):
    """Something a template did wrong, in words without any person's data. `field` is the name to blame."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class _Unknown(StrictUndefined):
    """A name that does not exist. Using it in any way raises TemplateFault with the name."""

    __slots__ = ()

    def _fail_with_undefined_error(self, *args: Any, **kwargs: Any) -> NoReturn:
        name = str(self._undefined_name or "a value")
        if self._undefined_exception is not None and self._undefined_hint:
            raise TemplateFault(f"{name} cannot be used here", name)
        raise TemplateFault(f"nothing is called {name}", name)

    __iter__ = __str__ = __len__ = _fail_with_undefined_error
    __eq__ = __ne__ = __bool__ = __hash__ = _fail_with_undefined_error
    __contains__ = __call__ = __getitem__ = _fail_with_undefined_error
    __lt__ = __le__ = __gt__ = __ge__ = _fail_with_undefined_error
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _fail_with_undefined_error
    __int__ = __float__ = __html__ = _fail_with_undefined_error

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        self._fail_with_undefined_error()


class _Durations(Extension):
    """Duration literals: `7d`, `12h`, `30min`, `2w` become a call that makes the duration."""

    units = frozenset({"min", "h", "d", "w"})

    def filter_stream(self, stream: TokenStream) -> Iterator[Token]:
        number: Token | None = None
        for token in stream:
            if number is not None:
                if token.type == "name" and token.value in self.units:
                    line = number.lineno
                    yield Token(line, "name", "_duration")
                    yield Token(line, "lparen", "(")
                    yield number
                    yield Token(line, "comma", ",")
                    yield Token(line, "string", token.value)
                    yield Token(line, "rparen", ")")
                    number = None
                    continue
                yield number
                number = None
            if token.type == "integer":
                number = token
                continue
            yield token
        if number is not None:
            yield number


class _CodeGenerator(CodeGenerator):
    """Compiles comparisons and printing into calls of the environment."""

    def visit_Compare(self, node: nodes.Compare, frame: Frame) -> None:
        left = node.expr
        self.write("(")
        for place, operand in enumerate(node.ops):
            if place:
                self.write(" and ")
            self.write(f"environment.compare({operand.op!r}, ")
            self.visit(left, frame)
            self.write(", ")
            self.visit(operand.expr, frame)
            self.write(")")
            left = operand.expr
        self.write(")")

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:
        self.write("markup_join((" if frame.eval_ctx.autoescape else "str_join((")
        for part in node.nodes:
            self.write(f"environment.printed({label_of(part)!r}, ")
            self.visit(part, frame)
            self.write("), ")
        self.write("))")

    def _output_child_pre(self, node: nodes.Expr, frame: Frame, finalize: Any) -> None:
        self.write("escape(" if frame.eval_ctx.autoescape else "str(")
        self.write(f"environment.printed({label_of(node)!r}, ")

    def _output_child_post(self, node: nodes.Expr, frame: Frame, finalize: Any) -> None:
        self.write("))")


def label_of(node: nodes.Node) -> str:
    """The dotted name an expression reads first, for messages: `window.closes_at` of `window.closes_at | day`."""
    while isinstance(node, nodes.Filter) and node.node is not None:
        node = node.node
    if isinstance(node, nodes.Name):
        return node.name
    if isinstance(node, nodes.Getattr):
        owner = label_of(node.node)
        return f"{owner}.{node.attr}" if owner else node.attr
    if isinstance(node, nodes.Call):
        return label_of(node.node)
    if isinstance(node, nodes.Or | nodes.And):
        return label_of(node.left)
    return ""


class MailEnvironment(ImmutableSandboxedEnvironment):
    """Jinja as mails and task titles use it."""

    code_generator_class = _CodeGenerator
    intercepted_binops = frozenset({"*", "**", "%"})

    def __init__(self, *, autoescape: bool) -> None:
        super().__init__(
            autoescape=autoescape,
            undefined=_Unknown,
            extensions=[_Durations],
            keep_trailing_newline=True,
            cache_size=0,
        )
        self.filters = dict(_filters())
        self.tests = {name: test for name, test in self.tests.items() if name in _TESTS} | _comparison_tests()
        self.globals = {
            "range": self.globals["range"],
            "_duration": duration,
            "answer": answer,
            "link": link,
        }

    compare = staticmethod(compare)

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        for choice in tree.find_all(nodes.CondExpr):
            if choice.expr2 is None:
                choice.expr2 = nodes.Const("", lineno=choice.lineno, environment=self)
        return tree

    def printed(self, label: str, value: object) -> object:
        """What may be printed as it is; raises TemplateFault for what may not."""
        kind = type(value)
        if kind is str or kind is Markup or kind is int:
            return value
        if value is None:
            name = label or "a value"
            raise TemplateFault(f'{name} is not known for this person; write {{{{ {name} or "..." }}}}', label)
        if isinstance(value, datetime | date):
            raise TemplateFault(f"{label or 'a time'} needs a filter: | day, | clock, | office_time ...", label)
        if isinstance(value, Record | tuple | list | Mapping):
            raise TemplateFault(f"{label or 'this'} has several parts; print one of them", label)
        return value

    def getattr(self, obj: Any, attribute: str) -> Any:
        """An attribute, missing-safe for records and for what is not known."""
        if type(obj) is Record:
            return obj.get(attribute)
        if obj is None:
            return None
        return super().getattr(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """An item, missing-safe for records and for what is not known."""
        if type(obj) is Record:
            return obj.get(str(argument))
        if obj is None:
            return None
        return super().getitem(obj, argument)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Also refuses the text methods that build text of any length."""
        return attr not in _HUGE_METHODS and super().is_safe_attribute(obj, attr, value)

    def wrap_str_format(self, value: Any) -> Any:
        """No `format` at all: refused as an attribute."""
        return None

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """`*` and `%` for numbers, `**` never: they could build something huge."""
        if operator == "**" or not (isinstance(left, int | float) and isinstance(right, int | float)):
            raise TemplateFault(f"{operator} works on numbers only" if operator != "**" else "** is not available")
        return super().call_binop(context, operator, left, right)


_HUGE_METHODS: Final = frozenset({"format", "format_map", "center", "ljust", "rjust", "zfill", "expandtabs", "join"})

_TESTS: Final = frozenset({"none", "defined", "undefined", "true", "false", "odd", "even", "divisibleby"})


def _comparison_tests() -> dict[str, Callable[..., bool]]:
    def of(operator: str) -> Callable[[object, object], bool]:
        return lambda left, right: compare(operator, left, right)

    words = {"eq": "eq", "equalto": "eq", "ne": "ne", "lt": "lt", "le": "lteq", "gt": "gt", "ge": "gteq", "in": "in"}
    return {name: of(operator) for name, operator in words.items()}


def _missing_safe(function: Callable[..., Any], *, value_at: int = 0) -> Callable[..., Any]:
    """The same filter, which leaves a missing value missing. `value_at` is where the value stands."""

    def filtered(*args: Any, **kwargs: Any) -> Any:
        return None if args[value_at] is None else function(*args, **kwargs)

    return update_wrapper(filtered, function)


def _default(value: Any, fallback: Any = "", boolean: bool = False) -> Any:
    """`x | default("y")`: the fallback where the value is missing, or empty where `boolean` says so."""
    if isinstance(value, Undefined):
        str(value)
    return fallback if value is None or (boolean and not value) else value


def _join(values: Any, between: str = "", word: str = "") -> Any:
    """`places | join(", ")`, or with a word before the last: `places | join(", ", "and")`. Skips what is missing."""
    parts = [value for value in values if value is not None]
    escaped = any(hasattr(part, "__html__") for part in parts)
    text: Callable[[Any], str] = escape if escaped else str
    pieces = [text(part) for part in parts]
    if word and len(pieces) > 1:
        pieces = [text(between).join(pieces[:-1]), pieces[-1]]
        return text(f" {word} ").join(pieces)
    return text(between).join(pieces)


def _day_of(value: Any) -> date | datetime:
    if not isinstance(value, date):
        raise TemplateFault("day, clock and the like work on days and times only")
    return value


def _recipient_zone(context: Context) -> TimeZone:
    zone = context.get("_zone")
    return zone if isinstance(zone, TimeZone) else UTC


def _today(context: Context) -> date | None:
    today = context.get("sent_on")
    return today if isinstance(today, date) else None


def _time_of(value: Any, name: str) -> datetime:
    moment = _day_of(value)
    if not isinstance(moment, datetime):
        raise TemplateFault(f"{name} needs a time of day, and only the day is known; use | day")
    return moment


@pass_context
def day(context: Context, value: Any) -> str:
    """`Tuesday, December 8`, on the recipient's clock."""
    there = spoken.on_clock(_day_of(value), _recipient_zone(context))
    return spoken.say_day(there, str(context.get("language")), _today(context))


@pass_context
def clock(context: Context, value: Any) -> str:
    """`7:00 pm Eastern`, on the recipient's clock."""
    moment = spoken.on_clock(_time_of(value, "clock"), _recipient_zone(context))
    return spoken.say_clock(moment, str(context.get("language")))  # type: ignore[arg-type]


@pass_context
def day_and_time(context: Context, value: Any) -> str:
    """`Tuesday, December 8, 7:00 pm Eastern` on the recipient's clock; only the day where no time is known."""
    return _said(context, spoken.on_clock(_day_of(value), _recipient_zone(context)))


@pass_context
def office_time(context: Context, value: Any) -> str:
    """Day and time on the office's own clock; only the day where no time is known."""
    return _said(context, _day_of(value))


@pass_context
def office_day(context: Context, value: Any) -> str:
    """The day on the office's own clock."""
    return spoken.say_day(_day_of(value), str(context.get("language")), _today(context))


@pass_context
def left(context: Context, value: Any) -> str:
    """`today`, `tomorrow`, `in 3 days`, on the recipient's clock."""
    there, today = _counted(context, value)
    return spoken.say_left((there - today).days, str(context.get("language")))


@pass_context
def soon(context: Context, value: Any) -> str:
    """`today`, `tomorrow`, `on Friday`, `on Friday, January 8`, on the recipient's clock."""
    there, today = _counted(context, value)
    return spoken.say_soon(there, today, str(context.get("language")))


@pass_context
def office_left(context: Context, value: Any) -> str:
    """`today`, `tomorrow`, `in 3 days`, on the office's clock at the moment the mail goes."""
    there, today = _counted_there(context, value)
    return spoken.say_left((there - today).days, str(context.get("language")))


@pass_context
def office_soon(context: Context, value: Any) -> str:
    """`today`, `tomorrow`, `on Friday`, `on Friday, January 8`, on the office's clock at the moment the mail goes."""
    there, today = _counted_there(context, value)
    return spoken.say_soon(there, today, str(context.get("language")))


def _counted(context: Context, value: Any) -> tuple[date, date]:
    """A day on the recipient's clock, and the day on which she gets the mail."""
    there = spoken.on_clock(_day_of(value), _recipient_zone(context))
    return _plain_day(there), _known(_today(context))


def _counted_there(context: Context, value: Any) -> tuple[date, date]:
    """A day on the clock it carries, and the day that it is at the office when the mail goes."""
    today = context.get("_office_today")
    return _plain_day(_day_of(value)), _known(today if isinstance(today, date) else _today(context))


def _plain_day(value: date | datetime) -> date:
    return value.date() if isinstance(value, datetime) else value


def _known(today: date | None) -> date:
    if today is None:
        raise TemplateFault("left and soon count from the day of the mail, and there is none")
    return today


@pass_context
def days(context: Context, value: Any) -> str:
    """`1 day`, `3 days`, of a number."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TemplateFault("days works on numbers only")
    return spoken.say_days(value, str(context.get("language")))


@pass_context
def full_date(context: Context, value: Any) -> str:
    """`December 8, 2026`, on the recipient's clock."""
    return spoken.say_date(spoken.on_clock(_day_of(value), _recipient_zone(context)), str(context.get("language")))


def _said(context: Context, value: date | datetime) -> str:
    language, today = str(context.get("language")), _today(context)
    if isinstance(value, datetime):
        return spoken.say_day_and_time(value, language, today)
    return spoken.say_day(value, language, today)


def duration(number: int, unit: str) -> timedelta:
    """A duration literal as a value; `d` and `w` are whole days of 24 hours here."""
    return timedelta(minutes=number * {"min": 1, "h": 60, "d": 1440, "w": 10080}[unit])


@pass_context
def answer(context: Context, key: str, label: str | None = None) -> str:
    """
    The one-tap page of an answer of this step.

    With a label a link (HTML) or `label: address` (text); without one the address alone.
    """
    find = context.get("_answer")
    if not callable(find):
        raise TemplateFault(f'this step declares no answer "{key}"', "answer")
    url = find(key)
    if label is None:
        return str(url)
    if context.eval_ctx.autoescape:
        return Markup('<a href="{}">{}</a>').format(url, label)
    return f"{label}: {url}"


@pass_context
def link(context: Context, number: int) -> str:
    """The tracked address of link `number`. Only asked for where the mail is tracked."""
    find = context.get("_link")
    if not callable(find):
        raise TemplateFault("links are not tracked here", "link")
    return str(find(number))


_PLAIN_FILTERS: Final = (
    "abs", "capitalize", "e", "escape", "first", "float", "int", "last", "length", "count", "list", "lower", "replace",
    "reverse", "round", "sort", "string", "striptags", "sum", "title", "trim", "truncate", "unique", "upper",
    "urlencode", "wordcount",
)  # fmt: skip


def _filters() -> Iterator[tuple[str, Callable[..., Any]]]:
    for name in _PLAIN_FILTERS:
        function = FILTERS[name]
        passed = 1 if getattr(function, "jinja_pass_arg", None) is not None else 0
        yield name, _missing_safe(function, value_at=passed)
    for function in (day, clock, day_and_time, office_time, office_day, left, soon, office_left, office_soon, days):
        yield function.__name__, _missing_safe(function, value_at=1)
    yield "date", _missing_safe(full_date, value_at=1)
    yield "join", _missing_safe(_join)
    yield "default", _default
    yield "d", _default


FILTER_NAMES: Final = frozenset(name for name, _ in _filters())

TEST_NAMES: Final = _TESTS | frozenset(_comparison_tests())


HTML: Final = MailEnvironment(autoescape=True)
TEXT: Final = MailEnvironment(autoescape=False)
