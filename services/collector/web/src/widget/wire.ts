/**
 * What the widget says and hears: sections 3 and 4 of the contract. Everything that comes from the server is taken for
 * what it looks like, field by field; what is missing has a harmless default.
 */
import type { Link } from "../main";

export type { Link };

export type Status =
  | "navigating"
  | "invited"
  | "accepted"
  | "chat_denied"
  | "requested"
  | "chatting"
  | "conference"
  | "forwarded"
  | "kicked"
  | "chat_end"
  | "redirected";

export interface Person {
  kind?: "visitor" | "operator" | "system";
  id?: string;
  name?: string;
}

/** One line of the transcript; `seq` counts from 1 without gaps within one chat. */
export interface Line {
  chat: string;
  seq: number;
  at: number;
  type: string;
  by?: Person;
  id?: string;
  text?: string;
  reason?: string;
  operator?: Person;
}

/** Server → client. */
export interface Message {
  type?: string;
  id?: string;
  code?: string;
  retry_after_s?: number;
  /** A tab without an identifier is given one when it asks for a chat. */
  token?: string;
  status?: Status;
  chat?: string;
  invitation?: string;
  operator?: Person | string;
  text?: string;
  expires_at?: number;
  position?: number;
  wait_s?: number | null;
  operators?: Person[];
  event?: Line;
  by?: Person;
  on?: boolean;
  seq?: number;
  reason?: string;
}

/** Client → server: `id` is made by us, so saying it twice does it once. */
export interface Frame {
  type: string;
  id: string;
  [field: string]: unknown;
}

export type Need = "required" | "optional" | "off";

/** `GET /v1/site`. */
export interface Settings {
  online?: boolean;
  launcher?: boolean;
  theme?: { color?: string; mode?: string; side?: string };
  language?: string;
  texts?: Record<string, string>;
  form?: { name?: Need; email?: Need; question?: Need; skills?: { skill: string; name: string }[] };
  preview?: boolean;
  sound?: boolean;
  rating?: boolean;
}

/** Code points of one message. */
export const MAX_TEXT = 4000;
export const MAX_NAME = 120;
export const MAX_EMAIL = 254;
