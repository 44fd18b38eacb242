/**
 * Who is speaking: the browser (`visitor`, kept in localStorage) and the tab (kept in sessionStorage between two pages).
 *
 * A tab's record is taken out of sessionStorage while its page lives and put back when the page goes. So a duplicated
 * tab, which starts with a copy of sessionStorage, finds nothing and gets an id of its own; a record that lies there
 * for long is not taken either, because it may have been copied while another website was shown in the tab.
 *
 * With Global Privacy Control or Do Not Track, or before consent, nothing is stored and no visitor is named: the tab has
 * a token of its own, which lives in the page. Only a chat that goes on is handed to the tab's next page
 * (docs/adr/0004-chat-without-identifier.md), and before consent not even that.
 */
import { now, uuid } from "./ids";
import { consented } from "./main";
import { fill, lastN, waiting } from "./queue";
import { BROWSER, TAB, storage } from "./storage";
import type { Answer, Sender, TrackerEvent } from "./wire";

/** After this time the server has forgotten a tab that left, so there is nothing to continue. */
const TAB_RECORD_MS = 15_000;

interface TabRecord extends Sender {
  n: number;
  q: TrackerEvent[];
  at: number;
}

export const sender: Sender = { site: "", tab: "" };

const browser = navigator as Navigator & { globalPrivacyControl?: boolean };
/** No visitor is named on this page: that is not wished, or not (yet) allowed. */
export let nameless: unknown = browser.globalPrivacyControl || (browser.doNotTrack as unknown) == 1;

/** Whether the browser keeps the name: not where storage is blocked or full, nor where no visitor is named. */
let keeps: unknown;

/** Whether the name was taken out of the storage, by this page or by another: a wish that holds on all of them. */
export const withdrawn = (): unknown => keeps && !storage(BROWSER)["visitor"];

/** Takes the name and the token that the collector gave; a name without a token takes back the token. */
export function adopt({ visitor, token }: Answer): void {
  if (!(visitor || token)) return;
  sender.token = token;
  if (nameless) return;
  sender.visitor = visitor ?? sender.visitor;
  storage(BROWSER, { visitor: sender.visitor, token });
}

/**
 * The tab becomes this page's, and the visitor the browser's, from its storage or new: at start, and when the page
 * returns from the back/forward cache. With `nobody` there is no visitor; nor while a chat goes on that began so.
 */
export function claim(nobody?: unknown): void {
  let record = storage(TAB) as Partial<TabRecord>;
  storage(TAB, 0);
  if (!(now() - (record.at as number) < TAB_RECORD_MS)) record = {};
  const { tab = uuid(), n = 0, q = [] } = record;
  nameless ||= nobody || (record.token && !record.visitor);
  sender.tab = tab;
  adopt({ visitor: uuid(), ...(nameless ? record : storage(BROWSER)) });
  keeps = storage(BROWSER)["visitor"];
  fill(n, q);
}

/** The page goes: the next one in this tab continues its numbers and what was not acknowledged. */
export function release(): void {
  if (!nameless || (consented && sender.chat)) storage(TAB, { ...sender, n: lastN, q: waiting, at: now() } satisfies TabRecord);
}

/** Erases what is stored; with `off`, keeps only the wish not to be tracked. */
export function forget(off: unknown): void {
  if (!nameless) sender.visitor = sender.token = undefined;
  storage(TAB, 0);
  storage(BROWSER, off && { off });
}
