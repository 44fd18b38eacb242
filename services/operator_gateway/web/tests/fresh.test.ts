import { expect, test } from "vitest";
import { freshness } from "../src/app/fresh";

const SLOWED = { everyMs: 1_000, putOff: ["pages" as const] };

test("the gateway's own word says that updates are slowed, however recent the last one is", () => {
  expect(freshness("live", 0, SLOWED)).toBe("slowed");
  expect(freshness("live", 12_000, SLOWED)).toBe("slowed");
  expect(freshness("live", 12_000, null)).toBe("live");
  expect(freshness("live", null, null)).toBe("live");
});
test("a gateway that has not been heard for longer than its proofs take is told apart from a slow one", () => {
  expect(freshness("live", 15_001, null)).toBe("quiet");
  expect(freshness("live", 15_001, SLOWED)).toBe("quiet");
});
test("without a connection nothing else counts", () => {
  for (const link of ["connecting", "reconnecting", "blocked"] as const)
    expect(freshness(link, 20_000, SLOWED)).toBe(link);
});
