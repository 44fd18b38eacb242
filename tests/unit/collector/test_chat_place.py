"""Each line of a chat is told once and in order, whatever arrives twice, late or not at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.collector.domain.chat_place import ChatPlace, Missing
from shared.contracts.chat import SYSTEM, Actor, ChatEvent, ChatMarked, ChatSaid, InviteGone, QueuePlace, StatusChanged
from shared.contracts.rows import OperatorRef, Status
from shared.contracts.visitor_chat import ChatEventSaid, InviteIsGone, ReadMark, StatusIs, TypingMark

ADA = OperatorRef("o_ada1", "Ada")


def said(seq: int, chat: str = "c1") -> ChatSaid:
    return ChatSaid(site="s", visitor="v", event=ChatEvent(chat=chat, seq=seq, at=1, type="message", by=SYSTEM))


def changed(status: Status, chat: str = "c1", *operators: OperatorRef) -> StatusChanged:
    return StatusChanged(
        site="s", visitor="v", before="navigating", status=status, by=SYSTEM, at=1, chat=chat, operators=operators
    )


@given(st.lists(st.integers(1, 30), max_size=200))
def test_lines_come_once_and_in_order_and_a_gap_is_never_passed_over(seqs: list[int]) -> None:
    place, told = ChatPlace(), []
    for seq in seqs:
        try:
            for frame in place.take(said(seq)):
                assert isinstance(frame, ChatEventSaid)
                told.append(frame.event.seq)
        except Missing:
            assert seq > len(told) + 1
            continue
        assert seq <= len(told)
    assert told == list(range(1, len(told) + 1))


def test_another_chat_begins_with_its_first_line() -> None:
    place = ChatPlace()
    place.take(said(1))
    place.take(said(2))
    with pytest.raises(Missing):
        place.take(said(2, "c2"))
    assert len(place.take(said(1, "c2"))) == 1
    assert (place.chat, place.seq) == ("c2", 1)


def test_lines_are_counted_anew_when_the_state_is_of_another_chat() -> None:
    place = ChatPlace()
    place.take(said(1))
    place.opening(changed("chatting"), None, None)
    assert place.seq == 1
    place.opening(changed("chatting", "c2"), None, None)
    assert (place.chat, place.seq) == ("c2", 0)


def test_a_place_in_the_queue_keeps_status_and_chat() -> None:
    place = ChatPlace()
    place.take(changed("requested", "c1"))
    assert place.take(QueuePlace(site="s", visitor="v", position=3, wait_s=60)) == [
        StatusIs(status="requested", operators=(), position=3, wait_s=60, chat="c1")
    ]
    assert place.take(changed("chatting", "c1", ADA)) == [StatusIs(status="chatting", operators=(ADA,), chat="c1")]


def test_marks_are_of_the_others_but_what_was_read_is_of_all() -> None:
    place = ChatPlace()
    visitor, ada = Actor("visitor", "v"), Actor("operator", "o_ada1", "Ada")

    def marked(by: Actor) -> ChatMarked:
        return ChatMarked(site="s", visitor="v", chat="c1", by=by, typing=True, read=4)

    assert place.take(marked(visitor)) == [ReadMark(chat="c1", by=visitor, seq=4)]
    assert place.take(marked(ada)) == [
        TypingMark(chat="c1", by=ada, on=True),
        ReadMark(chat="c1", by=ada, seq=4),
    ]


def test_an_invitation_that_is_gone_says_why() -> None:
    gone = InviteGone(site="s", visitor="v", invitation="i1", reason="withdrawn")
    assert ChatPlace().take(gone) == [InviteIsGone(reason="withdrawn", invitation="i1")]
