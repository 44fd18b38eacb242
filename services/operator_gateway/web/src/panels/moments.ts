/** What `visitor:get` answers about one visitor: the row, its latest chats, and what happened in them. */
import type { ChatEvent, OfferKind } from "../chat/wire";
import type { OperatorRef, Row, Status } from "../wire";

/** A line of a transcript without what was said. */
export type Moment = Omit<ChatEvent, "text" | "id">;

/** One operator who was asked to take the visitor, or took it from the list; `answer` is empty while it is waited for. */
export interface Asked {
  at: number;
  kind: OfferKind;
  operator: OperatorRef;
  why?: string;
  answer?: string;
}

export interface ChatSummary {
  chat: string;
  status: Status;
  reason?: string;
  skill?: string;
  /** Why this skill. */
  why?: string;
  began_at?: number;
  requested_at?: number;
  engaged_at?: number;
  ended_at?: number;
  operators?: OperatorRef[];
  asked?: Asked[];
}

export interface ChatPage {
  items: ChatSummary[];
  next?: number | null;
}

export interface VisitorAnswer {
  row: Row;
  /** Newest first. */
  chats?: ChatSummary[];
  /** Newest first. */
  timeline?: Moment[];
}

/** A line of the timeline: something of the transcript, or an operator who was asked. Newest first. */
export type Happening = { at: number; moment: Moment } | { at: number; asked: Asked };

/** Both kinds in one order. Of those that were asked and said yes at once, the transcript's line says enough. */
export function happenings({ timeline = [], chats = [] }: Partial<VisitorAnswer>): Happening[] {
  const moments = timeline.map((moment): Happening => ({ at: moment.at, moment }));
  const asked = chats
    .flatMap((chat) => chat.asked ?? [])
    .filter(({ why, answer }) => why !== "picked" || answer !== "accepted")
    .map((one): Happening => ({ at: one.at, asked: one }))
    .reverse();
  // Of what happened at the same moment, the question to an operator came last.
  return [...asked, ...moments].sort((a, b) => b.at - a.at);
}
