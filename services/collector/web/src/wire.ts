/**
 * What goes over the wire, as the collector reads it, and the limits it enforces.
 * Field names are the public contract: they are never shortened or mangled.
 */

export type EventType = "page" | "beat" | "hide" | "show" | "leave" | "attr";
export type Attributes = Record<string, string>;

export interface TrackerEvent {
  type: EventType;
  page: string;
  /** Counts up within one tab; (`tab`, `n`) is the idempotency key, so sending again is harmless. */
  n: number;
  /** Monotonic milliseconds: only its difference to `sent` is used. */
  at: number;
  url: string;
  title: string;
  engaged_ms: number;
  idle_ms: number;
  referrer?: string | undefined;
  lang?: string;
  screen?: [number, number];
  tz?: string;
  attrs?: Attributes;
}
export type Unnumbered = Omit<TrackerEvent, "n">;

/** Who is speaking; without an identifier (Global Privacy Control) only the tab is named. */
export interface Sender {
  site: string;
  tab: string;
  visitor?: string | undefined;
  token?: string | undefined;
  /** Set by the widget: the chat it shows and its last line there, so that a greeting brings what is missing. */
  chat?: string | undefined;
  after?: number | undefined;
}

export interface Batch extends Sender {
  sent: number;
  events: TrackerEvent[];
}

/** 200 of `POST /v1/e`, and every message of the live channel: whatever is there is acted upon. */
export interface Answer {
  type?: string;
  id?: string;
  visitor?: string | undefined;
  token?: string | undefined;
  chat?: unknown;
  /** The site shows the chat's launcher on every page. */
  launcher?: boolean;
  code?: string;
  retry_after_s?: number;
  commands?: Answer[];
}

export const MAX_EVENTS = 50;
/**
 * Characters of a batch's events. The collector accepts 16 KiB: a character may be three bytes, and the envelope needs
 * room.
 */
export const BODY_CHARS = 5_000;
/** In an image's address: base64url adds a third, and common servers refuse request lines over 8 KiB. */
export const IMAGE_CHARS = 1_600;

/** At most 256 characters (in UTF-16), without NUL and halves of pairs: the collector refuses those. */
export const clip = (text: string): string =>
  text.slice(0, 256).replace(/[\0\p{Cs}]/gu, "");

/** At most 2,048 characters, without the fragment (which may hold secrets); undefined if not http(s), as of an app. */
export const address = (href: string): string | undefined =>
  /^http[^#]{0,2044}/.exec(href)?.[0];

/** A page is another one when its address is; a fragment counts only if it is a route itself (`#/…`, `#!…`). */
export const routeOf = (href: string): string => href.replace(/#(?![/!]).*/, "");

/** With its padding, which the collector does not mind. */
export const base64url = (text: string): string =>
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- every browser has it, and the ways around it are longer
  btoa(unescape(encodeURIComponent(text)))
    .replace(/\+/g, "-")
    .replace(/\//g, "_");
