import { expect, test } from "vitest";
import { movedBy } from "../src/list/useAnchor";
import type { ViewWindow } from "../src/view/window";
import { makeRow } from "./rows";

function shown(offset: number, ...visitors: string[]): ViewWindow {
  const rows = visitors.map((visitor) => makeRow(visitor));
  return { epoch: "1", seq: 1, offset, total: 100, counts: {}, rows, loading: false };
}

test("a row that comes above moves what is read down by one", () => {
  expect(movedBy(shown(10, "a", "b", "c"), shown(10, "new", "a", "b"), 11, 12)).toBe(1);
});
test("a row that leaves above moves it up", () => {
  expect(movedBy(shown(10, "a", "b", "c"), shown(10, "b", "c", "d"), 11, 12)).toBe(-1);
});
test("a move of the window alone moves nothing", () => {
  expect(movedBy(shown(10, "a", "b", "c"), shown(11, "b", "c", "d"), 11, 12)).toBe(0);
});
test("when the first visible row has gone, the next one is kept", () => {
  expect(movedBy(shown(10, "a", "b", "c"), shown(10, "x", "y", "a", "c"), 11, 12)).toBe(1);
});
test("when nothing of it is left, the list stays", () => {
  expect(movedBy(shown(10, "a", "b"), shown(10, "x", "y"), 10, 11)).toBe(0);
});
