"""Who looks at which view, and what each was last told.

A group's difference is worked out and encoded once for all members that stand where the group stood. A member whose
client does not keep up is left out; when there is room again it gets one difference from what it was last told to
the present, however much happened in between. Who stays behind too long is cut off. Read :meth:`Audience.publish`.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from services.operator_gateway.sockets.connections import Connection
from services.operator_gateway.sockets.frames import Dialect, Outgoing
from services.operator_gateway.sockets.peer import SLOW
from services.operator_gateway.views.engine import Group, SiteViews
from services.operator_gateway.views.shedding import NOT_SLOWED, Slowed
from services.operator_gateway.views.window import Window, difference
from shared.contracts.operators import ResetReason, ViewCheck, ViewDelta, ViewReset

log = structlog.get_logger()

Wire = tuple[Dialect, str]  # what a connection speaks, and the name it gave the view

MAX_UNACKED = 50  # deltas ahead of a client that acknowledges: 10 s of a busy list
MAX_BEHIND_S = 30.0  # behind for longer: the connection is of no use to the operator
KEPT_DELTAS = 32  # encoded differences of one flush that are shared between members who stand at the same place


class Member:
    """One open view of one connection: what the client was last told.

    Almost everyone is *in step*: told what the group told everyone. Who is not has a place of its own.
    """

    __slots__ = ("acked", "behind_since_s", "closed", "connection", "group", "own", "push", "view", "wire")

    def __init__(self, connection: Connection, view: str, group: Group) -> None:
        self.connection = connection
        self.push = connection.push
        self.view = view
        self.wire: Wire = (connection.dialect, view)
        self.group = group
        self.own: tuple[Window, int] | None = None  # None: in step
        self.acked: int | None = None  # None: this client does not acknowledge
        self.behind_since_s: float | None = None
        self.closed = False

    @property
    def in_step(self) -> bool:
        """Whether the client was told what everyone was told."""
        return self.own is None

    @property
    def window(self) -> Window:
        """What the client was last told."""
        return self.group.window if self.own is None else self.own[0]

    @property
    def seq(self) -> int:
        """The number of what the client was last told."""
        return self.group.seq if self.own is None else self.own[1]

    def falls_behind(self, window: Window, seq: int) -> None:
        """The group goes on without the client, which was last told `window` as `seq`."""
        if self.own is None:
            self.own = (window, seq)

    def told(self) -> None:
        """The client was given the group's present state."""
        self.own = None
        self.behind_since_s = None

    def same_again(self) -> None:
        """What was missed has been undone: the client shows the present rows, as of the number that it knows."""
        self.own = (self.group.window, self.seq)

    @property
    def waits(self) -> bool:
        """Whether the client has to catch up before it is told more."""
        if self.acked is not None and self.seq - self.acked > MAX_UNACKED:
            return True
        return self.connection.behind


class Audience:
    """The members of one site's groups."""

    def __init__(self, count_deltas: Callable[[int], None]) -> None:
        # Members who get the very same bytes are together: equal views, one dialect, one name for the view.
        self._members: dict[Group, dict[Wire, dict[str, Member]]] = {}
        self._apart: set[Member] = set()  # who is not in step
        self._count_deltas = count_deltas

    def __len__(self) -> int:
        return sum(len(alike) for wires in self._members.values() for alike in wires.values())

    @property
    def lagging(self) -> int:
        """Members that wait for their clients."""
        return len(self._apart)

    def members(self) -> list[Member]:
        """Everyone."""
        return [member for wires in self._members.values() for alike in wires.values() for member in alike.values()]

    def join(self, member: Member) -> None:
        """From now on the member is told what changes."""
        self._members.setdefault(member.group, {}).setdefault(member.wire, {})[member.connection.sid] = member

    def leave(self, member: Member) -> None:
        """No more."""
        self._apart.discard(member)
        wires = self._members.get(member.group, {})
        alike = wires.get(member.wire, {})
        alike.pop(member.connection.sid, None)
        if not alike:
            wires.pop(member.wire, None)
        if not wires:
            self._members.pop(member.group, None)

    def publish(self, views: SiteViews, changed: list[Group], now_s: float, slowed: Slowed = NOT_SLOWED) -> None:
        """Tell the members of the groups that changed, then those who waited and have room now."""
        deltas = _Deltas(views.epoch, slowed)
        sent = 0
        for group in changed:
            outgoing = deltas.between(group, group.before, group.seq - 1)
            if outgoing is not None:
                sent += self._tell_everyone(group, outgoing)
        for member in tuple(self._apart):
            sent += self._tell(member, deltas, now_s)
        if sent:
            self._count_deltas(sent)

    def _tell_everyone(self, group: Group, outgoing: Outgoing) -> int:
        """Write the same frame to all who are in step; who has no room for it is dealt with apart."""
        sent = 0
        for (dialect, view), alike in self._members.get(group, {}).items():
            frame = outgoing.message(dialect, view).frame()
            for member in alike.values():
                if member.own is not None:
                    continue
                if member.acked is None and member.push(frame):
                    sent += 1
                    continue
                member.falls_behind(group.before, group.seq - 1)
                self._apart.add(member)
        return sent

    def _tell(self, member: Member, deltas: _Deltas, now_s: float) -> bool:
        connection = member.connection
        if member.in_step or not connection.open:
            self._apart.discard(member)  # told by another answer; or its disconnect is on the way
            return False
        if member.waits:
            self._lags(member, now_s)
            return False
        outgoing = deltas.between(member.group, member.window, member.seq)
        if outgoing is None:
            member.same_again()  # nothing to say, and the next delta still follows its seq
            return False
        self._apart.discard(member)
        connection.emit(outgoing, member.view)
        member.told()
        return True

    def _lags(self, member: Member, now_s: float) -> None:
        if member.behind_since_s is None:
            member.behind_since_s = now_s
        elif now_s - member.behind_since_s > MAX_BEHIND_S:
            log.info("viewer_cut_off", operator=member.connection.operator.operator, sid=member.connection.sid)
            member.connection.abort(SLOW)

    def check(self, views: SiteViews, slowed: Slowed = NOT_SLOWED) -> None:
        """Tell every member that is up to date what its window must add up to."""
        for group, wires in self._members.items():
            payload = ViewCheck(
                epoch=views.epoch,
                seq=group.seq,
                checksum=group.window.checksum,
                slowed=slowed.every_ms,
                put_off=slowed.put_off,
            )
            check = Outgoing("view:check", payload)
            for alike in wires.values():
                for member in alike.values():
                    if member.in_step and not member.waits:
                        member.connection.emit(check, member.view)

    def reset(self, member: Member, reason: ResetReason) -> None:
        """Tell a member that its window is void."""
        member.connection.emit(Outgoing("view:reset", ViewReset(member.view, reason)))


class _Deltas:
    """The encoded differences of one flush, by where members stand."""

    def __init__(self, epoch: str, slowed: Slowed) -> None:
        self._epoch = epoch
        self._slowed = slowed
        self._made: dict[tuple[Group, int], Outgoing | None] = {}

    def between(self, group: Group, told: Window, seq: int) -> Outgoing | None:
        """From what was told as `seq` to the group's present; None if that is the same."""
        key = (group, seq)
        if key not in self._made:
            if len(self._made) >= KEPT_DELTAS:
                self._made.clear()
            self._made[key] = self._make(group, told, seq)
        return self._made[key]

    def _make(self, group: Group, told: Window, seq: int) -> Outgoing | None:
        parts = difference(told, group.window)
        if not parts:
            return None
        delta = ViewDelta(
            epoch=self._epoch,
            prev=seq,
            seq=group.seq,
            total=parts.total,
            counts=parts.counts,
            remove=parts.remove,
            insert=parts.insert,
            update=parts.update,
            move=parts.move,
            slowed=self._slowed.every_ms,
            put_off=self._slowed.put_off,
        )
        return Outgoing("view:delta", delta)
