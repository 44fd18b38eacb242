// @vitest-environment jsdom
import { Provider as TooltipProvider } from "@radix-ui/react-tooltip";
import { act, cleanup, fireEvent, render, within } from "@testing-library/react";
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { useLive } from "../src/app/live";
import { useSession } from "../src/app/session";
import { en } from "../src/i18n/en";
import { startLanguage } from "../src/i18n";
import { useSelection } from "../src/list/selection";
import { Toolbar } from "../src/toolbar/Toolbar";
import { ACTIONS, type Action, type Reason } from "../src/toolbar/actions";
import { STATUSES, type OperatorRef, type Role, type Site, type Status } from "../src/wire";
import { makeRow } from "./rows";

const ME: OperatorRef = { id: "o_me", name: "Me" };
const OTHER: OperatorRef = { id: "o_other", name: "Other" };

/** The name on a button that can be used, or the reason of one that cannot. */
type Cell = string | { not: Reason };
const not = (reason: Reason): Cell => ({ not: reason });
/** Navigation is always there, History not on a first visit: the seven others, in the order of the toolbar. */
type Line = readonly [invite: Cell, chat: Cell, forward: Cell, conference: Cell, kick: Cell, redirect: Cell, end: Cell];
type Part = "owner" | "guest" | "other" | "supervisor";

const outside = not("not_in_chat");
const noChat: Line = ["Invite", not("not_asked"), outside, outside, outside, not("not_waiting"), outside];
const queued: Line = [not("waiting"), "Chat", outside, outside, outside, "Redirect", outside];
const busy = not("engaged");
const unasked = not("not_waiting");
const theirs = not("other_operator");
const owned = not("not_owner");

/** SPEC, section 3, as buttons: which command is offered in which status to whom, and what is said instead. */
const TABLE: Record<Status, Partial<Record<Part, Line>>> = {
  navigating: { other: noChat, supervisor: noChat },
  chat_denied: { other: noChat, supervisor: noChat },
  kicked: { other: noChat, supervisor: noChat },
  chat_end: { other: noChat, supervisor: noChat },
  redirected: { other: noChat, supervisor: noChat },
  invited: {
    owner: ["Withdraw", not("not_asked"), outside, outside, outside, unasked, outside],
    other: [not("already_invited"), not("not_asked"), outside, outside, outside, unasked, outside],
    supervisor: ["Withdraw", not("not_asked"), outside, outside, outside, unasked, outside],
  },
  accepted: {
    owner: [busy, "Chat", outside, outside, outside, unasked, outside],
    other: [busy, theirs, outside, outside, outside, unasked, outside],
    supervisor: [busy, theirs, outside, outside, outside, unasked, outside],
  },
  requested: { other: queued, supervisor: queued },
  chatting: {
    owner: [busy, "Chat", "Forward", "Conference", "Kick", unasked, "End"],
    other: [busy, theirs, owned, owned, owned, unasked, theirs],
    supervisor: [busy, "Join", owned, owned, "Kick", unasked, theirs],
  },
  conference: {
    owner: [busy, "Chat", not("in_conference"), "Conference", "Kick", unasked, "End"],
    guest: [busy, "Chat", not("in_conference"), owned, owned, unasked, "Leave"],
    other: [busy, theirs, not("in_conference"), owned, owned, unasked, theirs],
    supervisor: [busy, "Join", not("in_conference"), owned, "Kick", unasked, theirs],
  },
  forwarded: {
    owner: [busy, "Chat", "Withdraw", not("being_forwarded"), "Kick", unasked, "End"],
    other: [busy, theirs, owned, not("being_forwarded"), owned, unasked, theirs],
    supervisor: [busy, not("being_forwarded"), owned, not("being_forwarded"), "Kick", unasked, theirs],
  },
};
const OPERATORS: Record<Part, OperatorRef[]> = {
  owner: [ME],
  guest: [OTHER, ME],
  other: [OTHER],
  supervisor: [OTHER],
};
const ALONE: ReadonlySet<Status> = new Set([
  "navigating",
  "chat_denied",
  "kicked",
  "chat_end",
  "redirected",
  "requested",
]);

const SITE: Site = { site: "s_1", name: "Shop", skills: [{ skill: "sales", name: "Sales" }], max_chats: 3 };

function show(status: Status, part: Part): void {
  const role: Role = part === "supervisor" ? "supervisor" : "operator";
  const row = makeRow("v", { status, chat: "c", operators: ALONE.has(status) ? [] : OPERATORS[part] });
  useSelection.setState({ visitor: "v", row, index: 0, gone: false });
  render(
    <TooltipProvider delayDuration={0}>
      <Toolbar site={{ ...SITE, role, primary_skill: "sales", secondary_skills: [] }} />
    </TooltipProvider>,
  );
}

function button(action: Action): HTMLElement {
  const found = document.querySelector<HTMLElement>(`.tool-${action}`);
  if (!found) throw new Error(action);
  return found;
}

/** What the tooltip says that a keyboard brings up. */
function hintOf(element: HTMLElement): string {
  act(() => element.focus());
  const text = document.querySelector('[role="tooltip"]')?.textContent ?? "";
  act(() => element.blur());
  return text;
}

beforeAll(() => {
  vi.stubGlobal(
    "ResizeObserver",
    class {
      observe() {}
      unobserve() {}
      disconnect() {}
    },
  );
  return startLanguage();
});
beforeEach(() => {
  useSession.setState({ phase: "signed_in", me: { operator: ME, csrf: "" }, notice: null });
  useLive.setState({ operator: ME, state: "online", chats: 0, link: "live" });
});
afterEach(cleanup);

const cases = STATUSES.flatMap((status) =>
  Object.entries(TABLE[status]).map(([part, line]) => [status, part as Part, line] as const),
);

describe("the toolbar", () => {
  test.each(cases)("for a visitor who is %s, and an operator who is %s", (status, part, line) => {
    show(status, part);
    const wanted: [Action, Cell][] = [
      ["history", not("first_visit")],
      ["navigation", "Navigation"],
      ...line.map((cell, at): [Action, Cell] => [ACTIONS[at + 2] ?? "end", cell]),
    ];
    expect(wanted.map(([action]) => action)).toEqual(ACTIONS);
    for (const [action, cell] of wanted) {
      const one = button(action);
      if (typeof cell === "string") {
        expect([action, one.ariaDisabled ?? one.getAttribute("aria-disabled")]).toEqual([action, "false"]);
        expect(one.getAttribute("aria-label")).toBe(cell);
      } else {
        expect([action, one.getAttribute("aria-disabled")]).toEqual([action, "true"]);
        expect(hintOf(one)).toBe(`${en.action[action]}: ${en.reason[cell.not]}`);
      }
    }
  });

  test("does nothing when a button that is off is pressed", () => {
    show("navigating", "other");
    for (const action of ["chat", "forward", "conference", "kick", "redirect", "end"] as const)
      fireEvent.click(button(action));
    expect(within(document.body).queryByRole("dialog")).toBeNull();
    expect(useSelection.getState().panel).toBeNull();
  });

  test("says what is in the way of an operator who is away, at the limit, or without the skill", () => {
    useLive.setState({ state: "away" });
    show("navigating", "other");
    expect(hintOf(button("invite"))).toBe("Invite: You are away; go online first");
    cleanup();
    useLive.setState({ state: "online", chats: 3 });
    show("requested", "other");
    expect(hintOf(button("chat"))).toBe("Chat: You have as many chats as you may have");
    cleanup();
    useLive.setState({ chats: 0 });
    useSelection.setState({ row: makeRow("v", { skill: "billing" }) });
    render(
      <TooltipProvider delayDuration={0}>
        <Toolbar site={{ ...SITE, primary_skill: "sales", secondary_skills: [] }} />
      </TooltipProvider>,
    );
    expect(hintOf(button("invite"))).toBe("Invite: You do not have the skill this visitor needs");
  });
});
