"""What a batch of sign-ups makes of people, decided without a database."""

from datetime import UTC, datetime, timedelta
from itertools import count, pairwise

from hypothesis import given
from hypothesis import strategies as st

from rfs_mail.core.interest import WANTS, Interest
from rfs_mail.core.merging import Draft, Known, Standing, decide, standing
from rfs_mail.core.person import parse_address
from rfs_mail.core.signups import Signup

DAY = datetime(2026, 11, 1, tzinfo=UTC)


@st.composite
def _signups(draw: st.DrawFn) -> Signup:
    name = draw(st.sampled_from("abcd"))
    day = draw(st.integers(0, 3))
    fields = draw(st.dictionaries(st.sampled_from(["state", "given_name"]), st.sampled_from(["WI", "TX"]), max_size=2))
    agreed = draw(st.booleans())
    external_id = draw(st.sampled_from([None, None, "7", "8"]))
    key = external_id or f"{name}{day}{sorted(fields.items())}{agreed}"
    return Signup(
        1,
        parse_address(f"{name}@example.org"),
        name.encode(),
        key,
        DAY + timedelta(days=day),
        fields,
        {},
        external_id=external_id,
        consent_text="Yes" if agreed else None,
    )


class Memory:
    """What a store remembers, in memory."""

    def __init__(self) -> None:
        self.people: dict[str, Draft] = {}
        self.keys: dict[str, int] = {}
        self.owners: dict[str, int] = {}
        self.ids = count(1)

    def merge(self, batch: list[Signup]) -> list[str]:
        """Merge a batch; what became of each row."""
        by_id = {draft.id: draft for draft in self.people.values()}
        known = Known(self.keys, self.people, by_id, self.owners, {})
        decision = decide(batch, known, source="web", entity="rfs", ids=self.ids)
        for draft, signup in decision.signups:
            draft.opened("web")
            draft.touched = False
            self.people[signup.address.key] = draft
            self.keys[signup.key] = draft.id
            if signup.external_id is not None:
                self.owners[signup.external_id] = draft.id
        for draft in self.people.values():
            draft.first = None
        return [outcome.kind for outcome in decision.outcomes]

    def told(self) -> dict[str, object]:
        """All that is held of each person."""
        return {
            address: (draft.id, draft.fields, draft.stage, draft.signed_up_at, draft.entities)
            for address, draft in self.people.items()
        }


@given(rows=st.lists(_signups(), max_size=12), cuts=st.sets(st.integers(1, 11)))
def test_how_rows_are_cut_into_batches_does_not_matter(rows: list[Signup], cuts: set[int]) -> None:
    """One batch or many: the same outcomes and the same people."""
    whole, parts = Memory(), Memory()
    edges = [0, *sorted(cuts), len(rows)]
    expected = whole.merge(rows)
    actual = [kind for start, end in pairwise(edges) for kind in parts.merge(rows[start:end])]
    assert actual == expected
    assert parts.told() == whole.told()


@given(rows=st.lists(_signups(), max_size=12))
def test_rows_again_change_nothing(rows: list[Signup]) -> None:
    """Every row that was taken is unchanged, and whoever was rejected is rejected again."""
    memory = Memory()
    first = memory.merge(rows)
    before = repr(memory.told())
    again = memory.merge(rows)
    assert again == ["rejected" if kind == "rejected" else "unchanged" for kind in first]
    assert repr(memory.told()) == before


def test_who_may_mail_somebody_is_said_with_the_reason() -> None:
    """Suppressed by all, by one, unsubscribed, stopped, or never asked."""
    draft = Draft(1, b"x", entities=frozenset({"rfs", "civics"}))
    assert standing(draft, "rfs", {}) == Standing(frozenset({"rfs", "civics"}), "")
    assert standing(draft, "rfs", {b"x": {"rfs": "unsubscribed"}}) == Standing(frozenset({"civics"}), "unsubscribed")
    assert standing(draft, "rfs", {b"x": {"": "hard_bounce"}}) == Standing(frozenset(), "suppressed")
    assert standing(draft, "other", {}) == Standing(frozenset({"rfs", "civics"}), "no_consent")
    stopped = Draft(1, b"x", entities=frozenset({"rfs"}), stopped=True)
    assert standing(stopped, "rfs", {}) == Standing(frozenset(), "stopped")
    withdrawn = Draft(1, b"x", withdrawn=frozenset({"rfs"}))
    assert standing(withdrawn, "rfs", {}) == Standing(frozenset(), "unsubscribed")


def test_an_older_row_does_not_bring_back_what_was_said_anew() -> None:
    """Since she or staff said all that she wants, only rows of that moment and later add to it; others are merged."""
    maria = Draft(id=7, hash=b"m", fields={}, provenance={WANTS: (DAY + timedelta(days=1)).isoformat()})
    board = (Interest("school_board"),)
    rows = [
        Signup(line, parse_address("maria@example.org"), b"m", str(line), DAY + timedelta(days=line), {}, {},
               interests=board)
        for line in range(3)
    ]  # fmt: skip
    known = Known({}, {"maria@example.org": maria}, {7: maria}, {}, {})
    decision = decide(rows, known, source="web", entity="rfs", ids=count(8))
    assert [1, 2] == [row.line for _, row in decision.interests]
    assert ["merged"] * 3 == [outcome.kind for outcome in decision.outcomes]
