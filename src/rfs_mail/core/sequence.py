"""
The steps of a campaign as a line with arms: which step follows which.

An enrollment holds the key of the step it takes next. After the last step of an arm comes whatever follows the branch.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from rfs_mail.core.campaign import Branch, Campaign, Step

END = ""
"""The key after the last step."""


@dataclass(frozen=True, slots=True)
class Node:
    """A step and where it leads. `arms` has one target an arm, then the one of `else`; empty for other steps."""

    step: Step
    position: int
    """Place in file order, from 0."""
    next: str
    arms: tuple[str, ...] = ()
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Sequence:
    """The nodes of a campaign by key, in file order."""

    first: str
    nodes: Mapping[str, Node]
    renamed: Mapping[str, str]
    """Old key -> new key, by `was`."""

    def get(self, key: str) -> Node | None:
        """The node of a key or of the key it was renamed to; None where the step is gone."""
        return self.nodes.get(self.renamed.get(key, key))


def sequence(campaign: Campaign) -> Sequence:
    """Lay the steps of a campaign out."""
    nodes: dict[str, Node] = {}
    first = _lay(campaign.steps, END, 0, nodes)
    ordered = {
        step.key: Node(step, position, nodes[step.key].next, nodes[step.key].arms, nodes[step.key].depth)
        for position, step in enumerate(campaign.walk())
    }
    return Sequence(first, ordered, {step.was: step.key for step in campaign.walk() if step.was})


def _lay(steps: tuple[Step, ...], after: str, depth: int, nodes: dict[str, Node]) -> str:
    """Lay one list of steps that leads to `after`; returns the key it starts with."""
    following = after
    for step in reversed(steps):
        arms: tuple[str, ...] = ()
        if isinstance(step.action, Branch):
            arms = tuple(_lay(arm.steps, following, depth + 1, nodes) for arm in step.action.arms)
            arms += (_lay(step.action.otherwise, following, depth + 1, nodes),)
        nodes[step.key] = Node(step, 0, following, arms, depth)
        following = step.key
    return following


def find_step(campaign: Campaign, key: str) -> Step | None:
    """The step of a key, or of the key it was renamed to; None where it is gone."""
    for step in campaign.walk():
        if key in (step.key, step.was):
            return step
    return None
