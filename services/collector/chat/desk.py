"""What a visitor says about chats, from an admitted message to the answer. Read :meth:`ChatDesk.carry_out`.

A message becomes one command entry of the site's partition; chat-routing's outcome with its id is the answer. It comes
within 2 s or the visitor is asked to repeat, which the id makes harmless. Nothing is kept here.
"""

from __future__ import annotations

import asyncio

from services.collector.chat.feed import ChatFeed
from services.collector.domain.chat_commands import command_of
from services.collector.domain.refusals import Refusal
from services.collector.intake import UNAVAILABLE_RETRY_S, Intake
from shared.contracts.chat import AcceptInvite, ChatCommand, CommandDone, MarkChat, RequestChat, wanted_now
from shared.contracts.sites import Site
from shared.contracts.streams import VisitorNamed
from shared.contracts.tracking import LiveOk
from shared.contracts.visitor_chat import VisitorMessage
from shared.storage.clients import RedisClock
from shared.storage.faults import Unavailable

ANSWER_S = 1.9  # the contract's 2 s, less the way
TRY_AGAIN = Refusal("try_again", retry_after_s=1)


class ChatDesk:
    """Carries out what visitors say. Whether it is that visitor was checked before."""

    def __init__(self, intake: Intake, feed: ChatFeed, clock: RedisClock) -> None:
        self._intake = intake
        self._feed = feed
        self._clock = clock

    async def carry_out(self, site: Site, visitor: str, message: VisitorMessage) -> LiveOk | Refusal:
        """The answer to `message`. Messages that are handed in one after the other take effect in that order."""
        refused = self._intake.chat_refused(site.site, visitor)
        if refused is not None:
            return refused
        command = command_of(message, site.site, visitor, site.settings.widget, self._intake.now_ms())
        if isinstance(command, Refusal):
            return command
        try:
            async with asyncio.timeout(ANSWER_S):
                if isinstance(command, MarkChat):
                    # Marks are passed on and kept nowhere: stored on their way is all there is to say.
                    return await self._intake.append(site.site, command) or LiveOk(message.id)
                await self._feed.ready(site.site)
                return await self._answer(command)
        except TimeoutError:
            return TRY_AGAIN
        except Unavailable:
            return Refusal("unavailable", retry_after_s=UNAVAILABLE_RETRY_S)

    async def _answer(self, command: ChatCommand) -> LiveOk | Refusal:
        who = (command.site, command.visitor)
        answer = self._feed.expect(who, command.id)
        try:
            redis_ms = await self._clock.now_ms(self._intake.partition(command.site))
            command = wanted_now(command, redis_ms)
            refused = await self._intake.append(command.site, command) or await self._name(command)
            return refused or _answered(await answer)
        finally:
            self._feed.forget(who, command.id, answer)

    async def _name(self, command: ChatCommand) -> Refusal | None:
        """A name that was given is the nickname at once, and is kept with the visitor."""
        if not isinstance(command, RequestChat | AcceptInvite) or not command.name:
            return None
        named = VisitorNamed(command.site, command.visitor, command.name, command.at_ms)
        return await self._intake.append(command.site, named)


def _answered(done: CommandDone) -> LiveOk | Refusal:
    if done.code is not None:
        return Refusal(done.code, current=done.current)
    return LiveOk(done.id, status=done.current, chat=done.chat or None, seq=done.seq or None)
