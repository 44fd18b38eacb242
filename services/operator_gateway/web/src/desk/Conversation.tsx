import { DoorOpen } from "lucide-react";
import { useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { desk, useLive } from "../app/live";
import { nicknameOf, stageOf, type Chat } from "../chat/chat";
import { useServerNow } from "../format/ticker";
import { chatSpan, spanText } from "../format/times";
import { actionsFor, mayLeave, type Action } from "../toolbar/actions";
import { CommandDialog, type Asked } from "../toolbar/CommandDialog";
import { ActionButton } from "../toolbar/Toolbar";
import { useActor } from "../toolbar/useActor";
import { needsForm, useCommand } from "../toolbar/useCommand";
import { Country } from "../ui/Flag";
import { Hint } from "../ui/Hint";
import { ActivityDot, StatusPill } from "../ui/StatusPill";
import { useErrorText } from "../ui/errors";
import type { Row, Site } from "../wire";
import { Composer } from "./Composer";
import { Lines } from "./Lines";

const HERE: readonly Action[] = ["forward", "conference", "kick", "end"];

/** One chat: who it is, what can be done, what was said, and where the operator writes. */
export function Conversation({ chat }: { chat: Chat }) {
  const { t } = useTranslation();
  const errorText = useErrorText();
  const me = useLive((state) => state.operator?.id) ?? "";
  const site = useLive((state) => state.sites).find((one) => one.site === chat.site) ?? null;
  const stage = stageOf(chat, me);
  return (
    <section
      id="conversation"
      className="conversation"
      role="tabpanel"
      aria-labelledby={`chat-tab-${chat.chat}`}
      data-stage={stage}
    >
      <Head chat={chat} site={site} />
      {chat.failed ? (
        <div className="panel-empty" role="alert">
          <p>{t("chat.failed")}</p>
          <p className="menu-note">{errorText({ code: chat.failed, message: "" })}</p>
          <button type="button" className="button small" onClick={() => desk.reload(chat.chat)}>
            {t("panel.retry")}
          </button>
        </div>
      ) : (
        <Lines chat={chat} me={me} site={site} />
      )}
      {stage === "talking" ? (
        <Composer key={chat.chat} chat={chat} site={chat.site} />
      ) : (
        <p className="conversation-over">{t(`stage.${stage}_text`)}</p>
      )}
    </section>
  );
}

function Head({ chat, site }: { chat: Chat; site: Site | null }) {
  const { t } = useTranslation();
  const { row } = chat;
  return (
    <header className="conversation-head">
      <div className="conversation-who">
        <Country code={row?.country ?? null} bare />
        <h2>
          <bdi>{nicknameOf(chat) ?? t("offer.somebody")}</bdi>
        </h2>
        {row && (
          <>
            <ActivityDot activity={row.activity} />
            <StatusPill status={row.status} reason={row.reason} />
            <ChatTime row={row} />
          </>
        )}
      </div>
      {row && <People row={row} />}
      {row && <Actions row={row} site={site} />}
    </header>
  );
}

function ChatTime({ row }: { row: Row }) {
  const { t } = useTranslation();
  const now = useServerNow();
  const span = chatSpan(row);
  return span ? (
    <span className="conversation-time number" title={t("column.chat_time")}>
      {spanText(span, now)}
    </span>
  ) : null;
}

/** Everybody in the chat, once there is more than one operator. */
function People({ row }: { row: Row }) {
  const { t } = useTranslation();
  if (row.operators.length < 2) return null;
  return (
    <p className="conversation-people">
      {t("chat.with")} <bdi>{row.operators.map(({ name }) => name).join(", ")}</bdi>
    </p>
  );
}

function Actions({ row, site }: { row: Row; site: Site | null }) {
  const { t } = useTranslation();
  const me = useActor(site);
  const verdicts = actionsFor(row, false, me);
  const dialog = useRef<HTMLDialogElement>(null);
  const [asked, setAsked] = useState<Asked | null>(null);
  const run = useCommand(site);
  function act(action: Action) {
    const verdict = verdicts[action];
    if (!verdict.enabled || verdict.command === null) return;
    if (needsForm(verdict.command)) {
      setAsked({ command: verdict.command, row });
      dialog.current?.showModal();
    } else void run(verdict.command, row, {}, t(`action.${action}`));
  }
  return (
    <div className="conversation-actions" role="group" aria-label={t("action.label")}>
      {HERE.map((action) => (
        <ActionButton key={action} action={action} verdict={verdicts[action]} onAct={() => act(action)} />
      ))}
      {mayLeave(row, me) && (
        <Hint text={t("action.leave")}>
          <button
            type="button"
            className="tool"
            aria-label={t("action.leave")}
            onClick={() => void run("chat:leave", row, {}, t("action.leave"))}
          >
            <DoorOpen size={17} aria-hidden="true" />
            <span>{t("action.leave")}</span>
          </button>
        </Hint>
      )}
      <CommandDialog dialog={dialog} asked={asked} site={site} onSend={run} />
    </div>
  );
}
