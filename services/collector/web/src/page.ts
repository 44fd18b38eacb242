/**
 * The visitor's tab as the collector should see it: which page, shown or hidden, used or not, and when it goes.
 * Read `begin` first; everything else answers to an event of the browser.
 */
import { STAND_IN_MS, TITLE_MS, beatInterval } from "./cadence";
import { flush, reset } from "./delivery";
import { IDLE_MS, idle, restart, show, total } from "./engagement";
import { guard, later, on } from "./guard";
import { claim, release, withdrawn } from "./identity";
import { now, uuid } from "./ids";
import { close, ready } from "./live";
import { add, waiting } from "./queue";
import { watchRoutes } from "./routes";
import type { EventType, TrackerEvent } from "./wire";
import { address, clip, routeOf } from "./wire";

// The page view
let page: string;
let startedAt: number;
let url = "";
let route: string;
let title: string;
let referrer: string | undefined;

/** A view that waits for its title: frameworks change the address first and the title a moment later. */
let announcing: boolean;
let retitling = 0;
let beating = 0;
let lastEventAt: number;
let used: boolean;
/** Not to be tracked: not yet, not any more, or away. */
export let gone = true;
/** Gone with the page, which may return from the back/forward cache. */
let away = false;

/** Before the title while a message of the chat is unread: the visitor's mark, not the page's title. */
export const MARK = "\u25cf ";

export const visible = (): boolean => !document.hidden;
const currentTitle = (): string => clip(document.title.replace(MARK, ""));

function schedule(): void {
  clearTimeout(beating);
  const interval = beatInterval(ready, visible(), used);
  if (interval) beating = later(beat, lastEventAt + interval - now());
}

/** A sign of life. What waits for a retry will be one as well, so an outage does not pile up beats. */
function beat(): void {
  lastEventAt = now();
  if (waiting[0]) schedule();
  else emit("beat");
}

function record(type: EventType, more?: Partial<TrackerEvent>): void {
  const at = now();
  add({ type, page, at, url, title, engaged_ms: total(at), idle_ms: idle(at), ...more });
  lastEventAt = at;
  used = false;
  schedule();
}

/** Tells of the view that waits for its title, if there is one, and of what else happened. */
function put(type?: EventType, more?: Partial<TrackerEvent>): void {
  if (gone) return;
  if (announcing) {
    announcing = false;
    title = currentTitle();
    record("page", { at: startedAt, referrer });
  }
  if (type) record(type, more);
  flush();
}

export function emit(type: EventType, more?: Partial<TrackerEvent>): void {
  title = currentTitle();
  put(type, more);
}

function turn(from: string | undefined): void {
  startedAt = now();
  restart(startedAt);
  page = uuid();
  referrer = from;
  url = address(location.href) ?? "";
  route = routeOf(location.href);
  title = currentTitle();
  announcing = true;
  later(put, TITLE_MS);
}

/** Another page view of this tab; the address may be the same. */
export function next(): void {
  if (gone) return;
  put("beat"); // the last word on how long the page was used
  turn(url);
}

function routed(): void {
  if (route !== routeOf(location.href)) next();
}

function titled(): void {
  if (title === currentTitle()) return;
  clearTimeout(retitling);
  if (announcing) put();
  else retitling = later(() => { emit("beat"); }, TITLE_MS);
}

function touched(): void {
  const at = now();
  const rested = idle(at);
  show(visible(), at);
  if (rested >= IDLE_MS) emit("beat");
  else if (!used) {
    used = true;
    schedule();
  }
}

/** Said once, however many events announce it, in one request with everything unanswered. */
function leave(): void {
  close();
  reset();
  put("leave");
  gone = true;
}

function begin(from?: string, nobody?: unknown): void {
  gone = false;
  claim(nobody);
  reset();
  show(visible(), now());
  turn(from);
  if (title) put();
  if (!visible()) emit("hide");
}

/** From now on not a word. */
export function silence(): void {
  gone = true;
}

export function attached(again: boolean): void {
  // The server may have given the tab up meanwhile: a beat tells it again where the visitor is.
  if (again) emit("beat");
  else schedule();
}

/** The live channel was lost: if it is not back soon, a beat says that the visitor is still there. */
export function detached(): void {
  clearTimeout(beating);
  beating = later(beat, STAND_IN_MS);
}

/** Says goodbye, and is silent from now on. */
export function end(): void {
  if (!gone) leave();
}

/** Begins, or begins again after `end`; with `nobody` no visitor is named. */
export function start(nobody: unknown): void {
  begin(address(document.referrer), nobody);
}

export function watch(): void {
  on("visibilitychange", () => {
    show(visible(), now());
    emit(visible() ? "show" : "hide");
  });
  on("pagehide", () => {
    if ((away = !gone)) {
      leave();
      release();
    }
  });
  on("pageshow", (event: PageTransitionEvent) => {
    if (event.persisted && away && !withdrawn()) begin();
  });
  on("keydown pointerdown pointermove wheel", touched);
  watchRoutes(routed);
  new MutationObserver(guard(titled)).observe(document.head, { subtree: true, childList: true, characterData: true });
}
