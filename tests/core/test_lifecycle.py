"""Where a delivery may stand, and where it may go from there."""

from rfs_mail.core.lifecycle import (
    DELIVERY_MOVES,
    IN_FLIGHT,
    OPEN_STATES,
    UNSETTLED,
    WENT_OUT,
    DeliveryState,
    may_move,
)


def reachable(start: DeliveryState) -> set[DeliveryState]:
    """Every state that can follow, in any number of moves."""
    found, pending = {start}, [start]
    while pending:
        for following in DELIVERY_MOVES[pending.pop()] - found:
            found.add(following)
            pending.append(following)
    return found


def test_every_state_has_its_moves_and_is_reached() -> None:
    """The table is whole, and nothing in it is out of reach."""
    assert set(DELIVERY_MOVES) == set(DeliveryState)
    assert reachable(DeliveryState.QUEUED) == set(DeliveryState)


def test_nothing_comes_back_from_the_end() -> None:
    """What was skipped, expired or complained about stays so; what was sent is never queued again."""
    for state in (DeliveryState.SKIPPED, DeliveryState.EXPIRED, DeliveryState.COMPLAINED):
        assert DELIVERY_MOVES[state] == frozenset()
    assert DeliveryState.QUEUED not in reachable(DeliveryState.SENT)


def test_nothing_is_sent_without_the_mark() -> None:
    """`sent` follows `sending` or the doubt about it alone."""
    before = {state for state in DeliveryState if may_move(state, DeliveryState.SENT)}
    assert before == {DeliveryState.SENDING, DeliveryState.UNCERTAIN}
    assert not may_move(DeliveryState.QUEUED, DeliveryState.SENDING)


def test_what_is_at_the_wire_is_never_skipped() -> None:
    """It was already leaving."""
    assert not may_move(DeliveryState.SENDING, DeliveryState.SKIPPED)
    assert all(may_move(state, DeliveryState.SKIPPED) for state in OPEN_STATES)


def test_the_groups_fit_together() -> None:
    """Open and in flight are unsettled; what may have been received counts against the caps."""
    assert set(OPEN_STATES) | set(IN_FLIGHT) == set(UNSETTLED)
    assert set(WENT_OUT).isdisjoint(OPEN_STATES)
    assert {DeliveryState.UNCERTAIN, DeliveryState.BOUNCED} <= set(WENT_OUT)
