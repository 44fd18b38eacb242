/**
 * What has been said and not been answered yet: bounded, in order, said again until it is. Pure.
 * The server does each id once, so saying it again is harmless.
 */
import type { Frame, Message } from "./wire";

/** The server answers within 2 s; a channel that is silent for longer is dead. */
export const ANSWER_MS = 6_000;
export const MAX_WAITING = 100;
const RETRY_MS = 2_000;
const LONGEST_RETRY_MS = 30_000;

export interface Waiting {
  frame: Frame;
  /** When it is to be said (again). */
  dueMs: number;
  tries: number;
}

/** These are not worth saying twice: they are out of date by then. */
export const isFleeting = ({ type }: Frame): boolean => type === "chat.typing" || type === "chat.read";

/** Refusals that pass: the same frame may be taken later. */
export const willPass = ({ code, retry_after_s }: Message): boolean =>
  retry_after_s !== undefined || /^(unavailable|lagging|too_fast|try_again|draining|busy|full|hello_first)$/.test(code ?? "");

export const put = (box: readonly Waiting[], frame: Frame): Waiting[] =>
  [...box, { frame, dueMs: 0, tries: 0 }].slice(-MAX_WAITING);

export const drop = (box: readonly Waiting[], id: string): Waiting[] => box.filter(({ frame }) => frame.id !== id);

/** Everything is due: there is a new connection. */
export const allDue = (box: readonly Waiting[]): Waiting[] => box.map((one) => ({ ...one, dueMs: 0 }));

/** One was said, and waits for its answer. */
export const said = (box: readonly Waiting[], id: string, nowMs: number): Waiting[] =>
  box.map((one) => (one.frame.id === id ? { ...one, dueMs: nowMs + ANSWER_MS, tries: one.tries + 1 } : one));

/** One is to be said again, later each time. */
export const postpone = (box: readonly Waiting[], id: string, nowMs: number, waitMs = 0): Waiting[] =>
  box.map((one) => {
    const backOff = Math.min(RETRY_MS * 2 ** Math.min(one.tries, 5), LONGEST_RETRY_MS);
    return one.frame.id === id ? { ...one, dueMs: nowMs + Math.max(waitMs, backOff) } : one;
  });
