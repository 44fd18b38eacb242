import { Check, Inbox as InboxIcon } from "lucide-react";
import { useCallback, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { useLive } from "../app/live";
import { useSession } from "../app/session";
import { toast } from "../app/toasts";
import { moment } from "../format/names";
import { api, ApiError } from "../net/api";
import { PanelState } from "../panels/PanelState";
import type { Site } from "../wire";
import { readInbox, type InboxMessage } from "./inbox";
import { LinkedText } from "./LinkedText";

/** Messages from the offline form, newest first, until somebody has dealt with them. */
export function InboxPanel({ site }: { site: Site }) {
  const { t } = useTranslation();
  const unread = useLive((state) => state.inbox[site.site]);
  const csrf = useSession((state) => state.me?.csrf) ?? "";
  const [messages, setMessages] = useState<readonly InboxMessage[] | null>(null);
  const [failed, setFailed] = useState<string | null>(null);
  const load = useCallback(() => {
    api.inbox(site.site).then(
      (answer) => {
        setMessages(readInbox(answer));
        setFailed(null);
      },
      (error: unknown) => setFailed(error instanceof ApiError ? error.code : "away"),
    );
  }, [site.site]);
  useEffect(load, [load, unread]);

  async function done(message: InboxMessage) {
    try {
      await api.inboxDone(site.site, message.id, csrf);
      setMessages((known) => known?.map((one) => (one === message ? { ...one, done: true } : one)) ?? null);
    } catch {
      toast("error", t("inbox.done_failed"));
    }
  }

  if (messages === null)
    return <PanelState error={failed === null ? null : { code: failed, message: "" }} again={load} />;
  if (messages.length === 0)
    return (
      <div className="panel-empty">
        <InboxIcon size={26} aria-hidden="true" />
        <p>{t("inbox.none")}</p>
      </div>
    );
  return (
    <ul className="inbox">
      {messages.map((message) => (
        <InboxItem key={message.id} message={message} onDone={() => void done(message)} />
      ))}
    </ul>
  );
}

function InboxItem({ message, onDone }: { message: InboxMessage; onDone: () => void }) {
  const { t, i18n } = useTranslation();
  return (
    <li className={message.done ? "inbox-item inbox-done" : "inbox-item"}>
      <div className="inbox-head">
        <bdi className="inbox-name">{message.name || t("line.visitor")}</bdi>
        <time>{moment(message.at, i18n.language)}</time>
      </div>
      {message.email && <bdi className="inbox-email">{message.email}</bdi>}
      <p className="inbox-text" dir="auto">
        <LinkedText text={message.text} />
      </p>
      {message.done ? (
        <span className="inbox-state">
          <Check size={13} aria-hidden="true" /> {t("inbox.is_done")}
        </span>
      ) : (
        <button type="button" className="button small" onClick={onDone}>
          <Check size={13} aria-hidden="true" />
          {t("inbox.done")}
        </button>
      )}
    </li>
  );
}
