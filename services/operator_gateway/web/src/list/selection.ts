/**
 * The selected visitor: chosen by row, kept by id. While the row is in the window it follows the deltas; outside it is
 * asked for now and then, which is also how it is noticed that the visitor has left.
 */
import { create } from "zustand";
import { ask, list } from "../app/live";
import type { Row } from "../wire";
import { useQuery } from "./query";

export type Panel = "chats" | "navigation" | "history" | "timeline" | "inbox";

export interface Selection {
  visitor: string | null;
  /** The row as last known. */
  row: Row | null;
  /** Index in the whole list while it is in the window. */
  index: number | null;
  gone: boolean;
  panel: Panel | null;
}

const NONE = { visitor: null, row: null, index: null, gone: false };
const REFRESH_MS = 5_000;

export const useSelection = create<Selection>(() => ({ ...NONE, panel: null }));

/** Index that the keyboard asked for before its row was loaded. */
let awaited: number | null = null;

export function select(row: Row, index: number): void {
  awaited = null;
  useSelection.setState({ visitor: row.visitor, row, index, gone: false });
}

/** Selects by id: the row may be out of the window, and is then asked for. */
export function selectVisitor(visitor: string, row: Row | null): void {
  awaited = null;
  if (useSelection.getState().visitor === visitor) return;
  useSelection.setState({ visitor, row, index: null, gone: false });
  onList();
  if (useSelection.getState().index === null) void refresh(visitor);
}

export function clearSelection(): void {
  awaited = null;
  useSelection.setState(NONE);
}

export function openPanel(panel: Panel | null): void {
  useSelection.setState({ panel });
}

export function rowAt(index: number): Row | null {
  const { window } = list.current();
  return window?.rows[index - window.offset] ?? null;
}

/** Selects what is at the index, now or as soon as it is loaded. */
export function selectAt(index: number): void {
  const row = rowAt(index);
  if (row) select(row, index);
  else awaited = index;
}

/** Keeps the selection true to the list; ended by the returned function. */
export function followList(): () => void {
  const unsubscribe = list.subscribe(onList);
  const timer = setInterval(() => {
    const { visitor, index, gone } = useSelection.getState();
    if (visitor !== null && index === null && !gone) void refresh(visitor);
  }, REFRESH_MS);
  return () => {
    unsubscribe();
    clearInterval(timer);
  };
}

function onList(): void {
  const { window } = list.current();
  if (!window) return;
  if (awaited !== null) {
    const row = rowAt(awaited);
    if (row) select(row, awaited);
  }
  const selection = useSelection.getState();
  if (selection.visitor === null) return;
  const at = window.rows.findIndex(({ visitor }) => visitor === selection.visitor);
  const row = window.rows[at];
  if (row) {
    const index = window.offset + at;
    if (row !== selection.row || index !== selection.index) useSelection.setState({ row, index, gone: false });
  } else if (selection.index !== null) {
    useSelection.setState({ index: null });
    void refresh(selection.visitor);
  }
}

async function refresh(visitor: string): Promise<void> {
  const { site } = useQuery.getState();
  const ack = await ask<{ row: Row }>("visitor:get", { site, visitor });
  const selection = useSelection.getState();
  if (selection.visitor !== visitor || selection.index !== null) return;
  if (ack.ok) useSelection.setState({ row: ack.row, gone: false });
  else if (ack.error.code === "not_found") useSelection.setState({ gone: true });
}
