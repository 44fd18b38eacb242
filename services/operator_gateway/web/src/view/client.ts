/**
 * One live view: keeps what the operator sees equal to what the gateway has.
 *
 * Policy: at most one request is under way, the newest wish wins (scrolling makes many), deltas are applied only in
 * unbroken sequence, and anything that does not fit (gap, new epoch, wrong checksum, reset) ends in one request that
 * names what we hold and gets the difference. After a reconnect the view is opened again the same way. No React, no
 * socket, no clock of its own: see `ViewLink`. Read `pump` first.
 */
import type {
  Ack,
  Filter,
  PutOff,
  Row,
  Sort,
  ViewCheck,
  ViewDelta,
  ViewOpen,
  ViewReset,
  ViewState,
  WireError,
} from "../wire";
import { applyDelta, checksumOf, fromState, haveOf, type ViewWindow } from "./window";

export interface ViewQuery {
  site: string;
  sort: Sort;
  filter: Filter;
  offset: number;
  limit: number;
}

export interface ViewLink {
  /** The answer comes exactly once; a lost connection or a timeout is an answer with a code. */
  request(event: string, payload: object, answer: (ack: Ack<ViewState>) => void): void;
  send(event: string, payload: object): void;
  /** Milliseconds of a clock that does not step. */
  now(): number;
  later(run: () => void, ms: number): void;
  random(): number;
}

export type ViewPhase = "loading" | "live" | "refused";

export interface ViewChange {
  /** Visitors whose rows came with the last delta. */
  readonly entered: ReadonlySet<string>;
  /** Rows that went away with the last delta, with their index in the whole list. */
  readonly left: readonly { readonly row: Row; readonly index: number }[];
}

/** The gateway has too much to do: updates come every so often, and what it names is put off for longer. */
export interface Slowness {
  readonly everyMs: number;
  readonly putOff: readonly PutOff[];
}

export interface ViewSnapshot {
  readonly phase: ViewPhase;
  readonly window: ViewWindow | null;
  /** What `window` shows; differs from what is wanted while a request is under way. */
  readonly shown: ViewQuery | null;
  readonly change: ViewChange;
  readonly error: WireError | null;
  /** When the gateway was last heard about this view, by `ViewLink.now`. */
  readonly heardAt: number | null;
  /** Null while updates come as they should. */
  readonly slowed: Slowness | null;
}

const NO_CHANGE: ViewChange = { entered: new Set(), left: [] };
const EMPTY: ViewSnapshot = {
  phase: "loading",
  window: null,
  shown: null,
  change: NO_CHANGE,
  error: null,
  heardAt: null,
  slowed: null,
};
const FIRST_RETRY_MS = 400;
const LAST_RETRY_MS = 10_000;
/** Codes that another try will not change. */
const FINAL_CODES = new Set(["forbidden", "site_gone", "unauthorized", "unauthenticated"]);

export class ViewClient {
  private snapshot: ViewSnapshot = EMPTY;
  private readonly listeners = new Set<() => void>();
  private wanted: ViewQuery | null = null;
  private opened = false;
  private connected = false;
  private busy = false;
  private mustSync = false;
  /** Set when rows that an answer left out are no longer held: the next request claims nothing. */
  private holdNothing = false;
  private failures = 0;
  /** Answers that belong to an earlier connection are dropped by comparing this. */
  private generation = 0;

  constructor(
    private readonly link: ViewLink,
    private readonly name: string,
  ) {}

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  readonly current = (): ViewSnapshot => this.snapshot;

  /** Says what is to be shown. Cheap to call often: the newest wish is sent when the last request is answered. */
  show(query: ViewQuery): void {
    const otherSite = this.wanted !== null && this.wanted.site !== query.site;
    this.wanted = query;
    if (otherSite) {
      this.forget();
      this.publish(EMPTY);
    } else if (this.snapshot.phase === "refused") {
      this.publish({ phase: "loading", error: null });
    }
    this.pump();
  }

  /** Shows nothing any more and keeps nothing: the next one at this screen may be somebody else. */
  close(): void {
    this.forget();
    this.wanted = null;
    this.publish(EMPTY);
  }

  onConnected(): void {
    this.connected = true;
    this.generation += 1;
    this.opened = false;
    this.busy = false;
    this.mustSync = false;
    this.failures = 0;
    if (this.snapshot.phase === "refused") this.publish({ phase: "loading", error: null });
    this.pump();
  }

  onDisconnected(): void {
    this.connected = false;
    this.generation += 1;
    this.opened = false;
    this.busy = false;
  }

  onDelta(delta: ViewDelta): void {
    const { window } = this.snapshot;
    if (delta.view !== this.name || !this.opened || window === null) return;
    const result = applyDelta(window, delta);
    switch (result.kind) {
      case "old":
        return;
      case "gap":
        // While a request is under way its answer replaces everything anyway.
        if (!this.busy) this.resync();
        return;
      case "applied":
        this.publish({
          window: result.window,
          change: changeOf(window, result.window, delta),
          heardAt: this.link.now(),
          slowed: slownessOf(delta),
        });
        this.link.send("view:ack", { view: delta.view, seq: delta.seq });
    }
  }

  onCheck(check: ViewCheck): void {
    const { window } = this.snapshot;
    if (check.view !== this.name || !this.opened || window === null || this.busy || check.seq < window.seq) return;
    this.publish({ heardAt: this.link.now(), slowed: slownessOf(check) });
    if (check.seq > window.seq || check.checksum >>> 0 !== checksumOf(window.rows)) this.resync();
  }

  onReset(reset: ViewReset): void {
    if (reset.view !== this.name || !this.opened) return;
    this.opened = false;
    this.generation += 1;
    this.busy = false;
    if (FINAL_CODES.has(reset.reason)) this.publish({ phase: "refused", error: { code: reset.reason, message: "" } });
    else if (reset.reason === "overloaded") this.pause();
    else this.pump();
  }

  private resync(): void {
    this.mustSync = true;
    this.pump();
  }

  private forget(): void {
    if (this.opened && this.connected) this.link.send("view:close", { view: this.name });
    this.opened = false;
    this.generation += 1;
    this.busy = false;
    this.mustSync = false;
  }

  private pump(): void {
    const { wanted } = this;
    if (!this.connected || this.busy || wanted === null || this.snapshot.phase === "refused") return;
    if (!this.opened) {
      this.opened = true;
      this.ask("view:open", wanted);
    } else if (this.snapshot.shown !== wanted) {
      this.ask("view:move", wanted);
    } else if (this.mustSync) {
      this.ask("view:sync", wanted);
    }
  }

  private ask(event: "view:open" | "view:move" | "view:sync", query: ViewQuery): void {
    const view = this.name;
    const { window } = this.snapshot;
    const rows = this.holdNothing ? [] : (window?.rows ?? []);
    const held = new Map(rows.map((row) => [row.visitor, row]));
    const claim = window && rows.length > 0 ? { have: haveOf(rows), epoch: window.epoch } : {};
    const payload: ViewOpen | Pick<ViewOpen, "view" | "have" | "epoch"> =
      event === "view:sync" ? { view, ...claim } : { view, ...query, ...claim };
    const generation = this.generation;
    this.busy = true;
    this.mustSync = false;
    this.link.request(event, payload, (ack) => {
      if (generation !== this.generation) return;
      this.busy = false;
      if (ack.ok) this.adopt(ack, query, held);
      else this.fail(ack.error);
    });
  }

  private adopt(state: ViewState, query: ViewQuery, held: ReadonlyMap<string, Row>): void {
    // After a reconnect to a gateway that still reads the site: what is shown is older, but it is all there.
    if (state.loading && this.snapshot.window !== null && isSameList(query, this.snapshot.shown)) {
      this.mustSync = true;
      this.pause();
      return;
    }
    const window = fromState(state, query.offset, held);
    this.holdNothing = window === null;
    this.failures = 0;
    if (window === null) this.mustSync = true;
    else
      this.publish({
        phase: "live",
        window,
        shown: query,
        change: NO_CHANGE,
        error: null,
        heardAt: this.link.now(),
      });
    this.pump();
  }

  private fail(error: WireError): void {
    if (FINAL_CODES.has(error.code)) {
      this.publish({ phase: "refused", error });
      return;
    }
    // Whatever the gateway still knows of this view: opening it again, under the same name, replaces it.
    this.opened = false;
    this.publish({ error });
    this.pause();
  }

  /** Waits before the next request, longer each time; full half of it is chance, so that many do not come at once. */
  private pause(): void {
    this.failures += 1;
    const generation = this.generation;
    const ceiling = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** (this.failures - 1));
    this.busy = true;
    this.link.later(
      () => {
        if (generation !== this.generation) return;
        this.busy = false;
        this.pump();
      },
      ceiling * (0.5 + this.link.random() / 2),
    );
  }

  private publish(change: Partial<ViewSnapshot>): void {
    this.snapshot = { ...this.snapshot, ...change };
    for (const listener of this.listeners) listener();
  }
}

function isSameList(one: ViewQuery, other: ViewQuery | null): boolean {
  const list = ({ site, sort, filter }: ViewQuery): string => JSON.stringify([site, sort, filter]);
  return other !== null && list(one) === list(other);
}

function slownessOf({ slowed, put_off }: ViewDelta | ViewCheck): Slowness | null {
  return slowed ? { everyMs: slowed, putOff: put_off ?? [] } : null;
}

function changeOf(before: ViewWindow, after: ViewWindow, delta: ViewDelta): ViewChange {
  const gone = new Set(delta.remove);
  if (gone.size === 0 && !delta.insert?.length) return NO_CHANGE;
  // A row that leaves the window because another one pushed it out also comes as a removal; it vanishes the same way.
  const left = before.rows
    .map((row, index) => ({ row, index: before.offset + index }))
    .filter(({ row }) => gone.has(row.visitor));
  const present = new Set(after.rows.map((row) => row.visitor));
  const entered = new Set((delta.insert ?? []).map(([, row]) => row.visitor).filter((id) => present.has(id)));
  return { entered, left };
}
