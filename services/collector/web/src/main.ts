/**
 * The script's tag, the `foyer` object and the visitor's wishes: whether and when the tracker runs at all.
 * Calls made before this script arrived wait in `foyer.q` as `[name, ...arguments]`.
 */
import { deliver } from "./delivery";
import { guard, on } from "./guard";
import { forget, nameless, sender, withdrawn } from "./identity";
import { send } from "./live";
import { emit, end, gone, next, start, watch } from "./page";
import { BROWSER, storage } from "./storage";
import type { Answer, Attributes } from "./wire";
import { MAX_EVENTS, clip } from "./wire";

type Call = [name: string, ...args: unknown[]];

const tag = document.currentScript as HTMLScriptElement;
const { site, host, consent } = tag.dataset;
const scope = window as unknown as { foyer?: { q?: Call[]; link?: object } };
const said = scope.foyer?.q;
export let consented = consent !== "required";
/** The visitor does not want to be tracked on this site. The browser remembers it; where it cannot, the page does. */
let off: unknown;
/** The visitor has called the chat. */
let asked = false;
let known: Attributes | undefined;

/**
 * What the chat widget builds upon; the widget is a module of its own, loaded when it is needed. The messages that are
 * not answers to the tracker are pushed here: they wait until the widget puts a `push` of its own in place.
 */
export interface Link extends Array<Answer> {
  /** The collector's address. */
  base: string;
  /** site, tab, visitor, token: as they are now. What the widget adds is said in the next greeting. */
  sender: typeof sender;
  /** Sends a frame over the live channel; false if there is none now. */
  send: typeof send;
}

const link = Object.assign([] as unknown as Link, {
  base: host ?? tag.src.replace(/\/t\/(v1|[^/]+\/t)\.js.*/, ""),
  sender,
  send,
});

export function receive(message: Answer): void {
  if (message.type === "invite" || message.chat || message.launcher) widget();
  if (!link[MAX_EVENTS]) link.push(message);
}

interface Widget {
  start: (link: Link, wanted?: boolean) => void;
}

/** Loads the widget once; each time, tells it whether the visitor wants to see it. */
function widget(wanted?: boolean): void {
  const module = import(new URL("widget.js", tag.src) as unknown as string) as Promise<Widget>;
  module.then((it) => { it.start(link, wanted); }).catch(() => {});
}

function run(): void {
  const nobody: unknown = (off ||= storage(BROWSER)["off"]) || !consented;
  if (!gone || (nobody && !asked) || (document as { prerendering?: boolean }).prerendering) return;
  start(nobody);
  if (known) set({});
}

/** Everything is sent as text. What is said about a visitor before the tracker may run is kept until it does. */
function set(values: Record<string, unknown>): void {
  known ??= {};
  for (const name in values) known[name] = clip(String(values[name]));
  if (gone) return;
  emit("attr", { attrs: known });
  known = undefined;
}

/** Who opted out stays so, on this page and on any other one that did it meanwhile. */
function halt(forGood: boolean): void {
  if (forGood || !(asked && nameless)) end();
  off ||= storage(BROWSER)["off"] || forGood;
  forget(off);
}

const foyer: Record<string, unknown> = {
  link,
  page: guard(next),
  identify: guard(set),
  attribute: guard((name: string, value: unknown) => {
    set({ [name]: value });
  }),
  consent: guard((given: boolean) => {
    consented = given;
    if (given) run();
    else halt(false);
  }),
  optOut: guard(() => {
    halt(true);
  }),
  open: guard(() => {
    asked = true;
    run();
    widget(true);
  }),
};

if (site && !frameElement && !scope.foyer?.link) {
  const say = guard(([name, ...args]: Call) => {
    (foyer[name] as (...args: unknown[]) => void)(...args);
  });
  foyer["q"] = { push: say };
  scope.foyer = foyer;
  deliver(link.base);
  watch();
  sender.site = site;
  said?.forEach(say);
  on("prerenderingchange", run);
  on("storage", () => {
    if (withdrawn()) halt(false);
  });
  run();
}
