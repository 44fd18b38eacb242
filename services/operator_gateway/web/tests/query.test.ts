import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { readPreferences } from "../src/app/preferences";
import { clearFilter, filterBy, showSite, toggleStatus, useQuery, windowFor, wireSort } from "../src/list/query";
import { targetIndex } from "../src/list/useGridKeys";

describe("the window over the list", () => {
  test("always covers what is in sight, within the gateway's limit", () => {
    fc.assert(
      fc.property(
        fc.nat(100_000),
        fc.integer({ min: 1, max: 60 }),
        fc.nat(5_000),
        fc.integer({ min: 1, max: 200 }),
        (top, seen, offset, limit) => {
          const total = top + seen;
          const next = windowFor(top, top + seen - 1, total, { offset, limit });
          expect(next.limit).toBeLessThanOrEqual(200);
          expect(next.offset).toBeGreaterThanOrEqual(0);
          expect(next.offset).toBeLessThanOrEqual(top);
          expect(next.offset + next.limit).toBeGreaterThanOrEqual(top + seen);
        },
      ),
    );
  });

  test("stays where it is while there is a margin", () => {
    const now = windowFor(500, 519, 5_000, { offset: 0, limit: 100 });
    expect(windowFor(505, 524, 5_000, now)).toBe(now);
    expect(windowFor(590, 609, 5_000, now)).not.toBe(now);
  });
});

describe("the filter", () => {
  beforeEach(clearFilter);

  test("leaves out what does not filter", () => {
    filterBy({ text: "boots", country: ["DE"] });
    filterBy({ text: "", country: [] });
    expect(useQuery.getState().filter).toEqual({});
  });

  test("keeps a choice of no and of an unknown country", () => {
    filterBy({ returning: false, country: [""] });
    expect(useQuery.getState().filter).toEqual({ returning: false, country: [""] });
  });

  test("starts from the top, and from nothing on another site", () => {
    useQuery.setState({ offset: 400 });
    toggleStatus("requested");
    expect(useQuery.getState()).toMatchObject({ offset: 0, filter: { status: ["requested"] } });
    showSite("s_other");
    expect(useQuery.getState().filter).toEqual({});
  });

  test("a status chosen twice is not chosen", () => {
    toggleStatus("requested");
    toggleStatus("requested");
    expect(useQuery.getState().filter).toEqual({});
  });
});

test("the longest total time is the earliest start", () => {
  expect(wireSort({ by: "visit_started_at", dir: "desc" }).dir).toBe("asc");
  expect(wireSort({ by: "pages", dir: "desc" }).dir).toBe("desc");
});

test.each([
  ["ArrowDown", null, 0],
  ["ArrowDown", 4, 5],
  ["ArrowDown", 99, 99],
  ["ArrowUp", 0, 0],
  ["PageDown", 95, 99],
  ["PageUp", 5, 0],
  ["Home", 50, 0],
  ["End", 50, 99],
  ["a", 50, null],
])("%s from %s goes to %s", (key, from, to) => expect(targetIndex(key, from, 100, 10)).toBe(to));

test("an empty list has no row to go to", () => expect(targetIndex("Home", null, 0, 10)).toBeNull());

describe("remembered preferences", () => {
  test("are taken as far as they are sound", () => {
    const text = JSON.stringify({
      density: "compact",
      hidden: ["pages", "nickname", "x"],
      sort: { by: "x", dir: "asc" },
      sideWidth: 9e9,
    });
    expect(readPreferences(text, "dark")).toEqual({
      theme: "dark",
      density: "compact",
      hidden: ["pages"],
      sort: { by: "visit_started_at", dir: "desc" },
      site: null,
      sideWidth: 1_000,
      sound: true,
      wide: false,
    });
  });

  test("survive anything in the storage", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), fc.string(), (text, theme) => {
        const { density, sort, hidden } = readPreferences(text, theme);
        expect(["comfortable", "compact"]).toContain(density);
        expect(sort.by).toBe("visit_started_at");
        expect(hidden).toEqual([]);
      }),
    );
  });
});
