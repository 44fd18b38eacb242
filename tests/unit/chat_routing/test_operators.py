"""Presence of operators: connection sets, grace, logout, dead gateways, facts in any order."""

from collections.abc import Sequence

from services.chat_routing.domain.operators import (
    FORGET_MS,
    MAX_CONNECTIONS,
    MAX_ENDED,
    OperatorFact,
    OperatorPresence,
    due_ms,
    fold,
    forgettable,
    is_news,
    lose_gateway,
    set_away,
    settle,
)
from shared.contracts.streams import OperatorConnected, OperatorDisconnected, OperatorSet

GRACE_MS = 45_000
NOW = 1_000_000
LATER = NOW + 10**9


def opened(connection: str = "c1", at_ms: int = NOW, gateway: str = "gw1", name: str = "Ada") -> OperatorConnected:
    return OperatorConnected("s_demo", "o_0001", name, connection, gateway, at_ms)


def closed(
    connection: str = "c1", at_ms: int = NOW, gateway: str = "gw1", *, logout: bool = False
) -> OperatorDisconnected:
    return OperatorDisconnected("s_demo", "o_0001", connection, gateway, at_ms, logout)


def chose(state: str, at_ms: int = NOW) -> OperatorSet:
    return OperatorSet("s_demo", "o_0001", "away" if state == "away" else "online", at_ms)


def after(facts: Sequence[OperatorFact], now_ms: int = LATER) -> OperatorPresence:
    state: OperatorPresence | None = None
    for fact in facts:
        state = fold(state, fact, now_ms)
    assert state is not None
    return state


def test_first_connection_is_online_and_news():
    state = after([opened()])
    assert (state.state, state.reason, state.name) == ("online", "connected", "Ada")
    assert is_news(None, state)


def test_second_device_is_no_news():
    one = after([opened()])
    two = fold(one, opened("c2", gateway="gw2"), LATER)
    assert two is not None
    assert len(two.connections) == 2
    assert not is_news(one, two)


def test_operator_stays_while_one_of_two_connections_is_open():
    state = after([opened("c1"), opened("c2"), closed("c1", NOW + 5)])
    assert state.lost_at_ms is None
    assert settle(state, LATER, 0, GRACE_MS).state == "online"


def test_lost_operator_stays_for_the_grace_and_is_offline_at_its_end():
    state = after([opened(), closed(at_ms=NOW + 1000)])
    end_ms = NOW + 1000 + GRACE_MS
    assert due_ms(state, 0, GRACE_MS) == end_ms
    assert settle(state, end_ms - 1, 0, GRACE_MS) is state
    gone = settle(state, end_ms, 0, GRACE_MS)
    assert (gone.state, gone.reason, gone.state_at_ms) == ("offline", "connection_lost", end_ms)
    assert is_news(state, gone)


def test_return_within_the_grace_is_no_news():
    lost = after([opened(), closed(at_ms=NOW + 1000)])
    back = fold(lost, opened("c2", NOW + 9000), LATER)
    assert back is not None
    assert back.state == "online"
    assert not is_news(lost, back)
    assert due_ms(back, 0, GRACE_MS) is None


def test_grace_counts_from_the_end_of_an_outage():
    state = after([opened(), closed(at_ms=NOW)])
    resumed_ms = NOW + 300_000
    assert settle(state, resumed_ms + GRACE_MS - 1, resumed_ms, GRACE_MS).state == "online"
    assert settle(state, resumed_ms + GRACE_MS, resumed_ms, GRACE_MS).state == "offline"


def test_logout_of_the_last_connection_is_offline_at_once():
    state = after([opened(), closed(at_ms=NOW + 1, logout=True)])
    assert (state.state, state.reason) == ("offline", "logout")


def test_logout_on_one_device_leaves_the_other_online():
    assert after([opened("c1"), opened("c2"), closed("c1", logout=True)]).state == "online"


def test_away_is_kept_over_a_lost_connection_and_forgotten_by_logout():
    away: list[OperatorFact] = [opened(), chose("away", NOW + 1)]
    assert after(away).state == "away"
    lost = settle(after([*away, closed(at_ms=NOW + 2)]), LATER, 0, GRACE_MS)
    assert lost.state == "offline"
    back = fold(lost, opened("c2", LATER), LATER)
    assert back is not None
    assert back.state == "away"
    assert after([*away, closed(at_ms=NOW + 2, logout=True), opened("c3", NOW + 3)]).state == "online"


def test_disconnect_before_its_connect_opens_nothing():
    state = after([closed("c1", NOW + 1), opened("c1", NOW)])
    assert (state.state, state.connections) == ("offline", ())
    assert after([opened("c0"), closed("c1", NOW + 1), opened("c1")]).connections == after([opened("c0")]).connections


def test_repeated_facts_change_nothing():
    once = after([opened("c1"), opened("c2"), chose("away"), closed("c1", NOW + 1)])
    twice = [f for f in (opened("c1"), opened("c2"), chose("away"), closed("c1", NOW + 1)) for _ in range(2)]
    assert after(twice) == once


def test_older_choice_that_arrives_late_is_ignored():
    assert after([opened(), chose("away", NOW + 10), chose("online", NOW + 5)]).state == "away"


def test_late_end_of_an_earlier_loss_does_not_shorten_the_grace():
    state = after([opened("c1"), opened("c2"), closed("c1", NOW + 1000), closed("c2", NOW + 800)])
    assert state.lost_at_ms == NOW + 1000


def test_gateway_clock_ahead_does_not_stretch_the_grace():
    state = after([opened(), closed(at_ms=NOW + 10**8)], now_ms=NOW)
    assert state.lost_at_ms == NOW


def test_dead_gateway_takes_only_its_own_connections():
    state = after([opened("c1", gateway="gw1"), opened("c2", gateway="gw2")])
    left = lose_gateway(state, "gw1", NOW + 50)
    assert [c.connection for c in left.connections] == ["c2"]
    assert left.lost_at_ms is None
    gone = lose_gateway(left, "gw2", NOW + 70)
    assert gone.lost_at_ms == NOW + 70
    assert lose_gateway(gone, "gw2", NOW + 90) is gone


def test_connections_of_a_gateway_thought_dead_may_be_announced_again():
    lost = lose_gateway(after([opened()]), "gw1", NOW)
    back = fold(lost, opened(at_ms=NOW + 30_000), LATER)
    assert back is not None
    assert len(back.connections) == 1


def test_sets_are_bounded_and_the_newest_connection_counts():
    state = after([opened(f"c{i}", NOW + i) for i in range(MAX_CONNECTIONS + 5)])
    assert len(state.connections) == MAX_CONNECTIONS
    assert state.connections[-1].connection == f"c{MAX_CONNECTIONS + 4}"
    assert len(after([closed(f"c{i}") for i in range(MAX_ENDED + 5)]).ended) == MAX_ENDED


def test_missed_offers_set_away_and_a_choice_brings_back():
    away = set_away(after([opened()]), NOW + 5)
    assert (away.state, away.reason) == ("away", "missed")
    back = fold(away, chose("online", NOW + 6), LATER)
    assert back is not None
    assert (back.state, back.reason) == ("online", "chosen")


def test_offline_record_is_forgotten_after_a_day():
    state = after([opened(), closed(at_ms=NOW, logout=True)])
    assert due_ms(state, 0, GRACE_MS) == NOW + FORGET_MS
    assert not forgettable(state, NOW + FORGET_MS - 1)
    assert forgettable(state, NOW + FORGET_MS)


def test_choice_of_an_unknown_operator_is_nothing():
    assert fold(None, chose("away"), NOW) is None
