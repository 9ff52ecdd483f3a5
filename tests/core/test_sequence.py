"""The steps as a line with arms."""

from hypothesis import given
from hypothesis import strategies as st

from rfs_mail.core.campaign import Arm, Branch, Campaign, Entry, Mail, Step, walk
from rfs_mail.core.sequence import END, Sequence, find_step, sequence


def mail(key: str, was: str | None = None) -> Step:
    """A mail step."""
    return Step(key=key, was=was, action=Mail(template=f"x/{key}"))


def fork(key: str, *arms: tuple[Step, ...], otherwise: tuple[Step, ...] = ()) -> Step:
    """A branch."""
    return Step(key=key, action=Branch(arms=tuple(Arm(when="true", steps=arm) for arm in arms), otherwise=otherwise))


def campaign(*steps: Step) -> Campaign:
    """A campaign of these steps."""
    return Campaign(
        id="drip", entity="rfs", topic="running", languages=("en",), entry=Entry(kind="person"), steps=steps
    )


def leads(line: Sequence) -> dict[str, tuple[str, ...]]:
    """Key -> where it leads: the arms of a branch, else the next."""
    return {key: node.arms or (node.next,) for key, node in line.nodes.items()}


def test_a_line_leads_from_step_to_step_to_the_end() -> None:
    """In file order."""
    line = sequence(campaign(mail("a"), mail("b")))
    assert (line.first, leads(line)) == ("a", {"a": ("b",), "b": (END,)})


def test_an_arm_leads_back_to_what_follows_the_branch() -> None:
    """Each arm by itself, an empty one and a missing `else` at once."""
    line = sequence(campaign(fork("f", (mail("x"), mail("y")), ()), mail("z")))
    assert leads(line) == {"f": ("x", "z", "z"), "x": ("y",), "y": ("z",), "z": (END,)}
    assert (line.nodes["f"].next, line.nodes["y"].depth) == ("z", 1)


def test_arms_nest() -> None:
    """The last step of an inner arm leads behind the outer branch."""
    inner = fork("g", (mail("x"),), otherwise=(mail("y"),))
    line = sequence(campaign(fork("f", (inner,), otherwise=(mail("n"),))))
    assert leads(line) == {"f": ("g", "n"), "g": ("x", "y"), "x": (END,), "y": (END,), "n": (END,)}


def test_a_campaign_without_steps_begins_at_its_end() -> None:
    """Nobody does that, and nothing breaks."""
    assert sequence(campaign()).first == END


def test_a_renamed_step_is_found_by_both_keys() -> None:
    """Unless its old key is another step now: then that one is meant."""
    line = sequence(campaign(mail("new", was="old"), mail("c")))
    found = line.get("old")
    assert found is not None
    assert (found.step.key, line.get("new"), line.get("gone")) == ("new", found, None)


def test_find_step_knows_old_keys_too() -> None:
    """For whoever holds a campaign and not its line."""
    one = campaign(fork("f", (mail("x", was="w"),)))
    assert [step.key if step else None for step in (find_step(one, "w"), find_step(one, "x"), find_step(one, "q"))] == [
        "x", "x", None,
    ]  # fmt: skip


@st.composite
def _steps(draw: st.DrawFn, depth: int = 2, path: str = "s") -> tuple[Step, ...]:
    steps: list[Step] = []
    for number in range(draw(st.integers(0 if depth < 2 else 1, 3))):
        key = f"{path}{number}"
        if depth and draw(st.booleans()):
            arms = [draw(_steps(depth - 1, f"{key}a{arm}")) for arm in range(draw(st.integers(1, 2)))]
            steps.append(fork(key, *arms, otherwise=draw(_steps(depth - 1, f"{key}e"))))
        else:
            steps.append(mail(key))
    return tuple(steps)


@given(_steps())
def test_every_way_goes_forward_and_ends(steps: tuple[Step, ...]) -> None:
    """Whichever arm is taken, each step leads to a later one of the file or to the end; all are reached."""
    line = sequence(campaign(*steps))
    position = {key: node.position for key, node in line.nodes.items()}
    assert list(position) == [step.key for step in walk(steps)]
    reached, pending = set(), [line.first]
    while pending:
        key = pending.pop()
        if key == END or key in reached:
            continue
        reached.add(key)
        for following in leads(line)[key]:
            assert following == END or position[following] > position[key]
            pending.append(following)
    assert reached == set(position)
