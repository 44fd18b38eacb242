import { expect, test } from "vitest";
import { chatSpan, duration, spanText, waitSpan } from "../src/format/times";
import { ServerClock } from "../src/view/serverClock";
import { makeRow } from "./rows";

test.each([
  [-5_000, "0:00"],
  [7_999, "0:07"],
  [725_000, "12:05"],
  [3_753_000, "1:02:33"],
  [3 * 86_400_000 + 4 * 3_600_000 + 12 * 60_000, "3 d 04:12"],
])("%d ms reads %s", (ms, text) => expect(duration(ms)).toBe(text));

test("chat time runs until the chat's own end, not an earlier one", () => {
  expect(chatSpan(makeRow("v"))).toBeNull();
  expect(chatSpan(makeRow("v", { engaged_at: 5_000, ended_at: 2_000 }))).toEqual({ from: 5_000, until: null });
  expect(chatSpan(makeRow("v", { engaged_at: 5_000, ended_at: 9_000 }))).toEqual({ from: 5_000, until: 9_000 });
});

test("wait time runs from the request until somebody engages", () => {
  expect(waitSpan(makeRow("v", { status: "requested", requested_at: 1_000 }))).toEqual({ from: 1_000, until: null });
  expect(waitSpan(makeRow("v", { status: "chatting", requested_at: 1_000, engaged_at: 4_000 }))?.until).toBe(4_000);
});

test("a second request waits anew", () => {
  const row = makeRow("v", { status: "requested", requested_at: 9_000, engaged_at: 4_000, ended_at: 6_000 });
  expect(waitSpan(row)).toEqual({ from: 9_000, until: null });
  expect(spanText({ from: 9_000, until: null }, 12_000)).toBe("0:03");
});

test("a wait that nobody ended does not run on", () => {
  expect(waitSpan(makeRow("v", { status: "navigating", requested_at: 1_000 }))).toBeNull();
});

test("the server's clock does not step with the browser's, and the shortest round trip is believed", () => {
  let local = 0;
  const clock = new ServerClock(() => local, 50);
  expect(clock.now()).toBe(50);
  local = 100;
  clock.sample(10_000, 80);
  expect(clock.now()).toBe(10_010);
  local = 300;
  clock.sample(99_999, 100);
  expect(clock.now()).toBe(10_210);
  clock.distrust();
  clock.sample(20_000, 290);
  expect(clock.now()).toBe(20_005);
});
