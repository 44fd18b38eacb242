import { MessagesSquare, X } from "lucide-react";
import { useEffect, useRef, useState, type KeyboardEvent } from "react";
import { useTranslation } from "react-i18next";
import { desk, useLive } from "../app/live";
import { lastMessage, nicknameOf, stageOf, unansweredSince, unreadOf, type Chat } from "../chat/chat";
import { useServerNow } from "../format/ticker";
import { duration } from "../format/times";
import { selectVisitor } from "../list/selection";
import { useQuery } from "../list/query";
import { Country } from "../ui/Flag";
import { Conversation } from "./Conversation";
import { Details } from "./Details";
import { useRespond } from "./respond";
import { useDesk, useWaiting } from "./useDesk";

const ROOM_FOR_LIST = 660;
const ROOM_FOR_DETAILS = 1_020;
const LATE_MS = 60_000; // a visitor who waits longer for an answer than this is marked
const MOST_WAITING = 2; // in a narrow desk the conversation needs the room
const MOST_WAITING_WIDE = 8;

/** The chats of this operator: who waits, which go on, and the one in front. Wider, it also shows the visitor. */
export function ChatsPanel() {
  const { t } = useTranslation();
  const { chats, active } = useDesk();
  const [room, width] = useWidth();
  const chat = chats.find((one) => one.chat === active) ?? null;
  const wide = width >= ROOM_FOR_LIST;
  useSelectVisitor(chat);
  return (
    <div ref={room} className={wide ? "chats chats-wide" : "chats"}>
      <div className="chats-list">
        <WaitingVisitors most={wide ? MOST_WAITING_WIDE : MOST_WAITING} />
        {chats.length > 0 && <ChatTabs chats={chats} active={active} />}
      </div>
      {chat ? (
        <Conversation key={chat.chat} chat={chat} />
      ) : (
        <div className="panel-empty chats-none">
          <MessagesSquare size={26} aria-hidden="true" />
          <p>{t("chat.none")}</p>
        </div>
      )}
      {chat?.row && width >= ROOM_FOR_DETAILS && <Details chat={chat} row={chat.row} />}
    </div>
  );
}

function useWidth(): [(element: HTMLDivElement | null) => void, number] {
  const [element, setElement] = useState<HTMLDivElement | null>(null);
  const [width, setWidth] = useState(0);
  useEffect(() => {
    if (!element) return;
    const observer = new ResizeObserver(() => setWidth(element.clientWidth));
    observer.observe(element);
    return () => observer.disconnect();
  }, [element]);
  return [setElement, width];
}

/** The visitor of the chat in front is the selected one, so that panels and toolbar are about the same person. */
function useSelectVisitor(chat: Chat | null): void {
  const site = useQuery((query) => query.site);
  const row = useRef(chat?.row ?? null);
  const [id, chatSite, visitor] = [chat?.chat, chat?.site, chat?.visitor];
  useEffect(() => {
    row.current = chat?.row ?? null;
  });
  useEffect(() => {
    if (visitor !== undefined && chatSite === site) selectVisitor(visitor, row.current);
  }, [id, visitor, chatSite, site]);
}

function WaitingVisitors({ most }: { most: number }) {
  const { t } = useTranslation();
  const waiting = useWaiting();
  const { offers } = useDesk();
  const { take } = useRespond();
  const now = useServerNow();
  const offered = new Set(offers.map(({ visitor }) => visitor));
  const open = waiting.filter(({ row }) => !offered.has(row.visitor));
  if (open.length === 0) return null;
  return (
    <section className="waiting-list" aria-label={t("chat.waiting")}>
      <h2>
        {t("chat.waiting")} <span className="count-mark">{open.length}</span>
      </h2>
      <ul>
        {open.slice(0, most).map(({ site, row }) => (
          <li key={row.visitor}>
            <Country code={row.country} bare />
            <bdi>{row.nickname}</bdi>
            <span className="number waiting-time">{duration(now - (row.requested_at ?? now))}</span>
            <button type="button" className="button small primary" onClick={() => void take(site, row)}>
              {t("offer.accept")}
            </button>
          </li>
        ))}
      </ul>
      {open.length > most && <p className="menu-note">{t("chat.more", { count: open.length - most })}</p>}
    </section>
  );
}

function ChatTabs({ chats, active }: { chats: readonly Chat[]; active: string | null }) {
  const { t } = useTranslation();
  useEffect(() => {
    if (active !== null) document.getElementById(`chat-tab-${active}`)?.scrollIntoView({ block: "nearest" });
  }, [active]);
  function keys(event: KeyboardEvent) {
    if (event.key === "Delete" && active !== null) {
      desk.close(active);
      // The focus goes on with the chat that is in front now.
      requestAnimationFrame(() => document.getElementById(`chat-tab-${desk.current().active ?? ""}`)?.focus());
      return;
    }
    const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const next = neighbour(chats, active, step);
    if (next === null) return;
    desk.show(next);
    document.getElementById(`chat-tab-${next}`)?.focus();
  }
  return (
    <div className="chat-tabs" role="tablist" aria-label={t("panel.chats")} onKeyDown={keys}>
      {chats.map((chat) => (
        <ChatTab key={chat.chat} chat={chat} active={chat.chat === active} />
      ))}
    </div>
  );
}

/** The chat `step` places on, around the ends. */
export function neighbour(chats: readonly Chat[], active: string | null, step: number): string | null {
  const at = chats.findIndex(({ chat }) => chat === active);
  return chats.at((Math.max(0, at) + step) % chats.length)?.chat ?? null;
}

function ChatTab({ chat, active }: { chat: Chat; active: boolean }) {
  const { t } = useTranslation();
  const me = useLive((state) => state.operator?.id) ?? "";
  const stage = stageOf(chat, me);
  const unread = unreadOf(chat);
  const typing = chat.typing.some(({ kind }) => kind === "visitor");
  const last = lastMessage(chat);
  const name = nicknameOf(chat) ?? t("offer.somebody");
  return (
    <div className={`chat-tab stage-${stage}${active ? " chat-tab-active" : ""}`} role="presentation">
      <button
        type="button"
        role="tab"
        id={`chat-tab-${chat.chat}`}
        aria-selected={active}
        aria-controls="conversation"
        aria-keyshortcuts={chat.mine ? undefined : "Delete"}
        tabIndex={active ? 0 : -1}
        onClick={() => desk.show(chat.chat)}
      >
        <span className="chat-tab-head">
          <Country code={chat.row?.country ?? null} bare />
          <bdi className="chat-tab-name">{name}</bdi>
          {unread > 0 && (
            <span className="count-mark" aria-label={t("chat.unread", { count: unread })}>
              {unread}
            </span>
          )}
        </span>
        <span className="chat-tab-foot">
          <bdi className="chat-tab-last">{typing ? t("chat.typing_short") : (last?.text ?? t(`stage.${stage}`))}</bdi>
          {stage === "talking" ? <WaitMark since={unansweredSince(chat)} /> : null}
        </span>
      </button>
      {/* For the mouse alone: a list of tabs has no other buttons, the keyboard's way is Delete. */}
      {!chat.mine && (
        <button
          type="button"
          className="chat-tab-close"
          title={t("chat.close", { name })}
          aria-hidden="true"
          tabIndex={-1}
          onClick={() => desk.close(chat.chat)}
        >
          <X size={13} />
        </button>
      )}
    </div>
  );
}

/** How long the visitor has waited for an answer. */
function WaitMark({ since }: { since: number | null }) {
  const { t } = useTranslation();
  const now = useServerNow();
  if (since === null) return null;
  const waited = now - since;
  return (
    <span className={waited > LATE_MS ? "wait-mark wait-late number" : "wait-mark number"} title={t("chat.unanswered")}>
      {duration(waited)}
    </span>
  );
}
