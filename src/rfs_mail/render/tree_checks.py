"""What can be found wrong in one Jinja source by reading its tree: names, filters, missing fallbacks, answers."""

import difflib
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from jinja2 import TemplateSyntaxError, nodes

from rfs_mail.core.findings import Finding, Severity
from rfs_mail.core.values import CONFIDENCES, STAGES, Stage
from rfs_mail.render.environment import FILTER_NAMES, TEST_NAMES, TEXT, label_of
from rfs_mail.render.names import MOMENT_FIELDS, MOMENTS, Names

_STAGE_WORDS: Final = tuple(stage.value for stage in Stage)
_SYNTAX_ADVICE: Final[tuple[tuple[str, str], ...]] = (
    (r"got '='", '"=" compares nothing. Write: =='),
    (r"unexpected char '&'", "Write: and"),
    (r"unexpected char '!'", "Write: not"),
    (r"got 'or'|got 'OR'", "Write: or"),
    (r"Unexpected end of template.*'(\w+)'", "A {0} tag has no end. Write: end{0}"),
    (r"Encountered unknown tag '(\w+)'", "There is no tag {0}."),
    (r"got '}'|unexpected '}'", "A tag is closed with one brace too few or too many."),
)


@dataclass(slots=True)
class Checker:
    """
    Checks the Jinja sources of one file.

    `answers` are the keys the step declares (`None`: not checked), `local` names that other files of the mail assign.
    `fallbacks` says whether to look for values that may be missing where they are printed.
    """

    path: str
    names: Names
    answers: Collection[str] | None = None
    local: Collection[str] = ()
    fallbacks: bool = True
    findings: list[Finding] = field(default_factory=list)

    def check(self, source: str, *, line: int = 1, column: int = 1) -> None:
        """Add what is wrong in a source that begins at this line and column of the file."""
        place = _Place(source, line, column)
        try:
            tree = TEXT.parse(source)
        except TemplateSyntaxError as error:
            self._add(*place.of_line(error.lineno), "syntax", _in_our_words(error.message or ""))
            return
        self._check_names(tree, place)
        self._check_filters(tree, place)
        self._check_fields(tree, place)
        self._check_answers(tree, place)
        self._check_words(tree, place)
        if self.fallbacks:
            self._check_printing(tree.body, frozenset(), place)

    def _add(self, line: int, column: int, code: str, message: str, severity: Severity = "error") -> None:
        finding = Finding(self.path, line, column, severity, code, message)
        if finding not in self.findings:
            self.findings.append(finding)

    def _check_names(self, tree: nodes.Template, place: "_Place") -> None:
        known = self.names.top | assigned_names(tree) | set(self.local)
        for name in tree.find_all(nodes.Name):
            if name.ctx == "load" and name.name not in known:
                message = f"Nothing is called {name.name}{nearest(name.name, known)}"
                self._add(*place.of(name.lineno, name.name), "unknown-name", message)

    def _check_filters(self, tree: nodes.Template, place: "_Place") -> None:
        for used in tree.find_all(nodes.Filter):
            if used.name not in FILTER_NAMES:
                message = f"There is no filter {used.name}{nearest(used.name, FILTER_NAMES)}"
                self._add(*place.of(used.lineno, used.name), "unknown-filter", message)
        for used_test in tree.find_all(nodes.Test):
            if used_test.name not in TEST_NAMES:
                quoted = f'{label_of(used_test.node)} == "{used_test.name}"'
                message = f"{used_test.name} needs quotes. Write: {quoted}"
                self._add(*place.of(used_test.lineno, used_test.name), "unknown-test", message)

    def _check_fields(self, tree: nodes.Template, place: "_Place") -> None:
        hidden = assigned_names(tree)
        for read in tree.find_all(nodes.Getattr):
            if not isinstance(read.node, nodes.Name) or read.node.name in hidden:
                continue
            fields = self.names.fields_of(read.node.name)
            if fields is not None and read.attr not in fields:
                message = f"{read.node.name} has no {read.attr}{nearest(read.attr, fields)}"
                self._add(*place.of(read.lineno, read.attr), "unknown-field", message)

    def _check_answers(self, tree: nodes.Template, place: "_Place") -> None:
        for call in tree.find_all(nodes.Call):
            if not isinstance(call.node, nodes.Name) or call.node.name != "answer":
                continue
            key = call.args[0] if call.args else None
            if not isinstance(key, nodes.Const):
                message = 'answer takes the key in quotes and what to show. Write: answer("yes", "Yes")'
                self._add(*place.of(call.lineno, "answer"), "answer", message)
            elif self.answers is not None and key.value not in self.answers:
                message = f'The step declares no answer "{key.value}"{nearest(str(key.value), self.answers)}'
                self._add(*place.of(call.lineno, str(key.value)), "unknown-answer", message)

    def _check_words(self, tree: nodes.Template, place: "_Place") -> None:
        """Stages and confidences that do not exist."""
        for comparison in tree.find_all(nodes.Compare):
            field_name = label_of(comparison.expr).rpartition(".")[2]
            words = {"stage": _STAGE_WORDS, "confidence": CONFIDENCES}.get(field_name)
            if words is None:
                continue
            for const in comparison.find_all(nodes.Const):
                if isinstance(const.value, str) and const.value not in words:
                    near = difflib.get_close_matches(const.value, words, n=1, cutoff=0.4)
                    hint = f'; nearest: "{near[0]}"' if near else f"; the first is {STAGES[0]}"
                    message = f'No {field_name} "{const.value}"{hint}'
                    self._add(*place.of(const.lineno, const.value), f"unknown-{field_name}", message)

    # -- printing without a fallback ----------------------------------------------------------------------------------

    def _check_printing(self, body: Iterable[nodes.Node], known: frozenset[str], place: "_Place") -> None:
        """What is printed though a person may come without it. A condition around it asks for the names in `known`."""
        for node in body:
            if isinstance(node, nodes.Output):
                for printed in node.nodes:
                    if not isinstance(printed, nodes.TemplateData):
                        self._check_printed(printed, known, place)
            elif isinstance(node, nodes.If):
                self._check_printing(node.body, known | present(node.test), place)
                otherwise = known | absent_is_known(node.test)
                for branch in node.elif_:
                    self._check_printing([branch], otherwise, place)
                self._check_printing(node.else_, otherwise, place)
            else:
                self._check_printing(_bodies(node), known, place)

    def _check_printed(self, printed: nodes.Node, known: frozenset[str], place: "_Place") -> None:
        for path, lineno, through_filter in _printed_values(printed, known):
            shown = path.rpartition(".")[2]
            if self.names.may_be_missing(path):
                message = f'{path} may be missing. Write: {{{{ {path} or "..." }}}}'
                self._add(*place.of(lineno, shown), "no-fallback", message)
            elif self.names.may_be_unknown(path):
                message = f"{path} may not be known. Put it inside {{% if {path} %}}, or ask for it in the step's when"
                self._add(*place.of(lineno, shown), "no-fallback", message, "warning")
            if not through_filter and (path in MOMENTS or ("." in path and shown in MOMENT_FIELDS)):
                message = f"{path} needs a filter that says it. Write: {{{{ {path} | day }}}}, or | day_and_time"
                self._add(*place.of(lineno, shown), "no-filter", message)


def _bodies(node: nodes.Node) -> Iterator[nodes.Node]:
    for name in ("body", "else_"):
        inside = getattr(node, name, None)
        if isinstance(inside, list):
            yield from inside


def assigned_names(tree: nodes.Node) -> frozenset[str]:
    """The names a source makes itself: loop variables, `set`, macros and their arguments, imports."""
    names = {name.name for name in tree.find_all(nodes.Name) if name.ctx in {"store", "param"}}
    names |= {macro.name for macro in tree.find_all(nodes.Macro)}
    names |= {imported.target for imported in tree.find_all(nodes.Import)}
    for imported_names in tree.find_all(nodes.FromImport):
        names |= {name if isinstance(name, str) else name[1] for name in imported_names.names}
    return frozenset(names)


def present(test: nodes.Node) -> frozenset[str]:
    """The names that are surely there where a condition holds."""
    match test:
        case nodes.Name() | nodes.Getattr():
            path = label_of(test)
            return frozenset({path, path.partition(".")[0]} if path else ())
        case nodes.And():
            return present(test.left) | present(test.right)
        case nodes.Or():
            return present(test.left) & present(test.right)
        case nodes.Not():
            return absent_is_known(test.node)
        case nodes.Compare() if all(operand.op not in {"ne", "notin"} for operand in test.ops):
            return present(test.expr) | frozenset().union(*(present(operand.expr) for operand in test.ops))
        case _:
            return frozenset()


def absent_is_known(test: nodes.Node) -> frozenset[str]:
    """The names that are surely there where a condition does not hold."""
    match test:
        case nodes.Test() if test.name == "none":
            return present(test.node)
        case nodes.Not():
            return present(test.node)
        case nodes.Or():
            return absent_is_known(test.left) | absent_is_known(test.right)
        case nodes.And():
            return absent_is_known(test.left) & absent_is_known(test.right)
        case _:
            return frozenset()


def _printed_values(
    printed: nodes.Node, known: frozenset[str], *, filtered: bool = False
) -> Iterator[tuple[str, int, bool]]:
    """Each value that may reach the page as it is: dotted name, line, and whether a filter stands before it."""
    match printed:
        case nodes.Name() | nodes.Getattr():
            path = label_of(printed)
            base = path.partition(".")[0]
            guarded = path in known or (base in known and base not in {"custom", "person", "window"})
            if path and not guarded:
                yield path, printed.lineno, filtered
        case nodes.Filter() if printed.name not in {"default", "d"} and printed.node is not None:
            yield from _printed_values(printed.node, known, filtered=True)
        case nodes.Or():
            yield from _printed_values(printed.right, known | absent_is_known(printed.left), filtered=filtered)
        case nodes.And():
            yield from _printed_values(printed.right, known | present(printed.left), filtered=filtered)
        case nodes.CondExpr():
            yield from _printed_values(printed.expr1, known | present(printed.test), filtered=filtered)
            if printed.expr2 is not None:
                yield from _printed_values(printed.expr2, known | absent_is_known(printed.test), filtered=filtered)
        case nodes.Concat():
            for part in printed.nodes:
                yield from _printed_values(part, known, filtered=filtered)
        case _:
            return


def nearest(word: str, words: Iterable[str]) -> str:
    """`. Did you mean X?`, or a full stop."""
    near = difflib.get_close_matches(word, sorted(other for other in words if not other.startswith("_")), n=1)
    return f". Did you mean {near[0]}?" if near else "."


def _in_our_words(message: str) -> str:
    for pattern, advice in _SYNTAX_ADVICE:
        found = re.search(pattern, message, re.DOTALL)
        if found is not None:
            return advice.format(*found.groups())
    return f"A tag cannot be read: {message.rstrip('.')}."


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in a file a source stands."""

    source: str
    line: int
    column: int

    def of_line(self, number: int) -> tuple[int, int]:
        """Line and column of the first tag of a line of the source."""
        lines = self.source.split("\n")
        text = lines[number - 1] if 0 < number <= len(lines) else ""
        return self._at(number, max(text.find("{%"), text.find("{{"), 0))

    def of(self, number: int, word: str) -> tuple[int, int]:
        """Line and column of a word on a line of the source, or near it: a long tag goes over several lines."""
        lines = self.source.split("\n")
        pattern = re.compile(rf"(?<![\w-]){re.escape(word)}(?![\w-])")
        for tried in (number, number + 1, number - 1):
            if 0 < tried <= len(lines) and (found := _in_tag(pattern, lines[tried - 1])) is not None:
                return self._at(tried, found)
        return self._at(number, 0)

    def _at(self, number: int, offset: int) -> tuple[int, int]:
        first = self.column if number == 1 else 1
        return self.line + number - 1, first + offset


def _in_tag(pattern: re.Pattern[str], line: str) -> int | None:
    """Where a word stands in a line, in a tag rather than in the text before it."""
    begin = min((at for at in (line.find("{{"), line.find("{%")) if at != -1), default=0)
    found = pattern.search(line, begin) or pattern.search(line)
    return None if found is None else found.start()
