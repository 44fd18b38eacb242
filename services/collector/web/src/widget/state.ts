/**
 * All that the widget knows, as one frozen value. Pure: `step.ts` makes the next one from what the server says, `act.ts`
 * from what the visitor does; `view/` shows it.
 */
import type { Frame, Line, Message, Person, Settings, Status } from "./wire";

/** What the panel shows: the form before a chat, the chat, how it ended, or the offline form and its confirmation. */
export type Screen = "form" | "chat" | "over" | "kicked" | "offline" | "sent";

export interface Invitation {
  id: string;
  operator: Person;
  text: string;
  /** By our own clock. */
  untilMs: number;
}

/** What the visitor has typed, wherever it may be needed again. */
export interface Typed {
  name: string;
  email: string;
  text: string;
  skill: string;
}

/** A message that the server has not taken yet; with `failed` it never will. */
export interface Unsent {
  id: string;
  text: string;
  failed?: boolean;
}

export interface State {
  readonly settings: Settings;
  /** Whether the collector can be reached. */
  readonly connected: boolean;
  readonly open: boolean;
  readonly screen: Screen;
  readonly status: Status;
  readonly chat: string;
  /** The last lines of this chat, in order, without a gap. */
  readonly lines: readonly Line[];
  /** Lines that came too early: something before them is missing. */
  readonly early: readonly Line[];
  readonly unsent: readonly Unsent[];
  readonly operators: readonly Person[];
  readonly place: number;
  readonly waitS: number | null;
  readonly invitation: Invitation | null;
  /** The visitor said yes and is asked for a name. */
  readonly accepting: boolean;
  /** Who is writing, and until when that is believed. */
  readonly typing: { readonly name: string; readonly untilMs: number } | null;
  readonly readByThem: number;
  readonly readByMe: number;
  readonly typed: Typed;
  /** The frame whose answer a form waits for. */
  readonly waitingFor: string;
  /** Code of the last refusal that concerns what is shown. */
  readonly problem: string;
  readonly reason: string;
  readonly rated: boolean;
}

export interface Step {
  readonly state: State;
  readonly send: readonly Frame[];
}

/** Lines kept and shown: a day's chat has fewer; older ones are in the transcript. */
export const MAX_LINES = 500;

export const initial: State = {
  settings: {},
  connected: true,
  open: false,
  screen: "form",
  status: "navigating",
  chat: "",
  lines: [],
  early: [],
  unsent: [],
  operators: [],
  place: 0,
  waitS: null,
  invitation: null,
  accepting: false,
  typing: null,
  readByThem: 0,
  readByMe: 0,
  typed: { name: "", email: "", text: "", skill: "" },
  waitingFor: "",
  problem: "",
  reason: "",
  rated: false,
};

/** Seq of the last line, without a gap before it. */
export const lastSeq = (state: State): number => state.lines[state.lines.length - 1]?.seq ?? 0;

const talks = new Set<Status>(["accepted", "requested", "chatting", "conference", "forwarded"]);

/** Whether a chat goes on, or is about to. */
export const isTalking = (status: Status): boolean => talks.has(status);

/** Messages of operators that the visitor has not seen. */
export const unread = (state: State): number =>
  state.lines.filter(({ seq, type, by }) => seq > state.readByMe && type === "message" && by?.kind === "operator").length;

/** Whether there is anything to poll for when there is no live channel. */
export const isEngaged = (state: State): boolean => state.status !== "navigating" || state.invitation !== null;

export const personOf = (value: Message["operator"]): Person => (typeof value === "string" ? { name: value } : value ?? {});
