import { useState, type RefObject, type SubmitEvent } from "react";
import { useTranslation } from "react-i18next";
import { colleaguesOn } from "../app/Colleagues";
import { useLive } from "../app/live";
import type { Row, Site } from "../wire";
import type { Action, Command } from "./actions";
import type { RunCommand } from "./useCommand";

export interface Asked {
  command: Command;
  row: Row;
}

type Form = "invite" | "forward" | "conference" | "kick";
const FORMS: Partial<Record<Command, Form>> = {
  "chat:invite": "invite",
  "chat:forward": "forward",
  "chat:conference": "conference",
  "chat:kick": "kick",
};
const LONGEST_TEXT = 500; // the protocol's limit of reasons and notes

interface CommandDialogProps {
  dialog: RefObject<HTMLDialogElement | null>;
  asked: Asked | null;
  site: Site | null;
  onSend: RunCommand;
}

/** What a command still needs to know: the text of an invitation, a reason, a target. */
export function CommandDialog({ dialog, asked, site, onSend }: CommandDialogProps) {
  const form = asked ? FORMS[asked.command] : undefined;
  return (
    <dialog ref={dialog} className="dialog" aria-labelledby="command-title">
      {asked && form && (
        <CommandForm
          key={`${asked.command} ${asked.row.visitor}`}
          asked={asked}
          form={form}
          site={site}
          onSend={onSend}
          close={() => dialog.current?.close()}
        />
      )}
    </dialog>
  );
}

interface CommandFormProps {
  asked: Asked;
  form: Form;
  site: Site | null;
  onSend: RunCommand;
  close: () => void;
}

function CommandForm({ asked, form, site, onSend, close }: CommandFormProps) {
  const { t } = useTranslation();
  const [busy, setBusy] = useState(false);
  const { row, command } = asked;
  const action: Action = form;

  async function send(event: SubmitEvent<HTMLFormElement>) {
    event.preventDefault();
    const fields = fieldsOf(form, new FormData(event.currentTarget));
    setBusy(true);
    const done = await onSend(command, row, fields, t(`action.${action}`));
    setBusy(false);
    if (done) close();
  }

  return (
    <form className="dialog-form" onSubmit={(event) => void send(event)}>
      <h2 id="command-title" dir="auto">
        {t(`dialog.${form}_title`, { visitor: row.nickname })}
      </h2>
      {form === "invite" && (
        <label className="field">
          <span>{t("dialog.invite_text")}</span>
          <textarea name="text" rows={3} maxLength={LONGEST_TEXT} autoFocus />
          <small>{t("dialog.invite_hint")}</small>
        </label>
      )}
      {form === "kick" && (
        <label className="field">
          <span>{t("dialog.kick_reason")}</span>
          <textarea name="reason" rows={2} maxLength={LONGEST_TEXT} required autoFocus />
        </label>
      )}
      {form === "kick" && <BanChoice />}
      {(form === "forward" || form === "conference") && <Target site={site} skills={form === "forward"} />}
      {form === "forward" && (
        <label className="field">
          <span>{t("dialog.note")}</span>
          <textarea name="note" rows={2} maxLength={LONGEST_TEXT} />
        </label>
      )}
      <div className="dialog-buttons">
        <button type="button" className="button" onClick={close}>
          {t("dialog.cancel")}
        </button>
        <button type="submit" className={form === "kick" ? "button danger" : "button primary"} disabled={busy}>
          {t(`action.${action}`)}
        </button>
      </div>
    </form>
  );
}

const BANS = [
  ["ban_none", 0],
  ["ban_hour", 3_600],
  ["ban_day", 86_400],
  ["ban_month", 2_592_000],
] as const;

function BanChoice() {
  const { t } = useTranslation();
  return (
    <label className="field">
      <span>{t("dialog.kick_ban")}</span>
      <select name="ban" defaultValue="0">
        {BANS.map(([name, seconds]) => (
          <option key={name} value={seconds}>
            {t(`dialog.${name}`)}
          </option>
        ))}
      </select>
    </label>
  );
}

function Target({ site, skills }: { site: Site | null; skills: boolean }) {
  const { t } = useTranslation();
  const people = colleaguesOn(
    site,
    useLive((state) => state.colleagues),
  ).filter(({ state }) => state === "online");
  const offered = skills ? (site?.skills ?? []) : [];
  return (
    <label className="field">
      <span>{t("dialog.to")}</span>
      <select name="to" required defaultValue="" autoFocus>
        <option value="" disabled hidden>
          {t("dialog.choose")}
        </option>
        {people.length > 0 && (
          <optgroup label={t("dialog.operators")}>
            {people.map(({ id, name, chats }) => (
              <option key={id} value={`operator ${id}`}>
                {`${name} (${t("header.chats", { count: chats })})`}
              </option>
            ))}
          </optgroup>
        )}
        {offered.length > 0 && (
          <optgroup label={t("dialog.skills")}>
            {offered.map(({ skill, name }) => (
              <option key={skill} value={`skill ${skill}`}>
                {name}
              </option>
            ))}
          </optgroup>
        )}
      </select>
      {people.length === 0 && <small>{t("dialog.nobody")}</small>}
    </label>
  );
}

/** The command's own fields from what was filled in; exported for its test. */
export function fieldsOf(form: Form, data: FormData): object {
  const text = (name: string): string => {
    const value = data.get(name);
    return typeof value === "string" ? value.trim() : "";
  };
  const [kind, target = ""] = text("to").split(" ");
  switch (form) {
    case "invite":
      return text("text") ? { text: text("text") } : {};
    case "kick":
      return { reason: text("reason"), ...(Number(text("ban")) > 0 ? { ban_s: Number(text("ban")) } : {}) };
    case "conference":
      return { operator: target };
    case "forward":
      return {
        to: kind === "skill" ? { skill: target } : { operator: target },
        ...(text("note") ? { note: text("note") } : {}),
      };
  }
}
