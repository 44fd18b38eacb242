/**
 * The lines of one chat as a value. Pure: what arrives in any order, twice, or with pieces missing becomes one unbroken
 * run of lines by `seq`. What comes before its predecessors is held back (`ahead`), and `missing` says what to ask for.
 * Read `receive` and `adopt` first.
 */
import type { ChatEvent } from "./wire";

export interface ChatLog {
  /** Without gaps, in order. Begins later than seq 1 while older lines are not loaded. */
  readonly lines: readonly ChatEvent[];
  /** Lines whose predecessors have not come yet, in order. */
  readonly ahead: readonly ChatEvent[];
  /** The gateway has answered at least once: only then it is known where the run begins. */
  readonly opened: boolean;
}

export const EMPTY_LOG: ChatLog = { lines: [], ahead: [], opened: false };

const MOST_AHEAD = 500; // beyond that the answer to `chat:open` brings them anyway

export function lastSeq(log: ChatLog): number {
  return log.lines.at(-1)?.seq ?? 0;
}

export function firstSeq(log: ChatLog): number {
  return log.lines[0]?.seq ?? 1;
}

export function hasOlder(log: ChatLog): boolean {
  return log.opened && firstSeq(log) > 1;
}

/** Whether lines between the run and what came after it are missing. */
export function missing(log: ChatLog): boolean {
  return log.opened && log.ahead.length > 0;
}

/** One line, as the gateway pushes it. The same log when there is nothing new in it. */
export function receive(log: ChatLog, line: ChatEvent): ChatLog {
  if (log.opened && line.seq <= lastSeq(log)) return log;
  const ahead = merged(log.ahead, [line]);
  if (ahead === log.ahead) return log;
  return absorbed({ ...log, ahead });
}

/** An answer of the gateway: an unbroken stretch of lines, the newest, those after what we had, or older ones. */
export function adopt(log: ChatLog, answer: readonly ChatEvent[]): ChatLog {
  const stretch = lastStretch(merged([], answer));
  const [start, end] = [stretch[0]?.seq ?? 0, stretch.at(-1)?.seq ?? 0];
  let { lines } = log;
  if (stretch.length > 0) {
    if (!log.opened || lines.length === 0) lines = stretch;
    else if (start > lastSeq(log) + 1)
      lines = stretch; // older than it comes by `before`
    else if (end >= firstSeq(log) - 1) lines = merged(lines, stretch);
  }
  return absorbed({ ...log, lines, opened: true });
}

/** Moves from `ahead` into the run what now follows it. */
function absorbed(log: ChatLog): ChatLog {
  if (!log.opened) return { ...log, ahead: log.ahead.slice(-MOST_AHEAD) };
  const lines = [...log.lines];
  let next = lastSeq(log) + 1;
  const ahead = log.ahead.filter((line) => {
    if (line.seq === next) {
      lines.push(line);
      next += 1;
      return false;
    }
    return line.seq > next;
  });
  return { ...log, lines: lines.length > log.lines.length ? lines : log.lines, ahead: ahead.slice(-MOST_AHEAD) };
}

/** Both in order of `seq`, each line once; the first list itself when the second adds nothing. */
function merged(lines: readonly ChatEvent[], more: readonly ChatEvent[]): readonly ChatEvent[] {
  const known = new Set(lines.map(({ seq }) => seq));
  const fresh = more.filter(({ seq }) => !known.has(seq) && known.add(seq));
  if (fresh.length === 0) return lines;
  return [...lines, ...fresh].sort((a, b) => a.seq - b.seq);
}

/** An answer has no gaps; if one did, only its newest unbroken part would be true to what it says. */
function lastStretch(lines: readonly ChatEvent[]): readonly ChatEvent[] {
  let start = lines.length - 1;
  while (start > 0 && lines[start - 1]?.seq === (lines[start]?.seq ?? 0) - 1) start -= 1;
  return start > 0 ? lines.slice(start) : lines;
}
