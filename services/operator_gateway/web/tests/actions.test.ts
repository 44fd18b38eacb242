import { describe, expect, test } from "vitest";
import { ACTIONS, actionsFor, type Action, type Actor } from "../src/toolbar/actions";
import { STATUSES, type Row } from "../src/wire";
import { makeRow } from "./rows";

const ME: Actor = { operator: "o_me", state: "online", role: "operator", skills: ["sales"], chats: 0, chatLimit: 3 };
const mine = [{ id: "o_me", name: "Me" }];
const other = [{ id: "o_other", name: "Other" }];

function enabled(row: Row, me: Actor = ME): Action[] {
  const verdicts = actionsFor(row, false, me);
  return ACTIONS.filter((action) => verdicts[action].enabled);
}
function verdict(action: Action, row: Partial<Row>, me: Partial<Actor> = {}): unknown {
  return actionsFor(makeRow("v", row), false, { ...ME, ...me })[action];
}

describe("the toolbar", () => {
  test("offers nothing without a selection", () => {
    const verdicts = actionsFor(null, false, ME);
    expect(ACTIONS.every((action) => !verdicts[action].enabled)).toBe(true);
  });

  test("keeps only the history of a visitor who has left", () => {
    const verdicts = actionsFor(makeRow("v"), true, ME);
    expect(ACTIONS.filter((action) => verdicts[action].enabled)).toEqual(["history"]);
  });

  test.each([
    ["navigating", ["navigation", "invite"]],
    ["invited", ["navigation"]],
    ["accepted", ["navigation"]],
    ["chat_denied", ["navigation", "invite"]],
    ["requested", ["navigation", "chat", "redirect"]],
    ["chatting", ["navigation"]],
    ["conference", ["navigation"]],
    ["forwarded", ["navigation"]],
    ["kicked", ["navigation", "invite"]],
    ["chat_end", ["navigation", "invite"]],
    ["redirected", ["navigation", "invite"]],
  ] as const)("with %s and another operator: %j", (status, expected) => {
    expect(enabled(makeRow("v", { status, operators: other }))).toEqual(expected);
  });

  test.each([
    ["invited", ["navigation", "invite"]],
    ["accepted", ["navigation", "chat"]],
    ["chatting", ["navigation", "chat", "forward", "conference", "kick", "end"]],
    ["conference", ["navigation", "chat", "conference", "kick", "end"]],
    ["forwarded", ["navigation", "chat", "forward", "kick", "end"]],
  ] as const)("with %s and this operator: %j", (status, expected) => {
    expect(enabled(makeRow("v", { status, operators: mine }))).toEqual(expected);
  });

  test("a supervisor joins and kicks in other operators' chats", () => {
    const row = makeRow("v", { status: "chatting", operators: other });
    expect(enabled(row, { ...ME, role: "supervisor" })).toEqual(["navigation", "chat", "kick"]);
    expect(verdict("chat", row, { role: "admin" })).toEqual({ enabled: true, command: "chat:join" });
  });

  test("says why an operator cannot take a visitor on", () => {
    expect(verdict("invite", {}, { state: "away" })).toMatchObject({ reason: "not_online" });
    expect(verdict("invite", { skill: "billing" })).toMatchObject({ reason: "missing_skill" });
    expect(verdict("invite", {}, { chats: 3 })).toMatchObject({ reason: "at_capacity" });
    expect(verdict("chat", { status: "requested" }, { chats: 3 })).toMatchObject({ reason: "at_capacity" });
  });

  test("what the gateway has not told does not forbid", () => {
    expect(verdict("invite", { skill: "x" }, { skills: null, chatLimit: null })).toMatchObject({ enabled: true });
  });

  test("the guest of a conference leaves, its owner ends it", () => {
    const conference = { status: "conference" as const, operators: [...other, ...mine] };
    expect(verdict("end", conference)).toEqual({ enabled: true, command: "chat:leave" });
    expect(verdict("end", { ...conference, operators: [...mine, ...other] })).toMatchObject({ command: "chat:end" });
  });

  test("an own offer can be withdrawn", () => {
    expect(verdict("invite", { status: "invited", operators: mine })).toMatchObject({ command: "chat:withdraw" });
    expect(verdict("forward", { status: "forwarded", operators: mine })).toMatchObject({
      command: "chat:withdraw_forward",
    });
  });

  test("every status gives every action a verdict", () => {
    for (const status of STATUSES) {
      expect(Object.keys(actionsFor(makeRow("v", { status }), false, ME)).sort()).toEqual([...ACTIONS].sort());
    }
  });

  test("the earlier visits of a first visit do not exist", () => {
    expect(verdict("history", { returning: false })).toMatchObject({ reason: "first_visit" });
    expect(verdict("history", { returning: true })).toMatchObject({ enabled: true });
  });
});
