"""The worker of one process: takes deliveries of all partitions, tries them, and puts off what fails.

It is woken by this process's own commits and otherwise looks around now and then, so what another process queued before
it died, or was trying when it died, is found too. It shares nothing with the partition loop but Redis and the event
loop. Read :meth:`Notifier.run`, then :meth:`Notifier._try`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import structlog

from services.chat_routing.notify.fault import DeliveryFault
from services.chat_routing.notify.hooks import Hooks
from services.chat_routing.notify.mail import Mailer, compose
from services.chat_routing.site_work import Sites
from shared.contracts.chat import ChatEvent
from shared.contracts.notifications import ChatNews, Delivery, MessageNews, Undelivered, decode_delivery
from shared.domain.partitions import Partition, Partitions
from shared.runtime.clock import Clock
from shared.storage.faults import Unavailable
from shared.storage.notifications import NotificationQueue, Queued
from shared.storage.transcripts import Transcripts

log = structlog.get_logger()

# Pause after the 1st, 2nd … attempt; the first is also how long a worker may be silent before it counts as dead, so it
# is longer than any attempt can take. Then the delivery is given up: about a day.
PAUSES_MS = tuple(1000 * s for s in (120, 120, 300, 900, 1_800, 3_600, 7_200, 14_400, 28_800, 28_800))
SWEEP_S = 15.0
AT_ONCE = 8  # deliveries tried at the same time: a receiver that hangs holds up seven others at most
MAX_LINES = 2_000  # of a transcript in a mail or webhook; the console has it all


class Notifier:
    """Give `wake` to whoever queues and keep `run` running."""

    def __init__(
        self,
        queue: NotificationQueue,
        partitions: Partitions,
        sites: Sites,
        transcripts: Transcripts,
        *,
        hooks: Hooks,
        mailer: Mailer | None,
        consumer: str,
        clock: Clock,
        count: Any = lambda _outcome: None,
        pauses_ms: Sequence[int] = PAUSES_MS,
        sweep_s: float = SWEEP_S,
    ) -> None:
        self._queue = queue
        self._partitions = partitions
        self._sites = sites
        self._transcripts = transcripts
        self._hooks = hooks
        self._mailer = mailer
        self._consumer = consumer
        self._clock = clock
        self._count = count
        self._pauses_ms = pauses_ms
        self._sweep_s = sweep_s
        self._woken: set[Partition] = set()
        self._wake = asyncio.Event()

    @property
    def mails(self) -> bool:
        """Whether mails can be sent at all."""
        return self._mailer is not None

    def wake(self, partition: Partition) -> None:
        """Something was queued there."""
        self._woken.add(partition)
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled. What is being tried then stays pending and is tried again by somebody."""
        loop = asyncio.get_running_loop()
        sweep_at_s = loop.time()
        while True:
            if loop.time() >= sweep_at_s:
                sweep_at_s = loop.time() + self._sweep_s
                await self._look(self._partitions.all(), overdue=True)
            woken, self._woken = self._woken, set()
            self._wake.clear()
            await self._look(sorted(woken, key=lambda partition: partition.index), overdue=False)
            if self._woken:
                continue
            try:
                async with asyncio.timeout(max(0.0, sweep_at_s - loop.time())):
                    await self._wake.wait()
            except TimeoutError:
                pass

    async def _look(self, partitions: Sequence[Partition], *, overdue: bool) -> None:
        for partition in partitions:
            try:
                await self._work_off(partition, overdue=overdue)
            except Unavailable as error:
                log.warning("notifications_wait", partition=partition.index, reason=str(error))
                return

    async def _work_off(self, partition: Partition, *, overdue: bool) -> None:
        if not await self._queue.length(partition):
            return
        if overdue:
            late = await self._queue.overdue(partition, self._consumer, self._pauses_ms, AT_ONCE)
            await self._try_all(partition, late)
        fresh = await self._queue.fresh(partition, self._consumer, AT_ONCE)
        await self._try_all(partition, fresh)
        if len(fresh) == AT_ONCE:
            self.wake(partition)  # there may be more; other partitions come first

    async def _try_all(self, partition: Partition, found: Sequence[Queued]) -> None:
        async with asyncio.TaskGroup() as group:
            for one in found:
                group.create_task(self._settle(partition, one))

    async def _settle(self, partition: Partition, queued: Queued) -> None:
        """One attempt and what follows from it; nothing that a receiver does may stop the others."""
        try:
            await self._attempt(partition, queued)
        except Unavailable as error:  # it stays pending, so somebody tries again
            log.warning("notification_unsettled", partition=partition.index, reason=str(error))

    async def _attempt(self, partition: Partition, queued: Queued) -> None:
        try:
            delivery = decode_delivery(queued.payload)
        except msgspec.DecodeError as error:
            log.error("notification_unreadable", partition=partition.index, reason=str(error))
            self._count("given_up")
            await self._queue.done(partition, queued.entry)
            return
        try:
            await self._try(delivery)
        except DeliveryFault as fault:
            await self._failed(partition, queued, delivery, fault)
        except Unavailable:
            raise
        except Exception as error:
            log.error("notification_failed", delivery=delivery.id, exc_info=error)
            await self._failed(partition, queued, delivery, DeliveryFault("internal"))
        else:
            self._count("delivered")
            await self._queue.done(partition, queued.entry)

    async def _failed(self, partition: Partition, queued: Queued, delivery: Delivery, fault: DeliveryFault) -> None:
        given_up = fault.final or queued.attempt >= len(self._pauses_ms)
        log.warning(
            "notification_not_sent",
            site=delivery.site,
            delivery=delivery.id,
            reason=fault.reason,
            attempt=queued.attempt,
            given_up=given_up,
        )
        self._count("given_up" if given_up else "put_off")
        if given_up:
            line = Undelivered(
                id=delivery.id,
                site=delivery.site,
                kind="message" if isinstance(delivery.news, MessageNews) else "chat",
                target=delivery.target,
                reason=fault.reason,
                attempts=queued.attempt,
                at=self._clock.now_ms(),
                visitor=delivery.about[1],
                mail=delivery.mail,
                asked=delivery.asked,
                chat=delivery.news if isinstance(delivery.news, ChatNews) else None,
                message=delivery.news.message.id if isinstance(delivery.news, MessageNews) else "",
            )
            await self._queue.bury(partition, queued.entry, line)

    async def _try(self, delivery: Delivery) -> None:
        """Send it now. A receiver that the site no longer names gets nothing. Raises DeliveryFault or Unavailable."""
        site = self._sites.site(delivery.site)
        if site is None or site.disabled:
            return
        wanted, news = site.notifications, delivery.news
        lines: Sequence[ChatEvent] = ()
        if isinstance(news, ChatNews):
            lines = await self._lines(news.chat)
            if not lines:
                return  # erased meanwhile
        if delivery.mail:
            emails = wanted.message_emails if isinstance(news, MessageNews) else wanted.transcript_emails
            if (delivery.asked or delivery.target in emails) and self._mailer is not None:
                mail = compose(delivery, site.name, lines, self._mailer.server.sender)
                await self._mailer.send(mail, delivery.target)
            return
        secret = next((hook.secret for hook in wanted.webhooks if hook.url == delivery.target), None)
        if secret is not None:
            await self._hooks.post(delivery.target, secret, delivery.id, _event(delivery, lines), self._clock.now_ms())

    async def _lines(self, chat: str) -> list[ChatEvent]:
        lines: list[ChatEvent] = []
        while len(lines) < MAX_LINES:
            more = await self._transcripts.after(chat, lines[-1].seq if lines else 0)
            if not more:
                break
            lines += more
        return lines[:MAX_LINES]


def _event(delivery: Delivery, lines: Sequence[ChatEvent]) -> dict[str, Any]:
    news = delivery.news
    if isinstance(news, MessageNews):
        fields = msgspec.structs.asdict(news.message)
        return {"type": "message", "delivery": delivery.id, **fields}
    fields = msgspec.structs.asdict(news)
    return {"type": "chat", "delivery": delivery.id, **fields, "events": lines}
