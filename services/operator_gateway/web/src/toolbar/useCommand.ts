/** Sends a command about a visitor or its chat and says how it went. Repeating one is safe: its id is the client's. */
import { useCallback } from "react";
import { useTranslation } from "react-i18next";
import { ask } from "../app/live";
import { toast } from "../app/toasts";
import { useErrorText } from "../ui/errors";
import type { Row, Site } from "../wire";
import type { Command } from "./actions";

const ABOUT_VISITOR: ReadonlySet<Command> = new Set(["chat:invite", "chat:withdraw", "chat:accept", "chat:redirect"]);
const WITH_FORM: ReadonlySet<Command> = new Set(["chat:invite", "chat:forward", "chat:conference", "chat:kick"]);

export function needsForm(command: Command): boolean {
  return WITH_FORM.has(command);
}

export function payloadOf(command: Command, row: Row, site: string, fields: object, id: string): object {
  if (ABOUT_VISITOR.has(command)) return { site, visitor: row.visitor, ...fields, id };
  if (command === "chat:open") return { chat: row.chat ?? "" };
  return { chat: row.chat ?? "", ...fields, id };
}

export type RunCommand = (command: Command, row: Row, fields: object, name: string) => Promise<boolean>;

export function useCommand(site: Site | null): RunCommand {
  const { t } = useTranslation();
  const errorText = useErrorText();
  const siteId = site?.site ?? "";
  return useCallback(
    async (command, row, fields, name) => {
      const ack = await ask<object>(command, payloadOf(command, row, siteId, fields, crypto.randomUUID()));
      if (ack.ok) toast("done", t("action.sent", { action: name, visitor: row.nickname }));
      else toast("error", t("action.failed", { action: name }), errorText(ack.error));
      return ack.ok;
    },
    [t, errorText, siteId],
  );
}
