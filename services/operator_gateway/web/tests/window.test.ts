import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { crc32 } from "../src/view/crc32";
import { applyDelta, checksumOf, fromState, type ViewWindow } from "../src/view/window";
import type { Row, ViewDelta } from "../src/wire";
import { makeRow } from "./rows";

const windowOf = (rows: Row[], seq = 7): ViewWindow => ({
  epoch: "e",
  seq,
  offset: 0,
  total: rows.length,
  counts: {},
  rows,
  loading: false,
});
const delta = (change: Partial<ViewDelta>): ViewDelta => ({ view: "v", epoch: "e", prev: 7, seq: 8, ...change });
const ids = (window: ViewWindow): string[] => window.rows.map((row) => row.visitor);

/** Turns one list into another the way a gateway may: removals, insertions by final position, updates, moves. */
function difference(before: Row[], after: Row[]): Partial<ViewDelta> {
  const wanted = new Map(after.map((row) => [row.visitor, row]));
  const had = new Map(before.map((row) => [row.visitor, row]));
  const order = before.map((row) => row.visitor).filter((id) => wanted.has(id));
  const insert: [number, Row][] = [];
  after.forEach((row, index) => {
    if (had.has(row.visitor)) return;
    const pos = Math.min(index, order.length);
    insert.push([pos, row]);
    order.splice(pos, 0, row.visitor);
  });
  const move: [string, number][] = [];
  after.forEach((row, index) => {
    if (order[index] === row.visitor) return;
    order.splice(order.indexOf(row.visitor), 1);
    order.splice(index, 0, row.visitor);
    move.push([row.visitor, index]);
  });
  const update = after.flatMap((row): [string, number, Partial<Row>][] => {
    const old = had.get(row.visitor);
    return old && old.version !== row.version ? [[row.visitor, row.version, { pages: row.pages }]] : [];
  });
  return { remove: before.map((row) => row.visitor).filter((id) => !wanted.has(id)), insert, update, move };
}

const listOf = fc
  .uniqueArray(fc.nat({ max: 60 }), { maxLength: 40 })
  .chain((names) =>
    fc.tuple(fc.constant(names), fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 40, maxLength: 40 })),
  )
  .map(([names, versions]) =>
    names.map((name, i) => makeRow(`v${name}`, { version: versions[i] ?? 1, pages: versions[i] ?? 1 })),
  );

describe("a window", () => {
  test("any difference, applied, gives the same rows in the same order", () => {
    fc.assert(
      fc.property(listOf, listOf, (before, after) => {
        const result = applyDelta(windowOf(before), delta({ ...difference(before, after), total: after.length }));
        if (result.kind !== "applied") throw new Error(result.kind);
        expect(result.window.rows).toEqual(after);
        expect(result.window.total).toBe(after.length);
        expect(checksumOf(result.window.rows)).toBe(checksumOf(after));
      }),
      { numRuns: 400 },
    );
  });

  test("a delta is applied only on the sequence it follows", () => {
    const window = windowOf([makeRow("a")]);
    expect(applyDelta(window, delta({ prev: 6, seq: 8 })).kind).toBe("gap");
    expect(applyDelta(window, delta({ prev: 8, seq: 9 })).kind).toBe("gap");
    expect(applyDelta(window, delta({ prev: 6, seq: 7 })).kind).toBe("old");
    expect(applyDelta(window, delta({ epoch: "other" })).kind).toBe("gap");
  });

  test("a change of a row that is not there does not fit", () => {
    const window = windowOf([makeRow("a"), makeRow("b")]);
    expect(applyDelta(window, delta({ remove: ["x"] })).kind).toBe("gap");
    expect(applyDelta(window, delta({ update: [["x", 2, {}]] })).kind).toBe("gap");
    expect(applyDelta(window, delta({ move: [["x", 0]] })).kind).toBe("gap");
    expect(applyDelta(window, delta({ insert: [[0, makeRow("a")]] })).kind).toBe("gap");
    expect(applyDelta(window, delta({ insert: [[3, makeRow("c")]] })).kind).toBe("gap");
  });

  test("the order is remove, insert, update, move", () => {
    const window = windowOf([makeRow("a"), makeRow("b"), makeRow("c")]);
    const result = applyDelta(
      window,
      delta({ remove: ["a"], insert: [[0, makeRow("d")]], update: [["d", 5, { pages: 9 }]], move: [["d", 2]] }),
    );
    if (result.kind !== "applied") throw new Error(result.kind);
    expect(ids(result.window)).toEqual(["b", "c", "d"]);
    expect(result.window.rows[2]).toMatchObject({ version: 5, pages: 9 });
  });

  test("rows that an answer leaves out come from what was held", () => {
    const held = new Map([["a", makeRow("a", { version: 3 })]]);
    const state = { epoch: "e", seq: 1, total: 2, counts: {}, rows: [makeRow("b")], order: ["b", "a"] };
    expect(fromState(state, 0, held)?.rows.map((row) => row.visitor)).toEqual(["b", "a"]);
    expect(fromState(state, 0, new Map())).toBeNull();
  });

  test("the checksum is zlib's CRC-32", () => {
    expect(crc32("123456789")).toBe(0xcbf43926);
    expect(crc32("")).toBe(0);
    expect(checksumOf([makeRow("a", { version: 1 }), makeRow("b", { version: 22 })])).toBe(crc32("a:1\nb:22"));
  });
});
