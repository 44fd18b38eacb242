import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ViewClient, type ViewLink, type ViewQuery } from "../src/view/client";
import { checksumOf } from "../src/view/window";
import type { Ack, Row, ViewDelta, ViewOpen, ViewState } from "../src/wire";
import { makeRow } from "./rows";

const QUERY: ViewQuery = { site: "s_1", sort: { by: "nickname", dir: "asc" }, filter: {}, offset: 0, limit: 10 };

interface Asked {
  event: string;
  payload: ViewOpen;
  answer: (ack: Ack<ViewState>) => void;
}

/** A plain model of the gateway: a list, one view on it, and wires that may lose what is on them. */
class Model implements ViewLink {
  list: Row[] = [];
  asked: Asked[] = [];
  sent: { event: string; payload: unknown }[] = [];
  timers: (() => void)[] = [];
  seq = 0;
  epoch = 1;
  view: ViewOpen | null = null;
  shown: Row[] = [];
  readonly client = new ViewClient(this, "list");

  request = (event: string, payload: object, answer: Asked["answer"]): void => {
    this.asked.push({ event, payload: payload as ViewOpen, answer });
  };
  send = (event: string, payload: object): void => void this.sent.push({ event, payload });
  now = (): number => 0;
  later = (run: () => void): void => void this.timers.push(run);
  random = (): number => 0.5;

  private windowRows(): Row[] {
    const { offset, limit } = this.view ?? QUERY;
    return this.list.slice(offset, offset + limit);
  }

  answerNext(): void {
    const next = this.asked.shift();
    if (!next) return;
    const { event, payload, answer } = next;
    if (event === "view:sync" && this.view?.view !== payload.view) {
      answer({ ok: false, error: { code: "not_found", message: "no such view" } });
      return;
    }
    if (event !== "view:sync") this.view = payload;
    if (event === "view:open") this.epoch += 1;
    this.seq += 1;
    this.shown = this.windowRows();
    const have = new Map(payload.have ?? []);
    answer({
      ok: true,
      epoch: String(this.epoch),
      seq: this.seq,
      total: this.list.length,
      counts: {},
      rows: this.shown.filter((row) => have.get(row.visitor) !== row.version),
      order: this.shown.map((row) => row.visitor),
    });
  }

  /** Sends what has changed in the window since the last message, unless the wire loses it. */
  flush(lost: boolean): void {
    if (!this.view) return;
    const after = this.windowRows();
    const before = new Map(this.shown.map((row) => [row.visitor, row]));
    const kept = new Set(after.map((row) => row.visitor));
    const order = this.shown.map((row) => row.visitor).filter((id) => kept.has(id));
    const delta: ViewDelta = { view: this.view.view, epoch: String(this.epoch), prev: this.seq, seq: this.seq + 1 };
    delta.remove = this.shown.map((row) => row.visitor).filter((id) => !kept.has(id));
    delta.insert = [];
    delta.update = [];
    delta.move = [];
    for (const [index, row] of after.entries()) {
      const old = before.get(row.visitor);
      if (!old) {
        const pos = Math.min(index, order.length);
        delta.insert.push([pos, row]);
        order.splice(pos, 0, row.visitor);
      } else if (old.version !== row.version) delta.update.push([row.visitor, row.version, { pages: row.pages }]);
    }
    for (const [index, row] of after.entries()) {
      if (order[index] === row.visitor) continue;
      order.splice(order.indexOf(row.visitor), 1);
      order.splice(index, 0, row.visitor);
      delta.move.push([row.visitor, index]);
    }
    this.seq += 1;
    this.shown = after;
    if (!lost) this.client.onDelta({ ...delta, total: this.list.length });
  }

  check(): void {
    if (this.view) this.client.onCheck({ view: this.view.view, seq: this.seq, checksum: checksumOf(this.shown) });
  }

  reconnect(): void {
    this.client.onDisconnected();
    this.view = null;
    const lost = this.asked.splice(0);
    this.client.onConnected();
    // A socket answers what was under way only after it has said that it is gone.
    for (const { answer } of lost) answer({ ok: false, error: { code: "disconnected", message: "" } });
  }

  settle(): void {
    for (let round = 0; round < 20; round++) {
      while (this.asked.length > 0) this.answerNext();
      for (const run of this.timers.splice(0)) run();
      // No check here: the sequence alone must tell that something is missing.
      this.flush(false);
    }
  }
}

type Step =
  | { do: "add" | "drop" | "touch" | "swap"; at: number }
  | { do: "flush"; lost: boolean }
  | { do: "answer" | "check" | "reconnect" | "reset" }
  | { do: "scroll"; offset: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constantFrom("add", "drop", "touch", "swap" as const), at: fc.nat(40) }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant("flush" as const), lost: fc.boolean() }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom("answer", "check" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom("reconnect", "reset" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("scroll" as const), offset: fc.nat(15) }) },
);

function run(model: Model, action: Step, serial: number): void {
  const { list } = model;
  const at = "at" in action ? action.at % Math.max(1, list.length) : 0;
  switch (action.do) {
    case "add":
      list.splice(action.at % (list.length + 1), 0, makeRow(`v${serial}`));
      return;
    case "drop":
      if (serial % 2) list.splice(at, 1); // more come than go
      return;
    case "touch": {
      const row = list[at];
      if (row) list[at] = { ...row, version: row.version + 1, pages: row.pages + 1 };
      return;
    }
    case "swap": {
      const [row] = list.splice(at, 1);
      if (row) list.splice((action.at * 7) % (list.length + 1), 0, row);
      return;
    }
    case "flush":
      model.flush(action.lost);
      return;
    case "answer":
      model.answerNext();
      return;
    case "check":
      model.check();
      return;
    case "reconnect":
      model.reconnect();
      return;
    case "reset":
      if (model.view) model.client.onReset({ view: model.view.view, reason: "test" });
      return;
    case "scroll":
      model.client.show({ ...QUERY, offset: action.offset });
  }
}

describe("a live view", () => {
  test("ends equal to the gateway, whatever was lost, late, cut or moved", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const model = new Model();
        model.client.show(QUERY);
        model.client.onConnected();
        steps.forEach((action, serial) => run(model, action, serial));
        model.settle();
        const { window, shown, phase } = model.client.current();
        expect(phase).toBe("live");
        const offset = shown?.offset ?? -1;
        expect(window?.rows).toEqual(model.list.slice(offset, offset + QUERY.limit));
        expect(window?.total).toBe(model.list.length);
      }),
      { numRuns: 300 },
    );
  });

  function liveModel(count: number): Model {
    const model = new Model();
    model.list = Array.from({ length: count }, (_, i) => makeRow(`v${i}`));
    model.client.show(QUERY);
    model.client.onConnected();
    model.answerNext();
    return model;
  }

  test("every applied delta is acknowledged with its sequence", () => {
    const model = liveModel(3);
    model.list.pop();
    model.flush(false);
    expect(model.sent).toEqual([{ event: "view:ack", payload: { view: "list", seq: model.seq } }]);
    expect(model.client.current().change.left.map(({ row, index }) => [row.visitor, index])).toEqual([["v2", 2]]);
  });

  test("what the gateway says of its pace is told until it says otherwise, by differences and by proofs", () => {
    const model = liveModel(2);
    const { seq } = model;
    const said = { view: "list", epoch: "2", prev: seq, seq: seq + 1, slowed: 1_000, put_off: ["pages" as const] };
    model.client.onDelta(said);
    expect(model.client.current().slowed).toEqual({ everyMs: 1_000, putOff: ["pages"] });
    const { rows } = model.client.current().window ?? { rows: [] };
    model.client.onCheck({ view: "list", seq: seq + 1, checksum: checksumOf(rows), slowed: 500 });
    expect(model.client.current().slowed).toEqual({ everyMs: 500, putOff: [] });
    model.client.onCheck({ view: "list", seq: seq + 1, checksum: checksumOf(rows) });
    expect(model.client.current().slowed).toBeNull();
  });

  test("a gateway that still reads the site takes nothing off the screen; it is asked again until it has", () => {
    const model = liveModel(3);
    model.reconnect();
    for (let tries = 0; tries < 2; tries++) {
      const state = { epoch: "9", seq: 1, total: 0, counts: {}, rows: [], order: [], loading: true };
      model.asked.shift()?.answer({ ok: true, ...state });
      expect(model.client.current().window?.rows).toHaveLength(3);
      model.client.onDelta({ view: "list", epoch: "9", prev: 1, seq: 2, total: 3 });
      expect(model.asked).toHaveLength(0);
      model.timers.shift()?.();
      expect(model.asked[0]).toMatchObject({ event: "view:sync" });
    }
    model.view = { view: "list", ...QUERY };
    model.list.push(makeRow("new"));
    model.answerNext();
    expect(model.client.current()).toMatchObject({ phase: "live", error: null });
    expect(model.client.current().window?.rows).toHaveLength(4);
  });

  test("the first answer is shown while the site is read", () => {
    const model = new Model();
    model.client.show(QUERY);
    model.client.onConnected();
    const state = { epoch: "1", seq: 1, total: 1, counts: {}, rows: [makeRow("a")], loading: true };
    model.asked.shift()?.answer({ ok: true, ...state });
    expect(model.client.current().window).toMatchObject({ loading: true, total: 1 });
  });

  test("a lost delta is mended by one view:sync that names what is held", () => {
    const model = liveModel(2);
    model.list.push(makeRow("late"));
    model.flush(true);
    model.list.push(makeRow("later"));
    model.flush(false);
    expect(model.asked.map(({ event }) => event)).toEqual(["view:sync"]);
    expect(model.asked[0]?.payload.have).toEqual([
      ["v0", 1],
      ["v1", 1],
    ]);
  });

  test("a wrong checksum at the right sequence asks for the difference", () => {
    const model = liveModel(2);
    model.client.onCheck({ view: "list", seq: model.seq, checksum: 1 });
    expect(model.asked.map(({ event }) => event)).toEqual(["view:sync"]);
  });

  test("an answer of an earlier connection changes nothing", () => {
    const model = new Model();
    model.client.show(QUERY);
    model.client.onConnected();
    model.reconnect();
    expect(model.timers).toHaveLength(0);
    expect(model.client.current().error).toBeNull();
    expect(model.asked).toHaveLength(1);
  });

  test("a view that the gateway took away for good is not opened again", () => {
    const model = liveModel(1);
    model.client.onReset({ view: "list", reason: "forbidden" });
    expect(model.client.current()).toMatchObject({ phase: "refused", error: { code: "forbidden" } });
    expect(model.asked).toHaveLength(0);
  });

  test("a view that a busy gateway took away is opened again later", () => {
    const model = liveModel(1);
    model.client.onReset({ view: "list", reason: "overloaded" });
    expect(model.asked).toHaveLength(0);
    model.timers.shift()?.();
    expect(model.asked[0]?.event).toBe("view:open");
  });

  test("after a reconnect the view is opened with the versions it shows", () => {
    const model = liveModel(2);
    model.reconnect();
    expect(model.asked[0]).toMatchObject({
      event: "view:open",
      payload: {
        have: [
          ["v0", 1],
          ["v1", 1],
        ],
      },
    });
    expect(model.client.current().window?.rows).toHaveLength(2);
  });

  test("while a request is under way only the newest wish is kept", () => {
    const model = liveModel(30);
    for (const offset of [1, 2, 3, 4]) model.client.show({ ...QUERY, offset });
    expect(model.asked).toHaveLength(1);
    model.answerNext();
    expect(model.asked.map(({ payload }) => payload.offset)).toEqual([4]);
  });

  test("another site closes the view and shows nothing of the old one", () => {
    const model = liveModel(2);
    model.client.show({ ...QUERY, site: "s_2" });
    expect(model.sent.map(({ event }) => event)).toEqual(["view:close"]);
    expect(model.client.current().window).toBeNull();
    expect(model.asked[0]?.event).toBe("view:open");
  });

  test("a refusal for lack of rights is final until the connection is new", () => {
    const model = new Model();
    model.client.show(QUERY);
    model.client.onConnected();
    model.asked.shift()?.answer({ ok: false, error: { code: "forbidden", message: "no" } });
    expect(model.client.current().phase).toBe("refused");
    expect(model.timers).toHaveLength(0);
    model.client.onConnected();
    expect(model.asked[0]?.event).toBe("view:open");
  });

  test("a sync that fails ends in opening the view again, under the same name", () => {
    const model = liveModel(1);
    model.client.onCheck({ view: "list", seq: model.seq, checksum: 1 });
    model.asked.shift()?.answer({ ok: false, error: { code: "unknown_view", message: "" } });
    model.timers.shift()?.();
    expect(model.asked[0]).toMatchObject({ event: "view:open", payload: { view: "list", have: [["v0", 1]] } });
  });

  test("another failure is tried again later", () => {
    const model = new Model();
    model.client.show(QUERY);
    model.client.onConnected();
    model.asked.shift()?.answer({ ok: false, error: { code: "timeout", message: "no answer" } });
    expect(model.asked).toHaveLength(0);
    model.timers.shift()?.();
    expect(model.asked[0]?.event).toBe("view:open");
  });
});
