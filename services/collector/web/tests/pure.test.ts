import { beforeEach, describe, expect, it, vi } from "vitest";
import { HIDDEN_BEAT_MS, HTTP_BEAT_MS, LIVE_BEAT_MS, backoff, beatInterval } from "../src/cadence";
import type { Unnumbered } from "../src/wire";
import { address, base64url, clip, routeOf } from "../src/wire";

const event = (title: string): Unnumbered => ({
  type: "beat",
  page: "p",
  at: 0,
  url: "http://a/",
  title,
  engaged_ms: 0,
  idle_ms: 0,
});

describe("cadence", () => {
  it("beats on the live channel only for a page that is seen and used", () => {
    expect(beatInterval(true, true, true)).toBe(LIVE_BEAT_MS);
    expect(beatInterval(true, true, false)).toBe(0);
    expect(beatInterval(true, false, true)).toBe(0);
  });
  it("beats over HTTP before the server forgets the tab", () => {
    expect(beatInterval(false, true, false)).toBe(HTTP_BEAT_MS);
    expect(beatInterval(false, false, false)).toBe(HIDDEN_BEAT_MS);
    expect(HTTP_BEAT_MS * 2).toBeLessThan(45_000);
    expect(HIDDEN_BEAT_MS).toBeLessThan(60_000);
  });
  it("backs off twofold, bounded, never below half", () => {
    const random = vi.spyOn(Math, "random").mockReturnValue(1);
    expect([0, 1, 5, 6, 999].map((failures) => backoff(failures, 1000))).toEqual([1000, 2000, 32000, 32000, 32000]);
    random.mockReturnValue(0);
    expect(backoff(3, 1000)).toBe(4000);
    random.mockRestore();
  });
});

describe("wire", () => {
  it("clips and drops what the collector refuses, half a pair at the end among it", () => {
    expect(clip("x".repeat(300))).toBe("x".repeat(256));
    expect(clip("x" + "😀".repeat(300))).toBe("x" + "😀".repeat(127));
    expect(clip("a\0b\ud83dc\udc00")).toBe("abc");
  });
  it("names addresses without fragment, and only http ones", () => {
    expect(address("https://a.b/c?d=1#token=secret")).toBe("https://a.b/c?d=1");
    expect(address("android-app://com.mail/")).toBeUndefined();
    expect(address("")).toBeUndefined();
    expect(address("http://a/" + "x".repeat(9000))).toHaveLength(2048);
  });
  it("takes a fragment for a route only if it looks like one", () => {
    expect(routeOf("http://a/b#/c")).toBe("http://a/b#/c");
    expect(routeOf("http://a/b#!c")).toBe("http://a/b#!c");
    expect(routeOf("http://a/b#c/d")).toBe("http://a/b");
  });
  it("encodes every text as base64url", () => {
    const text = "Grüße 你好 😀 ???>>>";
    const encoded = base64url(text);
    expect(encoded).toMatch(/^[\w-]+=*$/);
    const bytes = atob(encoded.replace(/-/g, "+").replace(/_/g, "/"));
    expect(new TextDecoder().decode(Uint8Array.from(bytes, (char) => char.charCodeAt(0)))).toBe(text);
  });
});

describe("queue", () => {
  let queue: typeof import("../src/queue");
  beforeEach(async () => {
    vi.resetModules();
    queue = await import("../src/queue");
    queue.fill(0, []);
  });

  it("numbers events and keeps them until they are answered", () => {
    queue.add(event("a"));
    queue.add(event("b"));
    expect(queue.take(5000).map(({ n }) => n)).toEqual([1, 2]);
    queue.land(false);
    expect(queue.take(5000).map(({ n }) => n)).toEqual([1, 2]);
    queue.add(event("c"));
    queue.land(true);
    expect(queue.take(5000).map(({ n }) => n)).toEqual([3]);
  });
  it("continues the numbers of the page before", () => {
    queue.fill(7, [{ ...event("left"), n: 7 }]);
    queue.add(event("next"));
    expect(queue.take(5000).map(({ n }) => n)).toEqual([7, 8]);
  });
  it("cuts a batch to the limit, but sends a big event all the same", () => {
    for (let i = 0; i < 9; i++) queue.add(event("x".repeat(500)));
    expect(JSON.stringify(queue.take(2500)).length).toBeLessThanOrEqual(2500);
    expect(queue.flying).toBe(4);
    queue.land(false);
    expect(queue.take(10)).toHaveLength(1);
  });
  it("gives up the oldest event that is not in flight when it is full", () => {
    queue.add(event("in flight"));
    queue.take(5000);
    for (let i = 0; i < 60; i++) queue.add(event(String(i)));
    expect(queue.waiting).toHaveLength(50);
    expect(queue.waiting.map(({ n }) => n).slice(0, 2)).toEqual([1, 13]);
    queue.land(true);
    expect(queue.waiting).toHaveLength(49);
  });
});

describe("engaged time", () => {
  let use: typeof import("../src/engagement");
  beforeEach(async () => {
    vi.resetModules();
    use = await import("../src/engagement");
    use.show(true, 1_000_000);
    use.restart(1_000_000);
  });

  it("counts for a minute after the last input", () => {
    expect(use.total(1_030_000)).toBe(30_000);
    expect(use.total(1_200_000)).toBe(60_000);
    expect(use.idle(1_200_000)).toBe(200_000);
    use.show(true, 1_200_000);
    expect(use.total(1_210_000)).toBe(70_000);
  });
  it("does not count while hidden", () => {
    use.show(false, 1_010_000);
    expect(use.total(1_050_000)).toBe(10_000);
    use.show(true, 1_050_000);
    expect(use.total(1_051_000)).toBe(11_000);
  });
  it("begins again with each view, and keeps the last input", () => {
    use.restart(1_040_000);
    expect(use.total(1_045_000)).toBe(5_000);
    expect(use.total(1_100_000)).toBe(20_000);
  });
});

describe("identity", () => {
  const store = (): Storage => {
    const map = new Map<string, string>();
    return {
      getItem: (key: string) => map.get(key) ?? null,
      setItem: (key: string, value: string) => void map.set(key, value),
      removeItem: (key: string) => void map.delete(key),
    } as unknown as Storage;
  };
  const page = async (consented = true): Promise<typeof import("../src/identity") & { n: () => number }> => {
    vi.resetModules();
    vi.doMock("../src/main", () => ({ consented }));
    const identity = await import("../src/identity");
    const queue = await import("../src/queue");
    identity.sender.site = "s_1";
    return { ...identity, n: () => queue.lastN };
  };
  beforeEach(() => {
    vi.stubGlobal("navigator", {});
    vi.stubGlobal("localStorage", store());
    vi.stubGlobal("sessionStorage", store());
  });

  it("gives the tab's record to one page only", async () => {
    const first = await page();
    first.claim();
    first.release();
    const second = await page();
    second.claim();
    expect(second.sender.tab).toBe(first.sender.tab);
    const copy = await page();
    copy.claim();
    expect(copy.sender.tab).not.toBe(first.sender.tab);
  });
  it("does not take a record that lay there for long", async () => {
    const first = await page();
    first.claim();
    first.release();
    const record = JSON.parse(sessionStorage.getItem("foyer.s_1") ?? "") as { at: number };
    sessionStorage.setItem("foyer.s_1", JSON.stringify({ ...record, at: record.at - 15_000 }));
    const second = await page();
    second.claim();
    expect(second.sender.tab).not.toBe(first.sender.tab);
  });
  it("keeps the visitor, and gives back a token that was refused", async () => {
    const first = await page();
    first.claim();
    first.adopt({ token: "t" });
    const second = await page();
    second.claim();
    expect(second.sender).toMatchObject({ visitor: first.sender.visitor, token: "t" });
    second.adopt({ visitor: second.sender.visitor });
    const third = await page();
    third.claim();
    expect(third.sender.visitor).toBe(first.sender.visitor);
    expect(third.sender.token).toBeUndefined();
  });
  it("names no visitor where that is not wished, and keeps nothing between two pages", async () => {
    vi.stubGlobal("navigator", { globalPrivacyControl: true });
    const first = await page();
    first.claim();
    first.adopt({ visitor: "v", token: "t" });
    first.release();
    expect([first.sender.visitor, first.sender.token]).toEqual([undefined, "t"]);
    expect([localStorage, sessionStorage].map((store) => store.getItem("foyer.s_1"))).toEqual([null, null]);
    const second = await page();
    second.claim();
    expect(second.sender.token).toBeUndefined();
    expect(second.sender.tab).not.toBe(first.sender.tab);
  });
  it("hands a nameless chat to the tab's next page while it goes on", async () => {
    vi.stubGlobal("navigator", { doNotTrack: "1" });
    const first = await page();
    first.claim();
    first.adopt({ visitor: "v", token: "t" });
    first.sender.chat = "c";
    first.release();
    expect(localStorage.getItem("foyer.s_1")).toBeNull();
    const second = await page();
    second.claim();
    expect([second.sender.visitor, second.sender.token, second.sender.tab]).toEqual([undefined, "t", first.sender.tab]);
    expect(sessionStorage.getItem("foyer.s_1")).toBeNull();
    second.release();
    const third = await page();
    third.claim();
    expect(third.sender.tab).not.toBe(first.sender.tab);
  });
  it("stores nothing before consent, and goes on with a nameless chat after it", async () => {
    const first = await page(false);
    first.claim(true);
    first.adopt({ visitor: "v", token: "t" });
    first.sender.chat = "c";
    first.release();
    expect([localStorage, sessionStorage].map((store) => store.getItem("foyer.s_1"))).toEqual([null, null]);
    const agreed = await page();
    agreed.claim(true);
    agreed.adopt({ visitor: "v", token: "t" });
    agreed.sender.chat = "c";
    agreed.release();
    const next = await page();
    next.claim();
    expect([next.sender.visitor, next.sender.token, next.sender.tab]).toEqual([undefined, "t", agreed.sender.tab]);
    const named = await page();
    named.claim();
    expect(named.sender.visitor).toBeDefined();
  });
  it("knows that another page took the name out, and that none was ever kept", async () => {
    const first = await page();
    first.claim();
    expect(first.withdrawn()).toBeFalsy();
    (await page()).forget(true);
    expect(first.withdrawn()).toBe(true);
    vi.stubGlobal("localStorage", { getItem: () => { throw new Error("blocked"); } });
    const blocked = await page();
    blocked.claim();
    expect(blocked.withdrawn()).toBeFalsy();
  });
  it("remembers nothing but the wish after opting out", async () => {
    const first = await page();
    first.claim();
    first.forget(true);
    expect(localStorage.getItem("foyer.s_1")).toBe('{"off":true}');
  });
});
