import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { adopt, EMPTY_LOG, firstSeq, hasOlder, lastSeq, missing, receive, type ChatLog } from "../src/chat/log";
import type { ChatEvent } from "../src/chat/wire";

function line(seq: number): ChatEvent {
  return { chat: "c", seq, at: seq, type: "message", by: { kind: "visitor", id: "v" }, id: `m${seq}`, text: `${seq}` };
}
const all = (to: number, from = 1): ChatEvent[] => Array.from({ length: to - from + 1 }, (_, i) => line(from + i));
const seqs = (log: ChatLog): number[] => log.lines.map(({ seq }) => seq);

describe("the log of a chat", () => {
  test("holds back what comes before its predecessors", () => {
    let log = adopt(EMPTY_LOG, all(3));
    log = receive(log, line(5));
    expect([seqs(log), missing(log)]).toEqual([[1, 2, 3], true]);
    log = receive(log, line(4));
    expect([seqs(log), missing(log)]).toEqual([[1, 2, 3, 4, 5], false]);
  });

  test("is the same value when a line comes twice", () => {
    const log = adopt(EMPTY_LOG, all(3));
    expect(receive(log, line(2))).toBe(log);
  });

  test("keeps what was pushed before the first answer", () => {
    const early = receive(receive(EMPTY_LOG, line(8)), line(7));
    expect(early.lines).toEqual([]);
    expect(seqs(adopt(early, all(6, 5)))).toEqual([5, 6, 7, 8]);
  });

  test("takes older lines in front and knows when there are none", () => {
    const log = adopt(EMPTY_LOG, all(20, 11));
    expect(hasOlder(log)).toBe(true);
    const whole = adopt(log, all(10));
    expect([firstSeq(whole), lastSeq(whole), hasOlder(whole)]).toEqual([1, 20, false]);
  });

  test("begins anew when an answer leaves a hole, and loads the rest on demand", () => {
    const log = adopt(adopt(EMPTY_LOG, all(3)), all(30, 20));
    expect([firstSeq(log), lastSeq(log)]).toEqual([20, 30]);
  });

  test("whatever the order, the repeats and the losses, one answer makes it the gateway's", () => {
    const moves = fc.record({
      length: fc.integer({ min: 1, max: 60 }),
      pushed: fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 120 }),
      opens: fc.array(fc.nat(120), { maxLength: 6 }),
      page: fc.integer({ min: 1, max: 20 }),
    });
    fc.assert(
      fc.property(moves, ({ length, pushed, opens, page }) => {
        const server = all(length);
        let said = 1; // the chat goes on while the console listens
        let log = EMPTY_LOG;
        const open = () => {
          const after = log.opened ? lastSeq(log) : null;
          const rest = server.filter(({ seq }) => seq > (after ?? 0) && seq <= said);
          log = adopt(log, after === null ? rest.slice(-page) : rest.slice(0, page));
        };
        pushed.forEach((seq, at) => {
          said = Math.max(said, Math.ceil((length * at) / pushed.length));
          if (opens.includes(at)) open();
          const pushedLine = server[(seq - 1) % length];
          if (pushedLine) log = receive(log, pushedLine);
          const run = seqs(log);
          expect(run).toEqual(run.map((_, i) => (run[0] ?? 0) + i));
        });
        said = length;
        do open();
        while (lastSeq(log) < length);
        while (hasOlder(log)) log = adopt(log, server.filter(({ seq }) => seq < firstSeq(log)).slice(-page));
        expect(log.lines).toEqual(server);
        expect(log.ahead).toEqual([]);
      }),
      { numRuns: 400 },
    );
  });
});
