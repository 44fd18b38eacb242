import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { clearSelection, followList, openPanel, select, selectAt, useSelection } from "../src/list/selection";
import type { ViewSnapshot } from "../src/view/client";
import type { Ack, Row } from "../src/wire";
import { makeRow } from "./rows";

interface Live {
  listeners: Set<() => void>;
  snapshot: unknown;
  answer: unknown;
  asked: number;
}
const live = vi.hoisted((): Live => ({ listeners: new Set(), snapshot: { window: null }, answer: null, asked: 0 }));

vi.mock("../src/app/live", () => ({
  list: {
    subscribe: (listener: () => void) => {
      live.listeners.add(listener);
      return () => live.listeners.delete(listener);
    },
    current: () => live.snapshot as ViewSnapshot,
  },
  ask: () => {
    live.asked += 1;
    return Promise.resolve(live.answer as Ack<{ row: Row }>);
  },
}));

function show(rows: Row[], offset = 0): void {
  live.snapshot = { window: { rows, offset } };
  for (const listener of live.listeners) listener();
}

let unfollow: () => void;
beforeEach(() => {
  live.asked = 0;
  clearSelection();
  unfollow = followList();
});
afterEach(() => unfollow());

const [a, b, c] = [makeRow("a"), makeRow("b"), makeRow("c")];

test("the selected visitor stays selected when rows move, with its newest row", () => {
  show([a, b, c]);
  select(a, 0);
  const later = { ...a, version: 2 };
  show([b, c, later], 10);
  expect(useSelection.getState()).toMatchObject({ visitor: "a", index: 12, row: later, gone: false });
});

test("a visitor out of the window is asked for; one that is not there any more has left", async () => {
  show([a, b]);
  select(a, 0);
  live.answer = { ok: true, row: { ...a, version: 9 } };
  show([b]);
  await vi.waitFor(() => expect(useSelection.getState().row?.version).toBe(9));
  expect(useSelection.getState()).toMatchObject({ index: null, gone: false });
  show([a, b]);
  live.answer = { ok: false, error: { code: "not_found", message: "" } };
  show([b]);
  await vi.waitFor(() => expect(useSelection.getState().gone).toBe(true));
  expect(useSelection.getState().row?.visitor).toBe("a");
});

test("one that comes back is there again", async () => {
  show([a]);
  select(a, 0);
  live.answer = { ok: false, error: { code: "not_found", message: "" } };
  show([]);
  await vi.waitFor(() => expect(useSelection.getState().gone).toBe(true));
  show([b, a]);
  expect(useSelection.getState()).toMatchObject({ gone: false, index: 1 });
});

test("an answer about another visitor than the selected one changes nothing", async () => {
  show([a, b]);
  select(a, 0);
  live.answer = { ok: false, error: { code: "not_found", message: "" } };
  show([b]);
  select(b, 0);
  await Promise.resolve();
  expect(useSelection.getState()).toMatchObject({ visitor: "b", gone: false });
});

test("no answer is no leave-taking", async () => {
  show([a]);
  select(a, 0);
  live.answer = { ok: false, error: { code: "timeout", message: "" } };
  show([]);
  await vi.waitFor(() => expect(live.asked).toBe(1));
  expect(useSelection.getState()).toMatchObject({ visitor: "a", gone: false });
});

test("a row that the keyboard reached before it was loaded is selected when it comes", () => {
  show([a, b]);
  selectAt(40);
  expect(useSelection.getState().visitor).toBeNull();
  show([c], 40);
  expect(useSelection.getState()).toMatchObject({ visitor: "c", index: 40 });
});

test("letting go of the visitor keeps the panel", () => {
  openPanel("history");
  select(a, 0);
  clearSelection();
  expect(useSelection.getState()).toMatchObject({ visitor: null, panel: "history" });
});
