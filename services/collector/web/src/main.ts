/**
 * The script's tag, the `foyer` object and the visitor's wishes: whether and when the tracker runs at all.
 * Calls made before this script arrived wait in `foyer.q` as `[name, ...arguments]`.
 */
import { base, deliver } from "./delivery";
import { guard, on } from "./guard";
import { enter, forget, sender } from "./identity";
import { send } from "./live";
import { emit, end, gone, next, start, watch } from "./page";
import type { Answer, Attributes } from "./wire";
import { clip } from "./wire";

type Call = [name: string, ...args: unknown[]];

const tag = document.currentScript as HTMLScriptElement;
const { site, host, consent } = tag.dataset;
const scope = window as unknown as { foyer?: { q?: Call[]; link?: object } };
const said = scope.foyer?.q;
let consented = consent !== "required";
let off: boolean;
let known: Attributes | undefined;
let widget: HTMLScriptElement | undefined;

/** What the chat widget (`/t/widget.js`, loaded when it is needed) builds upon. */
interface Link {
  base: string;
  /** site, tab, visitor, token: as they are now. */
  sender: typeof sender;
  /** Sends a frame over the live channel; false if there is none now. */
  send: typeof send;
  /** Set by the widget: gets all that is not an answer to the tracker. */
  receive?: (message: Answer) => void;
  /** The last of those. */
  last?: Answer;
}

const link: Link = { base: host ?? tag.src.replace(/\/t\/(v1|[^/]+\/t)\.js.*/, ""), sender, send };

export function receive(message: Answer): void {
  if (message.type === "invite" || message.chat) open();
  link.last = message;
  link.receive?.(message);
}

function open(): void {
  if (widget) return;
  widget = document.createElement("script");
  widget.src = base + "/t/widget.js";
  document.head.append(widget);
}

function run(): void {
  if (!gone || off || !consented || (document as { prerendering?: boolean }).prerendering) return;
  start();
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

function halt(forGood: boolean): void {
  end();
  if (off) return;
  off = forGood;
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
  open: guard(open),
};

if (site && !scope.foyer?.link) {
  const say = guard(([name, ...args]: Call) => {
    (foyer[name] as (...args: unknown[]) => void)(...args);
  });
  foyer["q"] = { push: say };
  scope.foyer = foyer;
  deliver(link.base);
  watch();
  off = enter(site);
  said?.forEach(say);
  on(document, "prerenderingchange", run);
  run();
}
