import { ChevronRight, Download } from "lucide-react";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { useLive } from "../app/live";
import type { ChatEvent } from "../chat/wire";
import { clockTime } from "../desk/Lines";
import { LinkedText } from "../desk/LinkedText";
import { SystemLine } from "../desk/SystemLine";
import { moment } from "../format/names";
import { duration } from "../format/times";
import { api, ApiError, transcriptAddress } from "../net/api";
import { StatusPill } from "../ui/StatusPill";
import type { Row, Site } from "../wire";
import type { ChatPage, ChatSummary } from "./moments";
import { PanelState } from "./PanelState";

/** The visitor's chats of all visits within the retention, newest first, each with its transcript. */
export function ChatsOfVisitor({ site, row }: { site: Site; row: Row }) {
  const { t } = useTranslation();
  const [page, setPage] = useState<ChatPage | null>(null);
  const [failed, setFailed] = useState<string | null>(null);
  const newest = `${row.chat ?? ""} ${row.status}`;
  const load = (before: number | null) => {
    api.chats(site.site, row.visitor, before).then(
      (found) => {
        setFailed(null);
        setPage((known) => (before === null || !known ? found : { ...found, items: [...known.items, ...found.items] }));
      },
      (error: unknown) => setFailed(error instanceof ApiError ? error.code : "away"),
    );
  };
  // eslint-disable-next-line react-hooks/exhaustive-deps -- asked again when the visitor's chat has changed
  useEffect(() => load(null), [site.site, row.visitor, newest]);
  if (failed !== null) return <PanelState error={{ code: failed, message: "" }} again={() => load(null)} />;
  if (!page || page.items.length === 0) return null;
  return (
    <section className="visits" aria-label={t("panel.chats")}>
      <h3 className="visits-title">{t("panel.chats")}</h3>
      {page.items.map((chat) => (
        <ChatItem key={chat.chat} chat={chat} site={site} />
      ))}
      {page.next && (
        <button type="button" className="button wide" onClick={() => load(page.next ?? null)}>
          {t("panel.more_chats")}
        </button>
      )}
    </section>
  );
}

function ChatItem({ chat, site }: { chat: ChatSummary; site: Site }) {
  const { t, i18n } = useTranslation();
  const [open, setOpen] = useState(false);
  const { engaged_at = 0, ended_at = 0, began_at = 0, operators = [] } = chat;
  const length = engaged_at > 0 && ended_at > engaged_at ? duration(ended_at - engaged_at) : "";
  return (
    <details className="visit" onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
      <summary>
        <ChevronRight className="visit-arrow" size={15} aria-hidden="true" />
        <span className="visit-when">{moment(began_at, i18n.language)}</span>
        <span className="visit-sum">{length}</span>
        <StatusPill status={chat.status} reason={chat.reason} />
      </summary>
      {operators.length > 0 && (
        <p className="visit-people">
          {t("chat.with")} <bdi>{operators.map(({ name }) => name).join(", ")}</bdi>
        </p>
      )}
      {open && <Transcript chat={chat.chat} site={site} />}
    </details>
  );
}

const FORMATS = ["text", "csv", "json"] as const;

function Transcript({ chat, site }: { chat: string; site: Site }) {
  const { t } = useTranslation();
  const me = useLive((state) => state.operator?.id) ?? "";
  const [lines, setLines] = useState<readonly ChatEvent[] | null>(null);
  const [failed, setFailed] = useState<string | null>(null);
  const [tries, setTries] = useState(0);
  useEffect(() => {
    api.transcript(site.site, chat).then(
      ({ events }) => setLines(events),
      (error: unknown) => setFailed(error instanceof ApiError ? error.code : "away"),
    );
  }, [site.site, chat, tries]);
  function again() {
    setFailed(null);
    setTries(tries + 1);
  }
  if (!lines) return <PanelState error={failed === null ? null : { code: failed, message: "" }} again={again} />;
  return (
    <>
      <div className="transcript">
        {lines.map((line) =>
          line.type === "message" ? (
            <TranscriptMessage key={line.seq} line={line} me={me} />
          ) : (
            <SystemLine key={line.seq} line={line} me={me} site={site} />
          ),
        )}
      </div>
      <p className="transcript-export">
        <Download size={13} aria-hidden="true" /> {t("panel.save_as")}
        {FORMATS.map((format) => (
          <a key={format} href={transcriptAddress(site.site, chat, format)} download>
            {t(`panel.format_${format}`)}
          </a>
        ))}
      </p>
    </>
  );
}

function TranscriptMessage({ line, me }: { line: ChatEvent; me: string }) {
  const { i18n } = useTranslation();
  const own = line.by.kind === "operator" && line.by.id === me;
  const side = own ? "own" : line.by.kind === "operator" ? "colleague" : "visitor";
  return (
    <div className={`message message-${side}`}>
      {!own && <bdi className="message-name">{line.by.name}</bdi>}
      <div className="bubble" dir="auto">
        <LinkedText text={line.text ?? ""} />
      </div>
      <span className="message-foot">
        <time title={moment(line.at, i18n.language)}>{clockTime(line.at, i18n.language)}</time>
      </span>
    </div>
  );
}
