/**
 * What the operator may do with the selected visitor, and why not. Pure. It mirrors the transitions of the behaviour so
 * that a button tells the truth beforehand; the gateway decides all the same, and its refusal is shown.
 * Read `actionsFor` first.
 */
import type { OperatorState, Role, Row, Status } from "../wire";

export const ACTIONS = [
  "history",
  "navigation",
  "invite",
  "chat",
  "forward",
  "conference",
  "kick",
  "redirect",
  "end",
] as const;
export type Action = (typeof ACTIONS)[number];

export type Command =
  | "chat:invite"
  | "chat:withdraw"
  | "chat:accept"
  | "chat:join"
  | "chat:open"
  | "chat:forward"
  | "chat:withdraw_forward"
  | "chat:conference"
  | "chat:kick"
  | "chat:redirect"
  | "chat:leave"
  | "chat:end";

export type Reason =
  | "none_selected"
  | "gone"
  | "first_visit"
  | "not_online"
  | "missing_skill"
  | "at_capacity"
  | "already_invited"
  | "waiting"
  | "engaged"
  | "not_asked"
  | "other_operator"
  | "not_in_chat"
  | "not_owner"
  | "not_waiting"
  | "in_conference"
  | "being_forwarded";

/** `null`: what the gateway has not told us; it does not forbid anything here. */
export interface Actor {
  operator: string;
  state: OperatorState;
  role: Role | null;
  skills: readonly string[] | null;
  chats: number;
  chatLimit: number | null;
}

export type Verdict = { enabled: true; command: Command | null } | { enabled: false; reason: Reason };
export type Verdicts = Record<Action, Verdict>;

const yes = (command: Command | null): Verdict => ({ enabled: true, command });
const no = (reason: Reason): Verdict => ({ enabled: false, reason });

const FREE: ReadonlySet<Status> = new Set(["navigating", "chat_denied", "kicked", "chat_end", "redirected"]);
const IN_CHAT: ReadonlySet<Status> = new Set(["chatting", "conference", "forwarded"]);

export function actionsFor(row: Row | null, gone: boolean, me: Actor): Verdicts {
  if (row === null) return every(no("none_selected"));
  const history = row.returning || gone ? yes(null) : no("first_visit");
  if (gone) return { ...every(no("gone")), history };
  return {
    history,
    navigation: yes(null),
    invite: invite(row, me),
    chat: chat(row, me),
    forward: forward(row, me),
    conference: conference(row, me),
    kick: kick(row, me),
    redirect: row.status === "requested" ? yes("chat:redirect") : no("not_waiting"),
    end: end(row, me),
  };
}

function every(verdict: Verdict): Verdicts {
  return Object.fromEntries(ACTIONS.map((action) => [action, verdict])) as Verdicts;
}

function takesPart(row: Row, me: Actor): boolean {
  return row.operators.some(({ id }) => id === me.operator);
}

/** The first operator of the row owns the chat. */
function owns(row: Row, me: Actor): boolean {
  return row.operators[0]?.id === me.operator;
}

/** Why this operator cannot take anybody on now. */
function notFree(row: Row, me: Actor): Verdict | null {
  if (me.state !== "online") return no("not_online");
  if (me.skills && row.skill && !me.skills.includes(row.skill)) return no("missing_skill");
  if (me.chatLimit !== null && me.chats >= me.chatLimit) return no("at_capacity");
  return null;
}

function invite(row: Row, me: Actor): Verdict {
  if (row.status === "invited")
    return takesPart(row, me) || isSupervisor(me) ? yes("chat:withdraw") : no("already_invited");
  if (row.status === "requested") return no("waiting");
  if (!FREE.has(row.status)) return no("engaged");
  return notFree(row, me) ?? yes("chat:invite");
}

function chat(row: Row, me: Actor): Verdict {
  if (row.status === "requested") return notFree(row, me) ?? yes("chat:accept");
  if (row.status === "accepted") return takesPart(row, me) ? yes("chat:accept") : no("other_operator");
  if (!IN_CHAT.has(row.status)) return no("not_asked");
  if (takesPart(row, me)) return yes("chat:open");
  if (!isSupervisor(me)) return no("other_operator");
  return row.status === "forwarded" ? no("being_forwarded") : yes("chat:join");
}

function isSupervisor(me: Actor): boolean {
  return me.role === "supervisor" || me.role === "admin";
}

function ifOwner(row: Row, me: Actor, command: Command): Verdict {
  return owns(row, me) ? yes(command) : no("not_owner");
}

function conference(row: Row, me: Actor): Verdict {
  if (!IN_CHAT.has(row.status)) return no("not_in_chat");
  return row.status === "forwarded" ? no("being_forwarded") : ifOwner(row, me, "chat:conference");
}

function forward(row: Row, me: Actor): Verdict {
  if (!IN_CHAT.has(row.status)) return no("not_in_chat");
  if (row.status === "conference") return no("in_conference");
  return ifOwner(row, me, row.status === "forwarded" ? "chat:withdraw_forward" : "chat:forward");
}

function kick(row: Row, me: Actor): Verdict {
  if (!IN_CHAT.has(row.status)) return no("not_in_chat");
  return owns(row, me) || isSupervisor(me) ? yes("chat:kick") : no("not_owner");
}

/** A guest of a conference leaves it; the owner ends it for everybody. */
function end(row: Row, me: Actor): Verdict {
  if (!IN_CHAT.has(row.status)) return no("not_in_chat");
  if (!takesPart(row, me)) return no("other_operator");
  return row.status === "conference" && !owns(row, me) ? yes("chat:leave") : yes("chat:end");
}

/** Besides the toolbar's actions: the owner of a conference may also leave it, and the longest-joined goes on. */
export function mayLeave(row: Row, me: Actor): boolean {
  return row.status === "conference" && owns(row, me);
}
