/** The browser's storage, which may be blocked, full or hold anything: then it is as if nothing was there. */

import { sender } from "./identity";

/** What the whole browser shares (localStorage), or what one tab has for itself (sessionStorage). */
export const BROWSER = true;
export const TAB = false;

/** Stores `record`, or removes what is there if it is 0 or false. Without one, returns what is there. */
export function storage(browser: boolean, record?: unknown): Record<string, unknown> {
  try {
    const store = browser ? localStorage : sessionStorage;
    const key = "foyer." + sender.site;
    if (record) store.setItem(key, JSON.stringify(record));
    else if (record === undefined) return (JSON.parse(store.getItem(key) as string) || {}) as Record<string, unknown>;
    else store.removeItem(key);
  } catch {
    // Identity then lives in memory, as long as the page.
  }
  return {};
}
