/**
 * What the operator has written and the chat's log does not show yet. Pure. Messages of a chat go out one at a time, in
 * the order of writing, each with its own id until the gateway has answered: sent again it is still the same message.
 */
import type { ChatEvent } from "./wire";

export type OutgoingState = "waiting" | "sending" | "stored" | "failed";

export interface Outgoing {
  readonly id: string;
  readonly text: string;
  readonly at: number;
  readonly state: OutgoingState;
  readonly tries: number;
  /** Why it will not be sent, when `failed`. */
  readonly code?: string;
}

export type Outbox = readonly Outgoing[];

export const MOST_QUEUED = 50;
/** Codes that say "not now": the same message is sent again. */
const PASSING = new Set([
  "timeout",
  "disconnected",
  "bad_answer",
  "unavailable",
  "lagging",
  "busy",
  "try_again",
  "too_fast",
  "internal",
]);

export function isPassing(code: string): boolean {
  return PASSING.has(code);
}

export function queued(outbox: Outbox, id: string, text: string, at: number): Outbox {
  return [...outbox, { id, text, at, state: "waiting", tries: 0 }];
}

/** What to send now: the oldest that waits, unless another is under way. */
export function nextToSend(outbox: Outbox): Outgoing | null {
  if (outbox.some(({ state }) => state === "sending")) return null;
  return outbox.find(({ state }) => state === "waiting") ?? null;
}

export function sending(outbox: Outbox, id: string): Outbox {
  return changed(outbox, id, (one) => ({ ...one, state: "sending", tries: one.tries + 1 }));
}

export function stored(outbox: Outbox, id: string): Outbox {
  return changed(outbox, id, (one) => ({ ...one, state: "stored" }));
}

export function refused(outbox: Outbox, id: string, code: string): Outbox {
  return changed(outbox, id, (one) =>
    isPassing(code) ? { ...one, state: "waiting" } : { ...one, state: "failed", code },
  );
}

/** The operator tries a failed one again: the same message with the same id. */
export function retried(outbox: Outbox, id: string): Outbox {
  return changed(outbox, id, ({ text, at }) => ({ id, text, at, state: "waiting", tries: 0 }));
}

export function dropped(outbox: Outbox, id: string): Outbox {
  return outbox.filter((one) => one.id !== id || one.state === "sending");
}

/** After a lost connection nobody knows what arrived: what was under way waits again. */
export function interrupted(outbox: Outbox): Outbox {
  if (!outbox.some(({ state }) => state === "sending")) return outbox;
  return outbox.map((one) => (one.state === "sending" ? { ...one, state: "waiting" } : one));
}

/** Takes out what the log shows. */
export function confirmed(outbox: Outbox, lines: readonly ChatEvent[], me: string): Outbox {
  if (outbox.length === 0) return outbox;
  const shown = new Set(lines.filter(({ by }) => by.kind === "operator" && by.id === me).map(({ id }) => id));
  const left = outbox.filter(({ id }) => !shown.has(id));
  return left.length === outbox.length ? outbox : left;
}

function changed(outbox: Outbox, id: string, change: (one: Outgoing) => Outgoing): Outbox {
  return outbox.map((one) => (one.id === id ? change(one) : one));
}
