import { describe, expect, it } from "vitest";
import { act } from "../src/widget/act";
import { LEGIBLE, contrast, inkOn, legibleOn } from "../src/widget/colour";
import { choose, cut, directionOf, fill, textsFor } from "../src/widget/language";
import { parts } from "../src/widget/links";
import { MAX_WAITING, drop, postpone, put, said, willPass } from "../src/widget/outbox";
import type { State } from "../src/widget/state";
import { MAX_LINES, initial, lastSeq, unread } from "../src/widget/state";
import { addLine, answered, elapse, enter, hear, invitationEnd } from "../src/widget/step";
import { ar } from "../src/widget/texts/ar";
import { de } from "../src/widget/texts/de";
import { en } from "../src/widget/texts/en";
import { es } from "../src/widget/texts/es";
import { fr } from "../src/widget/texts/fr";
import type { Line, Status } from "../src/widget/wire";

const anna = { kind: "operator", id: "o1", name: "Anna" } as const;
const ada = { kind: "visitor", id: "v1", name: "Ada" } as const;
const line = (seq: number, more: Partial<Line> = {}): Line => ({ chat: "c1", seq, at: seq, type: "message", by: anna, text: `t${seq}`, ...more });
const hearing = (state: State, ...seqs: number[]): State => seqs.reduce((now, seq) => addLine(now, line(seq)), state);
let count = 0;
const newId = (): string => `id${++count}`;

describe("transcript", () => {
  it("has one order and no line twice, however they arrive", () => {
    const state = hearing(initial, 3, 1, 1, 2, 3, 5, 4, 2);
    expect(state.lines.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5]);
    expect(state.early).toEqual([]);
  });
  it("is the same for every order of arrival", () => {
    const seqs = [1, 2, 3, 4, 5, 6];
    for (let round = 0; round < 200; round++) {
      const shuffled = [...seqs, ...seqs].sort(() => Math.random() - 0.5);
      expect(hearing(initial, ...shuffled).lines.map(({ seq }) => seq)).toEqual(seqs);
    }
  });
  it("holds back what comes after a gap", () => {
    const state = hearing(initial, 1, 3);
    expect(lastSeq(state)).toBe(1);
    expect(state.early).toHaveLength(1);
  });
  it("begins again with another chat", () => {
    const state = addLine(hearing(initial, 1, 2), line(1, { chat: "c2" }));
    expect([state.chat, lastSeq(state)]).toEqual(["c2", 1]);
  });
  it("keeps a bounded number of lines", () => {
    const many = hearing(initial, ...Array.from({ length: MAX_LINES + 50 }, (_, i) => i + 1));
    expect([many.lines.length, lastSeq(many)]).toEqual([MAX_LINES, MAX_LINES + 50]);
  });
});

describe("messages", () => {
  it("are shown at once, and once when the server has them", () => {
    const { state, send } = act(initial, { do: "say", text: "  Hi  " }, newId);
    expect(send).toEqual([{ type: "chat.send", id: state.unsent[0]?.id, text: "Hi" }]);
    const after = addLine(state, line(1, { by: ada, id: state.unsent[0]?.id ?? "" }));
    expect([after.unsent.length, after.lines.length]).toEqual([0, 1]);
  });
  it("that are refused are marked, and tried again under a new id", () => {
    const { state, send } = act(initial, { do: "say", text: "Hi" }, newId);
    const frame = send[0];
    if (!frame) throw new Error("nothing was sent");
    const refused = answered(state, frame, { type: "error", code: "not_in_chat" });
    expect(refused.unsent[0]?.failed).toBe(true);
    const again = act(refused, { do: "retry", id: frame.id }, newId);
    expect(again.send[0]?.id).not.toBe(frame.id);
    expect(again.state.unsent).toHaveLength(1);
  });
  it("of nothing but blanks are none, and long ones are cut to code points", () => {
    expect(act(initial, { do: "say", text: " \n " }, newId).send).toEqual([]);
    const { send } = act(initial, { do: "say", text: "😀".repeat(5000) }, newId);
    expect(Array.from(send[0]?.["text"] as string)).toHaveLength(4000);
  });
  it("of operators count as unread until they are seen, also in another tab", () => {
    const state = hearing(initial, 1, 2, 3);
    expect(unread(state)).toBe(3);
    expect(unread(hear(state, { type: "chat.read", by: ada, seq: 2 }, 0))).toBe(1);
    expect(unread(hear(state, { type: "chat.read", by: anna, seq: 3 }, 0))).toBe(3);
    const seen = act({ ...state, status: "chatting" }, { do: "see" }, newId);
    expect(seen.send).toMatchObject([{ type: "chat.read", seq: 3 }]);
    expect(act(seen.state, { do: "see" }, newId).send).toEqual([]);
  });
});

describe("status", () => {
  it("decides what is shown", () => {
    const screens = (...statuses: Status[]): string => statuses.reduce(enter, initial).screen;
    expect(screens("requested")).toBe("chat");
    expect(screens("requested", "redirected")).toBe("offline");
    expect(screens("requested", "navigating")).toBe("form");
    expect(screens("chatting", "chat_end")).toBe("over");
    expect(screens("chatting", "chat_end", "navigating")).toBe("over");
    expect(screens("chatting", "kicked", "navigating")).toBe("kicked");
    expect(screens("chatting", "chat_end", "navigating", "requested", "chatting", "requested")).toBe("chat");
  });
  it("keeps what was typed when operators go away meanwhile", () => {
    const typed = act(initial, { do: "type", typed: { name: "Ada", text: "Help" } }, newId).state;
    const asked = act(typed, { do: "request" }, newId);
    expect(asked.send).toMatchObject([{ type: "chat.request", name: "Ada", text: "Help" }]);
    expect(enter(asked.state, "redirected").typed).toMatchObject({ name: "Ada", text: "Help" });
  });
  it("of a chat that ended before this page is no news", () => {
    expect(hear(initial, { type: "ok", status: "chat_end", chat: "c1" }, 0).screen).toBe("form");
    expect(hear({ ...initial, status: "chatting", screen: "chat" }, { type: "ok", status: "chat_end", chat: "c1" }, 0).screen).toBe("over");
  });
  it("tells place and wait, and that the wait cannot be told", () => {
    const state = hear(initial, { type: "status", status: "requested", position: 3 }, 0);
    expect([state.place, state.waitS]).toEqual([3, null]);
    expect(hear(state, { type: "status", status: "requested", position: 2, wait_s: 90 }, 0).waitS).toBe(90);
  });
});

describe("invitation", () => {
  const invite = { type: "invite", invitation: "i1", operator: anna, text: "Hello", expires_at: 61_000 };
  it("asks for a name and then accepts; without a need to ask it accepts at once", () => {
    const state = hear(initial, invite, 1_000);
    const asks = act(state, { do: "accept" }, newId);
    expect([asks.send.length, asks.state.accepting, asks.state.open]).toEqual([0, true, true]);
    expect(act(asks.state, { do: "request" }, newId).send).toMatchObject([{ type: "invite.accept" }]);
    const at_once = act({ ...state, settings: { form: { name: "off" } } }, { do: "accept" }, newId);
    expect(at_once.send).toMatchObject([{ type: "invite.accept" }]);
  });
  it("that ends while the name is typed becomes a request", () => {
    const accepting = act(hear(initial, invite, 1_000), { do: "accept" }, newId).state;
    const gone = hear(accepting, { type: "invite.gone", reason: "ignored" }, 2_000);
    expect(act(gone, { do: "request" }, newId).send).toMatchObject([{ type: "chat.request" }]);
  });
  it("expires by itself, but not under the visitor's hands", () => {
    const state = hear(initial, invite, 1_000);
    expect(elapse(state, 60_000).invitation).not.toBeNull();
    expect(elapse(state, 61_000).invitation).toBeNull();
    expect(elapse(act(state, { do: "accept" }, newId).state, 99_000).invitation).not.toBeNull();
  });
  it("lives a minute where the clocks do not agree", () => {
    expect(invitationEnd(5_000, 9_999_999)).toBe(9_999_999 + 60_000);
    expect(invitationEnd(9_999_999_999, 0)).toBe(60_000);
    expect(invitationEnd(undefined, 0)).toBe(60_000);
  });
});

describe("outbox", () => {
  const frame = { type: "chat.send", id: "a" };
  it("says again what was not answered, later each time", () => {
    let box = said(put([], frame), "a", 1_000);
    expect(box[0]?.dueMs).toBe(7_000);
    box = postpone(box, "a", 7_000);
    const first = (box[0]?.dueMs ?? 0) - 7_000;
    box = postpone(said(box, "a", 20_000), "a", 20_000);
    expect((box[0]?.dueMs ?? 0) - 20_000).toBeGreaterThan(first);
    expect(drop(box, "a")).toEqual([]);
  });
  it("is bounded", () => {
    let box = put([], frame);
    for (let i = 0; i < 500; i++) box = put(box, { type: "chat.send", id: `${i}` });
    expect(box).toHaveLength(MAX_WAITING);
  });
  it("knows refusals that pass from those that do not", () => {
    expect(["unavailable", "lagging", "too_fast"].map((code) => willPass({ code }))).toEqual([true, true, true]);
    expect(["not_in_chat", "banned", "unknown_type"].map((code) => willPass({ code }))).toEqual([false, false, false]);
    expect(willPass({ code: "anything", retry_after_s: 1 })).toBe(true);
  });
});

describe("links", () => {
  it("are only http and https, without the sentence around them", () => {
    expect(parts("See https://a.example/x?y=1, or (http://b.example/).").filter(({ href }) => href)).toEqual([
      { text: "https://a.example/x?y=1", href: "https://a.example/x?y=1" },
      { text: "http://b.example/", href: "http://b.example/" },
    ]);
  });
  it.each(["javascript:alert(1)", "data:text/html,x", "ftp://a/", "http://", "https://user:pw@bank.example/", "<img src=x onerror=alert(1)>"])(
    "%s is text",
    (text) => { expect(parts(text)).toEqual([{ text }]); },
  );
  it("loses nothing of the text", () => {
    const text = "a https://a.example/. b\nhttps://b.example/?q=ü! c";
    expect(parts(text).map((part) => part.text).join("")).toBe(text);
  });
});

describe("languages", () => {
  it("have the same texts in the same order, with the same places", () => {
    const places = (text: string): string[] => cut(text).flatMap((part) => (typeof part === "string" ? [] : [part.place])).sort();
    for (const texts of [de, es, fr, ar]) {
      expect(Object.keys(texts)).toEqual(Object.keys(en));
      expect(Object.values(texts).map(places)).toEqual(Object.values(en).map(places));
    }
  });
  it("are chosen by the site, then by the page, then by the browser", () => {
    expect(choose([undefined, "", "de-CH"])).toBe("de");
    expect(choose(["ar", "de"])).toBe("ar");
    expect(choose(["pt-BR", "__proto__", "fr_CA"])).toBe("fr");
    expect(choose(["constructor", null])).toBe("en");
    expect(directionOf("ar")).toBe("rtl");
  });
  it("let the site have its own words, if they are words", () => {
    const texts = textsFor("de", { title: "Frag uns", welcome: 7, nonsense: "x" });
    expect([texts.title, texts.welcome]).toEqual(["Frag uns", de.welcome]);
    expect(texts).not.toHaveProperty("nonsense");
  });
  it("isolate what is put in from its surroundings", () => {
    expect(fill("{n} unread", { n: 2 })).toBe("\u20682\u2069 unread");
  });
});

describe("colours", () => {
  it("are legible whatever the site chooses", () => {
    for (let value = 0; value < 0xffffff; value += 0x03_1d_47) {
      const colour = "#" + value.toString(16).padStart(6, "0");
      expect(contrast(colour, inkOn(colour))).toBeGreaterThanOrEqual(LEGIBLE);
      for (const surface of ["#ffffff", "#171a21"]) {
        expect(contrast(surface, legibleOn(surface, colour))).toBeGreaterThanOrEqual(LEGIBLE);
      }
    }
  });
});
