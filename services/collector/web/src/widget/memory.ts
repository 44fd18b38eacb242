/**
 * What outlives the page: whether the chat is open (shared by the tabs) and what was typed and not yet sent (the tab's
 * own). Nothing is stored for a visitor without an identifier, and nothing where storage is blocked.
 */
import type { Unsent } from "./state";

export interface TabMemory {
  draft: string;
  unsent: Unsent[];
}

type Store = "localStorage" | "sessionStorage";

export class Memory {
  readonly #key: string;
  readonly #allowed: () => boolean;

  constructor(site: string, allowed: () => boolean) {
    this.#key = `foyer.${site}.chat`;
    this.#allowed = allowed;
  }

  get isOpen(): boolean {
    return this.#read("localStorage")["open"] === true;
  }

  set isOpen(open: boolean) {
    if (this.isOpen !== open) this.#write("localStorage", open ? { open } : null);
  }

  /** Another tab opened or minimised the chat. */
  onOpen(changed: (open: boolean) => void): void {
    addEventListener("storage", ({ key }) => {
      if (key === this.#key) changed(this.isOpen);
    });
  }

  /** Taken out while the page lives, so that a duplicated tab does not send it as well. */
  takeTab(): TabMemory {
    const { draft, unsent } = this.#read("sessionStorage");
    this.#write("sessionStorage", null);
    return {
      draft: typeof draft === "string" ? draft : "",
      unsent: Array.isArray(unsent) ? (unsent as Unsent[]).filter((one) => one.id && one.text).slice(0, 50) : [],
    };
  }

  keepTab(tab: TabMemory): void {
    this.#write("sessionStorage", tab.draft || tab.unsent[0] ? tab : null);
  }

  #read(store: Store): Record<string, unknown> {
    try {
      return (JSON.parse(window[store].getItem(this.#key) ?? "null") ?? {}) as Record<string, unknown>;
    } catch {
      return {};
    }
  }

  #write(store: Store, record: object | null): void {
    try {
      if (record && this.#allowed()) window[store].setItem(this.#key, JSON.stringify(record));
      else window[store].removeItem(this.#key);
    } catch {
      // It then lives as long as the page.
    }
  }
}
