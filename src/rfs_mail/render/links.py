"""Which links of a mail are tracked, and the number of each."""

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from jinja2 import TemplateSyntaxError, meta

from rfs_mail.render.environment import TEXT
from rfs_mail.render.tags import OPEN, Tag, Tags

_HTTP: Final = re.compile(r"https?://", re.IGNORECASE)
_OURS: Final = re.compile(r"\b(?:unsubscribe_url|preferences_url|view_url|answer)\b")


@dataclass(slots=True)
class Links:
    """
    The tracked link targets of one mail.

    A target is tracked when it is an http(s) address, or begins with a tag that is not one of our own pages. A target
    that reads a name which exists only inside the template (a loop's, say) stays plain, because a click is answered
    later, from the target's source alone. `assigned` are those names.
    """

    tags: Tags
    assigned: Collection[str] = ()
    sources: list[str] = field(default_factory=list)

    def mark(self, target: str) -> str:
        """What to write for a protected target, in HTML and in text: a mark where it is tracked, else itself."""
        source = self.tags.text(target)
        if not self._tracked(target, source):
            return target
        number = self._number(source)
        plain_html = self.tags.html(target)
        return self.tags.add(Tag(tracked(number, plain_html), "print", in_text=tracked(number, source)))

    def number_of(self, source: str) -> int | None:
        """The number of a target's source, if it is tracked."""
        return self.sources.index(source) if source in self.sources else None

    def _number(self, source: str) -> int:
        if source not in self.sources:
            self.sources.append(source)
        return self.sources.index(source)

    def _tracked(self, target: str, source: str) -> bool:
        found = self.tags.of(target)
        if not (_HTTP.match(target) or target.startswith(OPEN)):
            return False
        if any(_OURS.search(tag.source) for tag in found):
            return False
        try:
            names = meta.find_undeclared_variables(TEXT.parse(source))
        except TemplateSyntaxError:
            return False
        return not names & set(self.assigned)


def tracked(number: int, plain: str) -> str:
    """Jinja source of a tracked target: the tracked address where links are tracked, else the plain one."""
    return f"{{% if _link %}}{{{{ link({number}) }}}}{{% else %}}{plain}{{% endif %}}"
