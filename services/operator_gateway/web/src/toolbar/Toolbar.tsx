import {
  Ban,
  CircleStop,
  CornerUpRight,
  History,
  MailQuestion,
  MessageSquareText,
  Route,
  UserRoundPlus,
  Users,
  type LucideIcon,
} from "lucide-react";
import { useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { openPanel, useSelection } from "../list/selection";
import { Country } from "../ui/Flag";
import { Hint } from "../ui/Hint";
import { ActivityDot, StatusPill } from "../ui/StatusPill";
import type { Row, Site } from "../wire";
import { ACTIONS, actionsFor, type Action, type Command, type Verdict } from "./actions";
import { CommandDialog, type Asked } from "./CommandDialog";
import { useActor } from "./useActor";
import { needsForm, useCommand } from "./useCommand";

export const ICONS: Record<Action, LucideIcon> = {
  history: History,
  navigation: Route,
  invite: UserRoundPlus,
  chat: MessageSquareText,
  forward: CornerUpRight,
  conference: Users,
  kick: Ban,
  redirect: MailQuestion,
  end: CircleStop,
};

/** Where a command is not what the button usually does, the button says so. */
const OTHER_NAMES: Partial<Record<Command, "withdraw" | "join" | "leave">> = {
  "chat:withdraw": "withdraw",
  "chat:withdraw_forward": "withdraw",
  "chat:join": "join",
  "chat:leave": "leave",
};

export function Toolbar({ site }: { site: Site | null }) {
  const { t } = useTranslation();
  const row = useSelection((state) => state.row);
  const gone = useSelection((state) => state.gone);
  const verdicts = actionsFor(row, gone, useActor(site));
  const dialog = useRef<HTMLDialogElement>(null);
  const [asked, setAsked] = useState<Asked | null>(null);
  const run = useCommand(site);

  function act(action: Action, verdict: Verdict) {
    if (!verdict.enabled || row === null) return;
    const { command } = verdict;
    if (action === "history" || action === "navigation") openPanel(action);
    else if (command !== null && needsForm(command)) {
      setAsked({ command, row });
      dialog.current?.showModal();
    } else if (command !== null) void run(command, row, {}, t(`action.${action}`));
  }

  return (
    <div className="toolbar" role="toolbar" aria-label={t("action.label")}>
      <Subject row={row} gone={gone} />
      <div className="toolbar-actions">
        {ACTIONS.map((action) => (
          <ActionButton
            key={action}
            action={action}
            verdict={verdicts[action]}
            onAct={() => act(action, verdicts[action])}
          />
        ))}
      </div>
      <CommandDialog dialog={dialog} asked={asked} site={site} onSend={run} />
    </div>
  );
}

/** A button that cannot be used stays reachable, so that its reason can be read. */
export function ActionButton({ action, verdict, onAct }: { action: Action; verdict: Verdict; onAct: () => void }) {
  const { t } = useTranslation();
  const Icon = ICONS[action];
  const name = t(`action.${(verdict.enabled && verdict.command && OTHER_NAMES[verdict.command]) || action}`);
  return (
    <Hint text={verdict.enabled ? null : `${name}: ${t(`reason.${verdict.reason}`)}`}>
      <button
        type="button"
        className={`tool tool-${action}`}
        aria-label={name}
        title={verdict.enabled ? name : undefined}
        aria-disabled={!verdict.enabled}
        onClick={onAct}
      >
        <Icon size={17} aria-hidden="true" />
        <span>{name}</span>
      </button>
    </Hint>
  );
}

function Subject({ row, gone }: { row: Row | null; gone: boolean }) {
  const { t } = useTranslation();
  if (row === null) return <div className="subject subject-none">{t("action.none")}</div>;
  return (
    <div className="subject">
      <Country code={row.country} bare />
      <bdi className="subject-name" title={row.nickname}>
        {row.nickname}
      </bdi>
      {gone ? (
        <span className="subject-gone">{t("action.gone")}</span>
      ) : (
        <>
          <ActivityDot activity={row.activity} />
          <StatusPill status={row.status} reason={row.reason} />
        </>
      )}
    </div>
  );
}
