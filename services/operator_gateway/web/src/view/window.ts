/**
 * What a view shows, as a value, and how the gateway's messages change it. Pure: a message gives a new window or says
 * that it does not fit, and then the view asks for the difference. Read `applyDelta` first.
 */
import type { Counts, Have, Row, ViewDelta, ViewState } from "../wire";
import { crc32 } from "./crc32";

export interface ViewWindow {
  readonly epoch: string;
  readonly seq: number;
  /** Index of the first row within the whole sorted list. */
  readonly offset: number;
  readonly total: number;
  readonly counts: Counts;
  readonly rows: readonly Row[];
  /** The gateway still reads the site: an empty list does not mean that nobody is there. */
  readonly loading: boolean;
}

/** A delta either fits, is about something that is over (`old`), or does not follow what we have (`gap`). */
export type DeltaResult = { kind: "applied"; window: ViewWindow } | { kind: "old" } | { kind: "gap" };

export function applyDelta(window: ViewWindow, delta: ViewDelta): DeltaResult {
  if (delta.epoch !== window.epoch) return { kind: "gap" };
  if (delta.seq <= window.seq) return { kind: "old" };
  if (delta.prev !== window.seq) return { kind: "gap" };
  const rows = applyChanges(window.rows, delta);
  if (rows === null) return { kind: "gap" };
  return {
    kind: "applied",
    window: {
      ...window,
      seq: delta.seq,
      total: delta.total ?? window.total,
      counts: delta.counts ?? window.counts,
      rows,
      loading: false,
    },
  };
}

/** The order is the protocol's: remove, insert, update, move. Null when a change names a row that is not as it says. */
function applyChanges(before: readonly Row[], delta: ViewDelta): Row[] | null {
  const rows = removed(before, delta.remove ?? []);
  if (rows === null) return null;
  const known = new Set(rows.map((row) => row.visitor));
  for (const [pos, row] of delta.insert ?? []) {
    if (known.has(row.visitor) || pos < 0 || pos > rows.length) return null;
    known.add(row.visitor);
    rows.splice(pos, 0, row);
  }
  return updated(rows, delta) && moved(rows, delta) ? rows : null;
}

function removed(before: readonly Row[], gone: readonly string[]): Row[] | null {
  if (gone.length === 0) return [...before];
  const names = new Set(gone);
  const rows = before.filter((row) => !names.has(row.visitor));
  return before.length - rows.length === names.size ? rows : null;
}

function updated(rows: Row[], delta: ViewDelta): boolean {
  if (!delta.update?.length) return true;
  const at = new Map(rows.map((row, index) => [row.visitor, index]));
  for (const [visitor, version, changed] of delta.update) {
    const index = at.get(visitor);
    const row = index === undefined ? undefined : rows[index];
    if (index === undefined || row === undefined) return false;
    rows[index] = { ...row, ...changed, visitor, version };
  }
  return true;
}

function moved(rows: Row[], delta: ViewDelta): boolean {
  for (const [visitor, pos] of delta.move ?? []) {
    const from = rows.findIndex((row) => row.visitor === visitor);
    const [row] = from < 0 ? [] : rows.splice(from, 1);
    if (row === undefined || pos < 0 || pos > rows.length) return false;
    rows.splice(pos, 0, row);
  }
  return true;
}

/**
 * Builds a window from a full answer. With `order`, the answer left out the rows whose version the client named in
 * `have`; `held` gives those. Null when one is missing: then everything is asked for again.
 */
export function fromState(state: ViewState, offset: number, held: ReadonlyMap<string, Row>): ViewWindow | null {
  const { epoch, seq, total, counts } = state;
  let rows: Row[] = state.rows;
  if (state.order) {
    const sent = new Map(state.rows.map((row) => [row.visitor, row]));
    rows = [];
    for (const visitor of state.order) {
      const row = sent.get(visitor) ?? held.get(visitor);
      if (row === undefined) return null;
      rows.push(row);
    }
  }
  return { epoch, seq, total, counts, rows, offset, loading: state.loading ?? false };
}

export function haveOf(rows: readonly Row[]): Have {
  return rows.map((row) => [row.visitor, row.version]);
}

export function checksumOf(rows: readonly Row[]): number {
  return crc32(rows.map((row) => `${row.visitor}:${row.version}`).join("\n"));
}
