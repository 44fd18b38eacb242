import { expect, test } from "vitest";
import { happenings, type Asked, type Moment } from "../src/panels/moments";

const moment = (seq: number, at: number): Moment => ({ chat: "c", seq, at, type: "started", by: { kind: "system" } });
const asked = (at: number, why: string, answer: string): Asked => ({
  at,
  kind: "request",
  operator: { id: "o", name: "Ada" },
  why,
  answer,
});

test("the timeline has what happened and who was asked in one order, newest first", () => {
  const shown = happenings({
    timeline: [moment(2, 30), moment(1, 10)],
    chats: [{ chat: "c", status: "chatting", asked: [asked(10, "primary_skill", "declined"), asked(20, "", "")] }],
  });
  expect(shown.map((one) => ["asked" in one, one.at])).toEqual([
    [false, 30],
    [true, 20],
    [true, 10],
    [false, 10],
  ]);
});

test("who took the visitor from the list is said once, by the transcript's line", () => {
  const chats = [{ chat: "c", status: "chatting" as const, asked: [asked(5, "picked", "accepted")] }];
  expect(happenings({ timeline: [moment(1, 6)], chats }).map(({ at }) => at)).toEqual([6]);
  const declined = [{ chat: "c", status: "requested" as const, asked: [asked(5, "picked", "declined")] }];
  expect(happenings({ chats: declined })).toHaveLength(1);
});

test("a visitor without a chat has none", () => expect(happenings({})).toEqual([]));
