"""Who looks at which view, and what each was last told.

A group's difference is worked out and encoded once for all members that stand where the group stood. A member whose
client does not keep up is left out; when there is room again it gets one difference from what it was last told to
the present, however much happened in between. Who stays behind too long is cut off. Read :meth:`Audience.publish`.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from services.operator_gateway.sockets.connections import Connection
from services.operator_gateway.sockets.frames import Outgoing
from services.operator_gateway.sockets.peer import SLOW
from services.operator_gateway.views.engine import Group, SiteViews
from services.operator_gateway.views.window import Window, difference
from shared.contracts.operators import ResetReason, ViewCheck, ViewDelta, ViewReset

log = structlog.get_logger()

MAX_UNACKED = 50  # deltas ahead of a client that acknowledges: 10 s of a busy list
MAX_BEHIND_S = 30.0  # behind for longer: the connection is of no use to the operator
KEPT_DELTAS = 32  # encoded differences of one flush that are shared between members who stand at the same place


class Member:
    """One open view of one connection: what the client was last told."""

    __slots__ = ("acked", "behind_since_s", "closed", "connection", "group", "seq", "view", "window")

    def __init__(self, connection: Connection, view: str, group: Group) -> None:
        self.connection = connection
        self.view = view
        self.group = group
        self.window: Window = group.window
        self.seq = group.seq
        self.acked: int | None = None  # None: this client does not acknowledge
        self.behind_since_s: float | None = None
        self.closed = False

    def told(self) -> None:
        """The client was given the group's present state."""
        self.window, self.seq = self.group.window, self.group.seq
        self.behind_since_s = None

    @property
    def waits(self) -> bool:
        """Whether the client has to catch up before it is told more."""
        if self.acked is not None and self.seq - self.acked > MAX_UNACKED:
            return True
        return self.connection.behind


class Audience:
    """The members of one site's groups."""

    def __init__(self, count_deltas: Callable[[int], None]) -> None:
        self._members: dict[Group, dict[tuple[str, str], Member]] = {}
        self._lagging: set[Member] = set()
        self._count_deltas = count_deltas

    def __len__(self) -> int:
        return sum(len(members) for members in self._members.values())

    @property
    def lagging(self) -> int:
        """Members that wait for their clients."""
        return len(self._lagging)

    def members(self) -> list[Member]:
        """Everyone."""
        return [member for members in self._members.values() for member in members.values()]

    def join(self, member: Member) -> None:
        """From now on the member is told what changes."""
        self._members.setdefault(member.group, {})[member.connection.sid, member.view] = member

    def leave(self, member: Member) -> None:
        """No more."""
        members = self._members.get(member.group)
        if members is not None:
            members.pop((member.connection.sid, member.view), None)
            if not members:
                del self._members[member.group]
        self._lagging.discard(member)

    def publish(self, views: SiteViews, changed: list[Group], now_s: float, slowed_ms: int = 0) -> None:
        """Tell the members of the groups that changed, then those who waited and have room now."""
        deltas = _Deltas(views.epoch, slowed_ms)
        sent = 0
        for group in changed:
            for member in self._members.get(group, {}).values():
                if member in self._lagging:
                    continue
                sent += self._tell(member, deltas, now_s)
        for member in tuple(self._lagging):
            sent += self._tell(member, deltas, now_s)
        if sent:
            self._count_deltas(sent)

    def _tell(self, member: Member, deltas: _Deltas, now_s: float) -> bool:
        connection = member.connection
        if not connection.open:
            self._lagging.discard(member)  # its disconnect is on the way
            return False
        if member.waits:
            self._lags(member, now_s)
            return False
        self._lagging.discard(member)
        outgoing = deltas.between(member)
        if outgoing is None:
            # Back to what the client has: nothing to say, and the next delta still follows its seq.
            member.window = member.group.window
            return False
        connection.emit(outgoing, member.view)
        member.told()
        return True

    def _lags(self, member: Member, now_s: float) -> None:
        self._lagging.add(member)
        if member.behind_since_s is None:
            member.behind_since_s = now_s
        elif now_s - member.behind_since_s > MAX_BEHIND_S:
            log.info("viewer_cut_off", operator=member.connection.operator.operator, sid=member.connection.sid)
            member.connection.abort(SLOW)

    def check(self, views: SiteViews, slowed_ms: int = 0) -> None:
        """Tell every member that is up to date what its window must add up to."""
        for group, members in self._members.items():
            checks: dict[int, Outgoing] = {}
            for member in members.values():
                if member.window is group.window and not member.waits:
                    check = checks.get(member.seq)
                    if check is None:
                        payload = ViewCheck(
                            epoch=views.epoch, seq=member.seq, checksum=group.window.checksum, slowed=slowed_ms
                        )
                        check = checks[member.seq] = Outgoing("view:check", payload)
                    member.connection.emit(check, member.view)

    def reset(self, member: Member, reason: ResetReason) -> None:
        """Tell a member that its window is void."""
        member.connection.emit(Outgoing("view:reset", ViewReset(member.view, reason)))


class _Deltas:
    """The encoded differences of one flush, by where members stand."""

    def __init__(self, epoch: str, slowed_ms: int) -> None:
        self._epoch = epoch
        self._slowed_ms = slowed_ms
        self._made: dict[tuple[Group, int], Outgoing | None] = {}

    def between(self, member: Member) -> Outgoing | None:
        """From what the member was told to the present; None if that is the same."""
        key = (member.group, member.seq)
        if key not in self._made:
            if len(self._made) >= KEPT_DELTAS:
                self._made.clear()
            self._made[key] = self._make(member)
        return self._made[key]

    def _make(self, member: Member) -> Outgoing | None:
        group = member.group
        parts = difference(member.window, group.window)
        if not parts:
            return None
        delta = ViewDelta(
            epoch=self._epoch,
            prev=member.seq,
            seq=group.seq,
            total=parts.total,
            counts=parts.counts,
            remove=parts.remove,
            insert=parts.insert,
            update=parts.update,
            move=parts.move,
            slowed=self._slowed_ms,
        )
        return Outgoing("view:delta", delta)
