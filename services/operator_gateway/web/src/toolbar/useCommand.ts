/** Sends a command about a visitor or its chat and says how it went. Repeating one is safe: its id is the client's. */
import { useCallback } from "react";
import { useTranslation } from "react-i18next";
import { command as send, desk } from "../app/live";
import { openPanel } from "../list/selection";
import { toast } from "../app/toasts";
import { useErrorText } from "../ui/errors";
import type { Row, Site } from "../wire";
import type { Command } from "./actions";

const ABOUT_VISITOR: ReadonlySet<Command> = new Set(["chat:invite", "chat:withdraw", "chat:accept", "chat:redirect"]);
const WITH_FORM: ReadonlySet<Command> = new Set(["chat:invite", "chat:forward", "chat:conference", "chat:kick"]);

/** What these do is seen in the chat itself. */
const QUIET: ReadonlySet<Command> = new Set(["chat:end", "chat:leave", "chat:withdraw_forward"]);

export function showChat(chat: string, site: string, row: Row): void {
  if (chat === "") return;
  desk.open(chat, site, row.visitor, row);
  openPanel("chats");
}

export function needsForm(command: Command): boolean {
  return WITH_FORM.has(command);
}

export function payloadOf(command: Command, row: Row, site: string, fields: object): object {
  if (ABOUT_VISITOR.has(command)) return { site, visitor: row.visitor, ...fields };
  return { chat: row.chat ?? "", ...fields };
}

export type RunCommand = (command: Command, row: Row, fields: object, name: string) => Promise<boolean>;

export function useCommand(site: Site | null): RunCommand {
  const { t } = useTranslation();
  const errorText = useErrorText();
  const siteId = site?.site ?? "";
  return useCallback(
    async (command, row, fields, name) => {
      if (command === "chat:open") {
        showChat(row.chat ?? "", siteId, row);
        return true;
      }
      const ack = await send(command, payloadOf(command, row, siteId, fields));
      if (!ack.ok) toast("error", t("action.failed", { action: name }), errorText(ack.error));
      else if (command === "chat:accept" || command === "chat:join")
        showChat(typeof ack.chat === "string" ? ack.chat : (row.chat ?? ""), siteId, row);
      else if (!QUIET.has(command)) toast("done", t("action.sent", { action: name, visitor: row.nickname }));
      return ack.ok;
    },
    [t, errorText, siteId],
  );
}
