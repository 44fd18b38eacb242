import { Check, Inbox as InboxIcon } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { useSession } from "../app/session";
import { toast } from "../app/toasts";
import { moment } from "../format/names";
import { api, ApiError } from "../net/api";
import { PanelState } from "../panels/PanelState";
import type { Site } from "../wire";
import { useInbox, type InboxMessage } from "./inbox";
import { LinkedText } from "./LinkedText";

/** Messages from the offline form, newest first: those that wait, and those that somebody has dealt with. */
export function InboxPanel({ site }: { site: Site }) {
  const { t } = useTranslation();
  const [done, setDone] = useState(false);
  return (
    <>
      <div className="details-tabs inbox-tabs" role="group" aria-label={t("panel.inbox")}>
        <button type="button" aria-pressed={!done} onClick={() => setDone(false)}>
          {t("inbox.waiting")}
        </button>
        <button type="button" aria-pressed={done} onClick={() => setDone(true)}>
          {t("inbox.finished")}
        </button>
      </div>
      <Messages key={String(done)} site={site} done={done} />
    </>
  );
}

function Messages({ site, done }: { site: Site; done: boolean }) {
  const { t } = useTranslation();
  const { messages, next, failed, reload, more } = useInbox(site.site, done);
  if (messages === null || (failed !== null && messages.length === 0))
    return <PanelState error={failed === null ? null : { code: failed, message: "" }} again={reload} />;
  if (messages.length === 0)
    return (
      <div className="panel-empty">
        <InboxIcon size={26} aria-hidden="true" />
        <p>{t(done ? "inbox.none_done" : "inbox.none")}</p>
      </div>
    );
  return (
    <>
      <ul className="inbox">
        {messages.map((message) => (
          <InboxItem key={message.message} message={message} site={site} />
        ))}
      </ul>
      {failed !== null && <PanelState error={{ code: failed, message: "" }} again={more} />}
      {next !== null && failed === null && (
        <div className="inbox-more">
          <button type="button" className="button wide" onClick={more}>
            {t("inbox.more")}
          </button>
        </div>
      )}
    </>
  );
}

function InboxItem({ message, site }: { message: InboxMessage; site: Site }) {
  const { t, i18n } = useTranslation();
  const csrf = useSession((state) => state.me?.csrf) ?? "";
  const [finished, setFinished] = useState(message.done);
  const skill = site.skills.find((one) => one.skill === message.skill)?.name;

  async function finish() {
    try {
      await api.inboxDone(site.site, message.message, csrf);
      setFinished(true);
    } catch (error) {
      // A colleague has dealt with it meanwhile.
      if (error instanceof ApiError && error.status === 404) setFinished(true);
      else toast("error", t("inbox.done_failed"));
    }
  }

  return (
    <li className={finished ? "inbox-item inbox-done" : "inbox-item"}>
      <div className="inbox-head">
        <bdi className="inbox-name">{message.name || t("line.visitor")}</bdi>
        {skill && <span className="tag">{skill}</span>}
        <time>{moment(message.at, i18n.language)}</time>
      </div>
      {message.email && <bdi className="inbox-email">{message.email}</bdi>}
      <p className="inbox-text" dir="auto">
        <LinkedText text={message.text} />
      </p>
      {finished ? (
        <span className="inbox-state">
          <Check size={13} aria-hidden="true" /> {doneText()}
        </span>
      ) : (
        <button type="button" className="button small" onClick={() => void finish()}>
          <Check size={13} aria-hidden="true" />
          {t("inbox.done")}
        </button>
      )}
    </li>
  );

  function doneText(): string {
    const { done_by, done_at } = message;
    if (!done_by?.name || !done_at) return t("inbox.is_done");
    return t("inbox.done_by", { name: done_by.name, when: moment(done_at, i18n.language) });
  }
}
