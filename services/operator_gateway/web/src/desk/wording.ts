/** What happened in a chat, in a sentence: who, what, and why where it is known. For the chat and for the timeline. */
import { useCallback } from "react";
import { useTranslation } from "react-i18next";
import type { ChatEvent } from "../chat/wire";
import { isKnownKey } from "../ui/words";
import { STATUSES, type Site, type Status } from "../wire";

const TRIGGER = "trigger:"; // the gateway's prefix before a trigger's name

function isStatus(value: string): value is Status {
  return STATUSES.some((one) => one === value);
}

/** A reason in words: a known code, how the last chat ended, a trigger, or what an operator wrote as the reason. */
export function useCause(): (reason: string) => string {
  const { t } = useTranslation();
  return useCallback(
    (reason) => {
      if (isKnownKey("cause", reason)) return t(`cause.${reason}`);
      if (isStatus(reason)) return t("cause.before", { status: t(`status.${reason}`) });
      if (reason.startsWith(TRIGGER)) return t("cause.trigger", { name: reason.slice(TRIGGER.length) });
      return reason;
    },
    [t],
  );
}

/** Why this skill was needed, or why this operator was asked. */
export function useWhy(): (why: string) => string {
  const { t } = useTranslation();
  return useCallback(
    (why) => {
      if (isKnownKey("why", why)) return t(`why.${why}`);
      if (why.startsWith(TRIGGER)) return t("cause.trigger", { name: why.slice(TRIGGER.length) });
      return t("why.rule", { rule: why });
    },
    [t],
  );
}

type Line = Pick<ChatEvent, "type" | "by" | "reason" | "operator" | "skill">;

/** The sentence about a line that is no message. `me`: the operator who reads it is addressed. */
export function useLineText(site: Site | null, me: string): (line: Line) => string {
  const { t } = useTranslation();
  const cause = useCause();
  return useCallback(
    (line) => {
      const { type, by } = line;
      if (type === "message") return "";
      const own = by.kind === "operator" && by.id === me;
      const name = own ? t("line.you") : by.name || t(by.kind === "system" ? "line.system" : "line.visitor");
      const skill = site?.skills.find((one) => one.skill === line.skill)?.name ?? line.skill;
      const to = line.operator ? (line.operator.id === me ? t("line.you_to") : line.operator.name) : (skill ?? "");
      const automatic = by.kind === "system" && AUTOMATIC.has(type);
      const text = automatic ? t(`line.${type}_again` as "line.requested_again") : t(`line.${type}`, { name, to });
      return line.reason && !SAID_BY_NAME.has(line.reason) ? `${text}: ${cause(line.reason)}` : text;
    },
    [t, cause, site, me],
  );
}

/** Who ended it is named already. */
const SAID_BY_NAME: ReadonlySet<string> = new Set(["by_visitor", "by_operator"]);

/** Done by nobody in particular: said without a name. */
const AUTOMATIC: ReadonlySet<string> = new Set(["requested", "redirected", "ended"]);
