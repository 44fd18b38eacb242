import { ArrowDown, Check, CheckCheck, Clock3, RotateCcw, TriangleAlert } from "lucide-react";
import { Fragment, useEffect, useLayoutEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { desk } from "../app/live";
import { unreadOf, type Chat } from "../chat/chat";
import { firstSeq, hasOlder, lastSeq } from "../chat/log";
import type { Outgoing } from "../chat/outbox";
import type { ChatEvent } from "../chat/wire";
import { moment } from "../format/names";
import { useErrorText } from "../ui/errors";
import type { Site } from "../wire";
import { LinkedText } from "./LinkedText";
import { SystemLine } from "./SystemLine";

const AT_END_PX = 40;
const GROUP_MS = 120_000; // messages of one person within this time stand together

interface LinesProps {
  chat: Chat;
  me: string;
  site: Site | null;
}

/** What was said and what happened. Stays at the end while the operator is there, and where it was when older come. */
export function Lines({ chat, me, site }: LinesProps) {
  const { t } = useTranslation();
  const scroller = useRef<HTMLDivElement>(null);
  const atEnd = useKeptPlace(scroller, chat);
  const { lines } = chat.log;
  const unread = unreadOf(chat);
  useSeen(chat, atEnd);
  return (
    <div className="lines-area">
      <div
        ref={scroller}
        className="lines"
        tabIndex={0}
        role="log"
        aria-label={t("chat.log")}
        aria-busy={!chat.log.opened || chat.loadingOlder}
        onScroll={({ currentTarget }) => currentTarget.scrollTop < 80 && desk.older(chat.chat)}
      >
        {hasOlder(chat.log) && (
          <button type="button" className="button quiet small lines-older" onClick={() => desk.older(chat.chat)}>
            {t(chat.loadingOlder ? "panel.loading" : "chat.older")}
          </button>
        )}
        {!chat.log.opened && <span className="spinner lines-spinner" role="status" aria-label={t("panel.loading")} />}
        {lines.map((line, at) => (
          <Fragment key={line.seq}>
            <DayMark at={line.at} before={lines[at - 1]?.at} />
            <Line line={line} before={lines[at - 1]} me={me} site={site} readUpTo={chat.readByVisitor} />
          </Fragment>
        ))}
        {chat.outbox.map((one) => (
          <OutgoingLine key={one.id} chat={chat.chat} one={one} />
        ))}
        <TypingMarks chat={chat} />
      </div>
      {!atEnd && (
        <button type="button" className="lines-end" onClick={() => toEnd(scroller.current)}>
          <ArrowDown size={14} aria-hidden="true" />
          {unread > 0 ? t("chat.unread", { count: unread }) : t("chat.to_end")}
        </button>
      )}
    </div>
  );
}

function toEnd(element: HTMLElement | null): void {
  element?.scrollTo(0, element.scrollHeight);
}

/** Follows the end of the log, or keeps what is read in place while older lines come above it. */
function useKeptPlace(scroller: React.RefObject<HTMLDivElement | null>, chat: Chat): boolean {
  const [atEnd, setAtEnd] = useState(true);
  const place = useRef({ height: 0, first: 0, atEnd: true });
  const first = firstSeq(chat.log);
  useEffect(() => {
    const element = scroller.current;
    if (!element) return;
    const look = () => {
      const now = element.scrollHeight - element.scrollTop - element.clientHeight < AT_END_PX;
      place.current.atEnd = now;
      setAtEnd(now);
    };
    const resized = new ResizeObserver(() => place.current.atEnd && toEnd(element));
    resized.observe(element);
    element.addEventListener("scroll", look, { passive: true });
    return () => {
      resized.disconnect();
      element.removeEventListener("scroll", look);
    };
  }, [scroller]);
  useLayoutEffect(() => {
    const element = scroller.current;
    if (!element) return;
    const { height, first: before } = place.current;
    if (place.current.atEnd) toEnd(element);
    else if (first < before && element.scrollTop < element.scrollHeight - height) {
      element.scrollBy(0, element.scrollHeight - height);
    }
    place.current = { ...place.current, height: element.scrollHeight, first };
  });
  return atEnd;
}

/** Read means: in front, at the end, and the operator's window has the focus. */
function useSeen(chat: Chat, atEnd: boolean): void {
  const last = lastSeq(chat.log);
  useEffect(() => {
    const look = () => {
      if (atEnd && document.hasFocus() && document.visibilityState === "visible") desk.seen(chat.chat);
    };
    look();
    addEventListener("focus", look);
    return () => removeEventListener("focus", look);
  }, [chat.chat, last, atEnd]);
}

function DayMark({ at, before }: { at: number; before: number | undefined }) {
  const { i18n } = useTranslation();
  if (before !== undefined && new Date(before).toDateString() === new Date(at).toDateString()) return null;
  return (
    <p className="day-mark">
      {new Intl.DateTimeFormat(i18n.language, { weekday: "long", day: "numeric", month: "long" }).format(at)}
    </p>
  );
}

interface LineProps {
  line: ChatEvent;
  before: ChatEvent | undefined;
  me: string;
  site: Site | null;
  readUpTo: number;
}

function Line({ line, before, me, site, readUpTo }: LineProps) {
  const { t, i18n } = useTranslation();
  if (line.type !== "message") return <SystemLine line={line} me={me} site={site} />;
  const own = line.by.kind === "operator" && line.by.id === me;
  const side = own ? "own" : line.by.kind === "operator" ? "colleague" : "visitor";
  const grouped =
    before?.type === "message" &&
    before.by.kind === line.by.kind &&
    before.by.id === line.by.id &&
    line.at - before.at < GROUP_MS;
  const read = line.seq <= readUpTo;
  return (
    <div className={`message message-${side}${grouped ? " message-grouped" : ""}`}>
      {!grouped && !own && <bdi className="message-name">{line.by.name}</bdi>}
      <div className="bubble" dir="auto">
        <LinkedText text={line.text ?? ""} />
      </div>
      <span className="message-foot">
        <time title={moment(line.at, i18n.language)}>{clockTime(line.at, i18n.language)}</time>
        {own && (
          <span
            className={read ? "mark-read" : "mark-sent"}
            role="img"
            aria-label={t(read ? "chat.read" : "chat.sent")}
          >
            {read ? <CheckCheck size={14} /> : <Check size={14} />}
          </span>
        )}
      </span>
    </div>
  );
}

export function clockTime(at: number, language: string): string {
  return new Intl.DateTimeFormat(language, { timeStyle: "short" }).format(at);
}

/** Written but not in the log yet. */
function OutgoingLine({ chat, one }: { chat: string; one: Outgoing }) {
  const { t } = useTranslation();
  const errorText = useErrorText();
  const failed = one.state === "failed";
  return (
    <div className={`message message-own message-pending${failed ? " message-failed" : ""}`}>
      <div className="bubble" dir="auto">
        <LinkedText text={one.text} />
      </div>
      {failed ? (
        <span className="message-foot" role="alert">
          <TriangleAlert size={13} aria-hidden="true" />
          {errorText({ code: one.code ?? "", message: "" })}
          <button type="button" className="link-button" onClick={() => desk.retry(chat, one.id)}>
            <RotateCcw size={12} aria-hidden="true" /> {t("panel.retry")}
          </button>
          <button type="button" className="link-button" onClick={() => desk.discard(chat, one.id)}>
            {t("chat.discard")}
          </button>
        </span>
      ) : (
        <span className="message-foot">
          <Clock3 size={12} aria-hidden="true" />
          {t(one.tries > 1 ? "chat.sending_again" : "chat.sending")}
        </span>
      )}
    </div>
  );
}

function TypingMarks({ chat }: { chat: Chat }) {
  const { t } = useTranslation();
  return chat.typing.map((one) => (
    <div key={one.id} className={`message message-${one.kind === "visitor" ? "visitor" : "colleague"} typing`}>
      <span className="typing-line">
        <span className="typing-dots" aria-hidden="true">
          <i />
          <i />
          <i />
        </span>
        {t("chat.typing", { name: one.name || chat.row?.nickname || t("offer.somebody") })}
      </span>
      {one.preview && (
        <div className="bubble bubble-preview" dir="auto">
          {one.preview}
        </div>
      )}
    </div>
  ));
}
