/**
 * Who is speaking: the browser (`visitor`, kept in localStorage) and the tab (kept in sessionStorage between two pages).
 *
 * A tab's record is taken out of sessionStorage while its page lives and put back when the page goes. So a duplicated
 * tab, which starts with a copy of sessionStorage, finds nothing and gets an id of its own; a record that lies there
 * for long is not taken either, because it may have been copied while another website was shown in the tab.
 *
 * With Global Privacy Control or Do Not Track nothing is stored, and no visitor is named.
 */
import { now, uuid } from "./ids";
import { fill, lastN, waiting } from "./queue";
import { BROWSER, TAB, nameStorage, storage } from "./storage";
import type { Answer, Sender, TrackerEvent } from "./wire";

/** After this time the server has forgotten a tab that left, so there is nothing to continue. */
const TAB_RECORD_MS = 15_000;

interface TabRecord {
  tab: string;
  n: number;
  q: TrackerEvent[];
  at: number;
}

export const sender: Sender = { site: "", tab: "" };

const browser = navigator as Navigator & { globalPrivacyControl?: boolean };
const nameless = browser.globalPrivacyControl || browser.doNotTrack === "1";

/** Names the site; true if the visitor does not want to be tracked on it. */
export function enter(site: string): unknown {
  sender.site = site;
  nameStorage("foyer." + site);
  return storage(BROWSER)["off"];
}

/** The browser's name, from its storage or new. */
export function recognise(): void {
  const { v = uuid(), t } = storage(BROWSER) as Record<string, string>;
  adopt({ visitor: v, token: t });
}

/** Takes the name and the token that the collector gave; a name without a token takes back the token. */
export function adopt({ visitor, token }: Answer): void {
  if (nameless || !(visitor || token)) return;
  sender.visitor = visitor ?? sender.visitor;
  sender.token = token;
  storage(BROWSER, { v: sender.visitor, t: sender.token });
}

/** The tab becomes this page's: at start, and when the page returns from the back/forward cache. */
export function claim(): void {
  let record = storage(TAB) as Partial<TabRecord>;
  storage(TAB, null);
  if (!(now() - (record.at ?? 0) < TAB_RECORD_MS)) record = {};
  const { tab = uuid(), n = 0, q = [] } = record;
  sender.tab = tab;
  fill(n, q);
}

/** The page goes: the next one in this tab continues its numbers and what was not acknowledged. */
export function release(): void {
  if (!nameless) storage(TAB, { tab: sender.tab, n: lastN, q: waiting, at: now() } satisfies TabRecord);
}

/** Erases what is stored; with `off`, keeps only the wish not to be tracked. */
export function forget(off: unknown): void {
  sender.visitor = sender.token = undefined;
  storage(TAB, null);
  storage(BROWSER, off ? { off } : null);
}
