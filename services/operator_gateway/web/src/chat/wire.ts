/** The chat half of the wire, with the names of the protocol. Both sides of a chat see the same `ChatEvent`. */
import type { OperatorRef, Status } from "../wire";

export interface Actor {
  kind: "visitor" | "operator" | "system";
  /** The visitor's or the operator's; the system has none. */
  id?: string;
  name?: string;
}

export const EVENT_TYPES = [
  "requested",
  "invited",
  "accepted",
  "denied",
  "started",
  "message",
  "joined",
  "left",
  "forwarded",
  "forward_declined",
  "away",
  "back",
  "redirected",
  "kicked",
  "ended",
  "rated",
] as const;
export type EventType = (typeof EVENT_TYPES)[number];

/** One line of a chat; `seq` counts from 1 without gaps. `id` and `text` are a message's. */
export interface ChatEvent {
  chat: string;
  seq: number;
  at: number;
  type: EventType;
  by: Actor;
  id?: string;
  text?: string;
  reason?: string;
  operator?: OperatorRef | null;
  skill?: string;
  score?: number;
}

export const OFFER_KINDS = ["request", "forward", "conference"] as const;
export type OfferKind = (typeof OFFER_KINDS)[number];

export interface Offer {
  offer: string;
  kind: OfferKind;
  site: string;
  visitor: string;
  chat: string;
  from?: Actor | null;
  expires_at: number;
  note?: string;
  /** Why this operator was chosen. */
  why?: string;
}

export interface OfferGone {
  offer: string;
  reason: string;
  by?: Actor | null;
}

export interface ChatTyping {
  chat: string;
  by: Actor;
  on: boolean;
  /** What is being typed, where the site allows it. */
  preview?: string;
}

export interface ChatRead {
  chat: string;
  by: Actor;
  seq: number;
}

/** Answer to `chat:open`. */
export interface ChatOpened {
  events: ChatEvent[];
  /** There are lines beyond the last (with `after`) or before the first of these. */
  more?: boolean;
  /** How far each has read; names are left out. */
  reads?: { by: Actor; seq: number }[];
}

export interface Sent {
  seq?: number;
}

export interface InboxChanged {
  site: string;
  unread: number;
}

export const LONGEST_MESSAGE = 4_000; // code points, the protocol's limit

/** The chats that this operator is in on these sites, whenever the console may have missed something. */
export interface DeskState {
  sites: string[];
  chats: { site: string; visitor: string; chat: string; status: Status; operators: OperatorRef[] }[];
  /** Offline messages that wait, by site. */
  unread: Record<string, number>;
}
