/**
 * One chat on the desk as a value, and what follows from its lines: who is in it, what is unread, since when the visitor
 * waits for an answer. Pure.
 */
import type { Row } from "../wire";
import { EMPTY_LOG, type ChatLog } from "./log";
import type { Outbox } from "./outbox";
import type { Actor, ChatEvent } from "./wire";

export interface Typing {
  readonly kind: "visitor" | "operator";
  readonly id: string;
  readonly name: string;
  readonly preview: string;
  readonly until: number;
}

export interface Chat {
  readonly chat: string;
  readonly site: string;
  readonly visitor: string;
  /** The visitor's row as last known. */
  readonly row: Row | null;
  /** The list says that this operator is in it now. */
  readonly mine: boolean;
  readonly log: ChatLog;
  readonly outbox: Outbox;
  /** Last seq that each side has seen. */
  readonly readByVisitor: number;
  readonly readByMe: number;
  readonly typing: readonly Typing[];
  readonly draft: string;
  readonly loadingOlder: boolean;
  /** Why the chat could not be opened. */
  readonly failed: string | null;
}

export function newChat(chat: string, site: string, visitor: string, row: Row | null): Chat {
  return {
    chat,
    site,
    visitor,
    row,
    mine: false,
    log: EMPTY_LOG,
    outbox: [],
    readByVisitor: 0,
    readByMe: 0,
    typing: [],
    draft: "",
    loadingOlder: false,
    failed: null,
  };
}

/** `waiting`: the visitor is in the queue again; `left`: this operator went and the chat goes on without. */
export type Stage = "talking" | "watching" | "waiting" | "left" | "over";

const OVER: ReadonlySet<string> = new Set(["ended", "kicked", "redirected", "denied"]);

/** Where the chat stands for this operator; the newest line that says something about it decides. */
export function stageOf(chat: Chat, me: string): Stage {
  for (let i = chat.log.lines.length - 1; i >= 0; i--) {
    const line = chat.log.lines[i];
    if (line === undefined) break;
    if (OVER.has(line.type)) return "over";
    const own = line.by.kind === "operator" && line.by.id === me;
    if (own && (line.type === "started" || line.type === "joined")) return "talking";
    if (own && line.type === "left") return "left";
    if (line.type === "requested" && !chat.mine) return "waiting";
    if (line.type === "started") break;
  }
  return chat.mine ? "talking" : "watching";
}

function fromVisitor(line: ChatEvent): boolean {
  return line.type === "message" && line.by.kind === "visitor";
}

export function unreadOf(chat: Chat): number {
  let unread = 0;
  for (let i = chat.log.lines.length - 1; i >= 0; i--) {
    const line = chat.log.lines[i];
    if (line === undefined || line.seq <= chat.readByMe) break;
    if (fromVisitor(line)) unread += 1;
  }
  return unread;
}

/** When the visitor began to wait for an answer: the first message after the last one of an operator. */
export function unansweredSince(chat: Chat): number | null {
  let since: number | null = null;
  for (let i = chat.log.lines.length - 1; i >= 0; i--) {
    const line = chat.log.lines[i];
    if (line === undefined || OVER.has(line.type)) break;
    if (line.type === "message" && line.by.kind === "operator") break;
    if (fromVisitor(line)) since = line.at;
  }
  return since;
}

export function lastMessage(chat: Chat): ChatEvent | null {
  return chat.log.lines.findLast(({ type }) => type === "message") ?? null;
}

/** What this operator answered, this operator has read, also where no mark says so. */
export function readBefore(lines: readonly ChatEvent[], me: string): number {
  return lines.findLast(({ by }) => by.kind === "operator" && by.id === me)?.seq ?? 0;
}

/** How far the visitor and this operator have read, as the server knows it. */
export function readBy(reads: readonly { by: Actor; seq: number }[], me: string): { visitor: number; me: number } {
  const upTo = (who: (by: Actor) => boolean) => Math.max(0, ...reads.filter(({ by }) => who(by)).map(({ seq }) => seq));
  return {
    visitor: upTo(({ kind }) => kind === "visitor"),
    me: upTo(({ kind, id }) => kind === "operator" && id === me),
  };
}

export function nicknameOf(chat: Chat): string | null {
  if (chat.row) return chat.row.nickname;
  return chat.log.lines.findLast(({ by }) => by.kind === "visitor" && by.name)?.by.name ?? null;
}

/** Length as the protocol counts it. */
export function codePoints(text: string): number {
  return Array.from(text).length;
}
