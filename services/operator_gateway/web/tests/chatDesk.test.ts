import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { stageOf, unansweredSince, unreadOf } from "../src/chat/chat";
import { ChatDesk } from "../src/chat/desk";
import type { ChatEvent } from "../src/chat/wire";
import type { Ack } from "../src/wire";
import { makeRow } from "./rows";

const ME = { kind: "operator" as const, id: "o_me", name: "Me" };
const VISITOR = { kind: "visitor" as const, id: "v1", name: "Visitor 1" };
type Reply = Ack<Record<string, unknown>>;
type Answer = (ack: Reply) => void;

/** A gateway that keeps one chat, does each message once, and can lose requests, answers and pushes. */
class Gateway {
  readonly lines: ChatEvent[] = [];
  readonly sent: [event: string, payload: Record<string, unknown>][] = [];
  private readonly done = new Map<string, number>();
  readonly later: (() => void)[] = [];
  reads: { by: ChatEvent["by"]; seq: number }[] = [];
  lose: "nothing" | "request" | "answer" = "nothing";
  pushes = true;
  refuse: string | null = null;
  now = 1_000_000;
  private serial = 0;

  readonly desk: ChatDesk = new ChatDesk({
    request: <T>(event: string, payload: object, answer: (ack: Ack<T>) => void) =>
      this.request(event, payload as Record<string, unknown>, answer),
    send: (event, payload) => void this.sent.push([event, payload as Record<string, unknown>]),
    now: () => this.now,
    later: (run) => void this.later.push(run),
    random: () => 0.5,
    newId: () => `id-${++this.serial}`,
  });

  constructor() {
    this.desk.onReady(ME.id);
    this.desk.onConnected();
  }

  runLater(): void {
    for (const run of this.later.splice(0)) run();
  }

  say(by: ChatEvent["by"], line: Partial<ChatEvent> & Pick<ChatEvent, "type">): ChatEvent {
    const event = { chat: "c1", seq: this.lines.length + 1, at: this.now, by, ...line };
    this.lines.push(event);
    if (this.pushes) this.desk.onEvent(event);
    return event;
  }

  private request(event: string, payload: Record<string, unknown>, answer: Answer): void {
    this.sent.push([event, payload]);
    const timeout = () => answer({ ok: false, error: { code: "timeout", message: "" } });
    if (this.lose === "request") {
      timeout();
      return;
    }
    const ack = this.answer(event, payload);
    if (this.lose === "answer") timeout();
    else answer(ack);
  }

  private answer(event: string, payload: Record<string, unknown>): Reply {
    if (this.refuse) return { ok: false, error: { code: this.refuse, message: "" } };
    if (event === "chat:open") {
      const after = typeof payload.after === "number" ? payload.after : 0;
      const before = typeof payload.before === "number" ? payload.before : Infinity;
      const wanted = this.lines.filter(({ seq }) => seq > after && seq < before);
      const events = after > 0 ? wanted.slice(0, 5) : wanted.slice(-5);
      return { ok: true, events, more: events.length < wanted.length, reads: this.reads };
    }
    const id = String(payload.id);
    const seq = this.done.get(id) ?? this.say(ME, { type: "message", id, text: String(payload.text) }).seq;
    this.done.set(id, seq);
    return { ok: true, seq };
  }

  get chat() {
    const [chat] = this.desk.current().chats;
    if (!chat) throw new Error("no chat on the desk");
    return chat;
  }
}

let gateway: Gateway;
beforeEach(() => {
  gateway = new Gateway();
  gateway.say(VISITOR, { type: "requested", text: "Hello?" });
  gateway.say(ME, { type: "started" });
  gateway.desk.follow("s1", [makeRow("v1", { chat: "c1", status: "chatting", operators: [ME] })]);
});
const texts = (): (string | undefined)[] =>
  gateway.chat.log.lines.filter(({ type }) => type === "message").map(({ text }) => text);

describe("the desk", () => {
  test("finds its chats by the list and reads their lines", () => {
    expect(gateway.chat.log.lines.map(({ type }) => type)).toEqual(["requested", "started"]);
    expect(stageOf(gateway.chat, ME.id)).toBe("talking");
  });

  test("shows a message once, and takes it out of the outbox when the log has it", () => {
    gateway.desk.say("c1", "Hi");
    expect([texts(), gateway.chat.outbox]).toEqual([["Hi"], []]);
  });

  test.each(["request", "answer"] as const)("sends a message whose %s was lost again, under the same id", (what) => {
    gateway.lose = what;
    gateway.desk.say("c1", "Hi");
    gateway.lose = "nothing";
    gateway.runLater();
    expect([texts(), gateway.chat.outbox]).toEqual([["Hi"], []]);
    const ids = gateway.sent.filter(([event]) => event === "chat:send").map(([, { id }]) => id);
    expect(new Set(ids).size).toBe(1);
  });

  test("keeps a refused message with its reason, and sends the next", () => {
    gateway.refuse = "too_long";
    gateway.desk.say("c1", "long");
    gateway.refuse = null;
    gateway.desk.say("c1", "short");
    expect(texts()).toEqual(["short"]);
    expect(gateway.chat.outbox).toMatchObject([{ text: "long", state: "failed", code: "too_long" }]);
    gateway.desk.retry("c1", gateway.chat.outbox[0]?.id ?? "");
    expect(texts()).toEqual(["short", "long"]);
  });

  test("asks for lines that were not pushed when the next one comes", () => {
    gateway.pushes = false;
    gateway.say(VISITOR, { type: "message", text: "one" });
    gateway.pushes = true;
    gateway.say(VISITOR, { type: "message", text: "two" });
    expect(texts()).toEqual(["one", "two"]);
  });

  test("after a reconnect has everything that was said meanwhile, in several pieces", () => {
    gateway.desk.onDisconnected();
    gateway.pushes = false;
    for (let n = 0; n < 17; n++) gateway.say(VISITOR, { type: "message", text: `m${n}` });
    gateway.pushes = true;
    gateway.desk.onConnected();
    expect(texts()).toHaveLength(17);
  });

  test("counts as unread what the visitor wrote and the operator has not seen", () => {
    gateway.say(VISITOR, { type: "message", text: "a" });
    gateway.say(VISITOR, { type: "message", text: "b" });
    expect(unreadOf(gateway.chat)).toBe(2);
    gateway.desk.seen("c1");
    expect(unreadOf(gateway.chat)).toBe(0);
    expect(gateway.sent.filter(([event]) => event === "chat:read")).toEqual([["chat:read", { chat: "c1", seq: 4 }]]);
  });

  test("knows from the server what was read before the page was loaded", () => {
    const again = new Gateway();
    again.reads = [
      { by: VISITOR, seq: 2 },
      { by: ME, seq: 3 },
      { by: { ...ME, id: "o2" }, seq: 9 },
    ];
    again.say(VISITOR, { type: "requested" });
    again.say(ME, { type: "started" });
    again.say(VISITOR, { type: "message", text: "a" });
    again.say(VISITOR, { type: "message", text: "b" });
    again.desk.follow("s1", [makeRow("v1", { chat: "c1", status: "chatting", operators: [ME] })]);
    expect([again.chat.readByVisitor, again.chat.readByMe, unreadOf(again.chat)]).toEqual([2, 3, 1]);
  });

  test("knows since when the visitor waits for an answer", () => {
    gateway.now = 2_000_000;
    gateway.say(VISITOR, { type: "message", text: "a" });
    gateway.now = 3_000_000;
    gateway.say(VISITOR, { type: "message", text: "b" });
    expect(unansweredSince(gateway.chat)).toBe(2_000_000);
    gateway.desk.say("c1", "answer");
    expect(unansweredSince(gateway.chat)).toBeNull();
  });

  test("lets go of a typing mark when nobody renews it", () => {
    gateway.desk.onTyping({ chat: "c1", by: VISITOR, on: true, preview: "I" });
    expect(gateway.chat.typing).toMatchObject([{ preview: "I" }]);
    gateway.now += 10_000;
    gateway.runLater();
    expect(gateway.chat.typing).toEqual([]);
  });

  test("says typing seldom, and that it is over", () => {
    for (const draft of ["H", "He", "Hel"]) gateway.desk.draft("c1", draft);
    gateway.desk.draft("c1", "");
    expect(gateway.sent.filter(([event]) => event === "chat:typing").map(([, { on }]) => on)).toEqual([true, false]);
  });

  test("an ended chat stays to be read until it is closed", () => {
    gateway.say(ME, { type: "ended" });
    gateway.desk.follow("s1", []);
    expect(stageOf(gateway.chat, ME.id)).toBe("over");
    gateway.desk.close("c1");
    expect(gateway.desk.current().chats).toEqual([]);
  });

  test("an offer is shown once, and who was faster is kept", () => {
    const offer = { offer: "x", kind: "request" as const, site: "s1", visitor: "v2", chat: "c2", expires_at: 5 };
    gateway.desk.onOffer(offer);
    gateway.desk.onOffer(offer);
    expect(gateway.desk.current().offers).toEqual([offer]);
    const by = { kind: "operator" as const, id: "o_2", name: "Other" };
    gateway.desk.onOfferGone({ offer: "x", reason: "taken", by });
    expect(gateway.desk.current()).toMatchObject({ offers: [], gone: [{ reason: "taken", by }] });
  });

  test("what this operator declined, in whatever window, is no news", () => {
    const offer = { offer: "x", kind: "request" as const, site: "s1", visitor: "v2", chat: "c2", expires_at: 5 };
    gateway.desk.onOffer(offer);
    gateway.desk.onOfferGone({ offer: "x", reason: "declined" });
    expect(gateway.desk.current()).toMatchObject({ offers: [], gone: [] });
  });

  test("whatever is lost and however often the line breaks, every message is there once and in order", () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant("say" as const), lose: fc.constantFrom("nothing", "request", "answer") }),
      fc.record({ do: fc.constant("visitor" as const), pushed: fc.boolean() }),
      fc.record({ do: fc.constantFrom("break" as const, "return" as const, "wait" as const) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        gateway = new Gateway();
        gateway.say(ME, { type: "started" });
        gateway.desk.follow("s1", [makeRow("v1", { chat: "c1", status: "chatting", operators: [ME] })]);
        const said: string[] = [];
        for (const one of steps) {
          if (one.do === "say") {
            gateway.lose = one.lose;
            if (gateway.desk.say("c1", `mine ${said.length}`)) said.push(`mine ${said.length}`);
          } else if (one.do === "visitor") {
            gateway.pushes = one.pushed;
            gateway.say(VISITOR, { type: "message", text: "theirs" });
          } else if (one.do === "break") gateway.desk.onDisconnected();
          else if (one.do === "return") gateway.desk.onConnected();
          else gateway.runLater();
        }
        gateway.lose = "nothing";
        gateway.pushes = true;
        gateway.desk.onDisconnected();
        gateway.desk.onConnected();
        for (let n = 0; n < 5; n++) gateway.runLater();
        expect(gateway.chat.log.lines).toEqual(gateway.lines);
        expect(gateway.chat.outbox).toEqual([]);
        expect(texts().filter((text) => text?.startsWith("mine"))).toEqual(said);
      }),
      { numRuns: 300 },
    );
  });
});
