"""Any interleaving of facts, repeats, late deliveries, deaths and time agrees with a plain model of open sockets."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from services.chat_routing.domain.operators import OperatorPresence, fold, is_news, lose_gateway, settle
from shared.contracts.streams import OperatorConnected, OperatorDisconnected, OperatorSet

GRACE_MS = 1000
CONNECTIONS = st.sampled_from(["c1", "c2", "c3", "c4"])
GATEWAYS = {"c1": "gw1", "c2": "gw1", "c3": "gw2", "c4": "gw2"}


class OperatorMachine(RuleBasedStateMachine):
    """The model: which sockets are open, which ever ended, since when none is, and what the person chose."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 10_000
        self.state: OperatorPresence | None = None
        self.open: set[str] = set()
        self.ended: set[str] = set()
        self.wanted = "online"
        self.lost_at: int | None = None
        self.there = False

    def see(self, after: OperatorPresence | None) -> None:
        if after is not None and after is not self.state:
            news = is_news(self.state, after)
            known = self.state.state if self.state else "offline"
            assert news == (known != after.state)
            assert self.state is None or after.version == self.state.version + news
        self.state = after

    @rule(connection=CONNECTIONS)
    def connect(self, connection: str) -> None:
        fact = OperatorConnected("s_demo", "o_0001", "Ada", connection, GATEWAYS[connection], self.now)
        self.see(fold(self.state, fact, self.now))
        if connection not in self.ended:
            self.open.add(connection)
            self.there, self.lost_at = True, None

    @rule(connection=CONNECTIONS, logout=st.booleans())
    def disconnect(self, connection: str, logout: bool) -> None:
        fact = OperatorDisconnected("s_demo", "o_0001", connection, GATEWAYS[connection], self.now, logout)
        self.see(fold(self.state, fact, self.now))
        self.ended.add(connection)
        if connection in self.open:
            self.open.discard(connection)
            self.lost_at = None if self.open else self.now
        if logout and not self.open:
            self.there, self.wanted = False, "online"

    @rule(state=st.sampled_from(["online", "away"]))
    def choose(self, state: str) -> None:
        if self.state is not None:
            self.wanted = state
        fact = OperatorSet("s_demo", "o_0001", "away" if state == "away" else "online", self.now)
        self.see(fold(self.state, fact, self.now))

    @rule(gateway=st.sampled_from(["gw1", "gw2"]))
    def gateway_dies(self, gateway: str) -> None:
        if self.state is None:
            return
        lost = {c for c in self.open if GATEWAYS[c] == gateway}
        self.see(lose_gateway(self.state, gateway, self.now))
        if lost:
            self.open -= lost
            self.lost_at = None if self.open else self.now

    @rule(passed_ms=st.sampled_from([1, 300, 999, 1000, 5000]))
    def time_passes(self, passed_ms: int) -> None:
        self.now += passed_ms
        if self.state is not None:
            self.see(settle(self.state, self.now, 0, GRACE_MS))
        if self.lost_at is not None and self.now - self.lost_at >= GRACE_MS:
            self.there = False

    @invariant()
    def agrees(self) -> None:
        if self.state is None:
            assert not self.open
            return
        assert {c.connection for c in self.state.connections} == self.open
        assert self.state.state == (self.wanted if self.there else "offline")
        assert (self.state.lost_at_ms is None) == bool(self.open)
        assert 0 <= self.state.state_at_ms <= self.now


OperatorMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestOperatorMachine = OperatorMachine.TestCase
