/**
 * Who is in a chat with this operator, and who waits for one: two small views of each site, kept by the same means as the
 * list. So a console that was away finds its chats again, with nothing to remember. Read `watch` first.
 */
import { ViewClient, type ViewLink, type ViewQuery } from "../view/client";
import type { Row, Status, ViewCheck, ViewDelta, ViewReset } from "../wire";

export interface WatchedSite {
  site: string;
  /** Skills whose visitors this operator may take; null when the gateway has not told. */
  skills: readonly string[] | null;
}

export interface Waiting {
  site: string;
  row: Row;
}

interface Pair {
  mine: ViewClient;
  waiting: ViewClient;
}

// The gateway allows a connection 32 views: the list, and two for each of these.
export const MOST_SITES = 10;
const MOST_MINE = 100;
const MOST_WAITING = 50;
const IN_CHAT: Status[] = ["accepted", "chatting", "conference", "forwarded"];

export class Queues {
  private readonly pairs: Pair[];
  private sites: WatchedSite[] = [];
  private shown: readonly Waiting[] = [];
  private readonly listeners = new Set<() => void>();

  constructor(
    link: ViewLink,
    private readonly onMine: (site: string, rows: readonly Row[]) => void,
  ) {
    this.pairs = Array.from({ length: MOST_SITES }, (_, n) => {
      const pair = { mine: new ViewClient(link, `mine:${n}`), waiting: new ViewClient(link, `waiting:${n}`) };
      pair.mine.subscribe(() => this.tellMine(n));
      pair.waiting.subscribe(() => this.tellWaiting());
      return pair;
    });
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  /** Who waits now, the longest first. */
  readonly current = (): readonly Waiting[] => this.shown;

  /** Watches these sites for this operator; cheap to call again with the same. */
  watch(operator: string, sites: readonly WatchedSite[]): void {
    const wanted = sites.slice(0, MOST_SITES);
    if (operator === "" || JSON.stringify(wanted) === JSON.stringify(this.sites)) return;
    this.sites = wanted;
    for (const [n, pair] of this.pairs.entries()) {
      const one = wanted[n];
      if (!one) {
        pair.mine.close();
        pair.waiting.close();
        continue;
      }
      pair.mine.show(query(one.site, { status: IN_CHAT, operator }, "visit_started_at", MOST_MINE));
      const skill = one.skills ? { skill: [...one.skills] } : {};
      pair.waiting.show(query(one.site, { status: ["requested"], ...skill }, "wait_time", MOST_WAITING));
    }
  }

  onConnected(): void {
    for (const view of this.views()) view.onConnected();
  }

  onDisconnected(): void {
    for (const view of this.views()) view.onDisconnected();
  }

  onDelta(delta: ViewDelta): void {
    for (const view of this.views()) view.onDelta(delta);
  }

  onCheck(check: ViewCheck): void {
    for (const view of this.views()) view.onCheck(check);
  }

  onReset(reset: ViewReset): void {
    for (const view of this.views()) view.onReset(reset);
  }

  close(): void {
    this.sites = [];
    for (const view of this.views()) view.close();
    this.tellWaiting();
  }

  private views(): ViewClient[] {
    return this.pairs.flatMap(({ mine, waiting }) => [mine, waiting]);
  }

  private tellMine(n: number): void {
    const { window, shown, phase } = this.pairs[n]?.mine.current() ?? {};
    if (window && shown && phase === "live" && !window.loading) this.onMine(shown.site, window.rows);
  }

  private tellWaiting(): void {
    this.shown = this.pairs
      .flatMap(({ waiting }) => {
        const { window, shown } = waiting.current();
        return window && shown ? window.rows.map((row) => ({ site: shown.site, row })) : [];
      })
      .sort((a, b) => (a.row.requested_at ?? 0) - (b.row.requested_at ?? 0));
    for (const listener of this.listeners) listener();
  }
}

function query(site: string, filter: ViewQuery["filter"], by: ViewQuery["sort"]["by"], limit: number): ViewQuery {
  return { site, filter, sort: { by, dir: "desc" }, offset: 0, limit };
}
