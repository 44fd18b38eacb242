/** When a console tries again: later each time, and never all consoles at the same moment. */
import { createServer } from "node:net";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Connection } from "../src/net/connection";

const opened: Connection[] = [];
let url: string;
let delays: number[];

beforeEach(async () => {
  // A port on which nobody listens any more.
  const server = createServer();
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  url = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
  await new Promise((closed) => server.close(closed));
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  delays = [];
  const planned = globalThis.setTimeout;
  vi.spyOn(globalThis, "setTimeout").mockImplementation((run: () => void, ms?: number) => {
    if (ms !== undefined && ms >= 250 && ms <= 10_000) delays.push(ms);
    return planned(run, ms);
  });
});

afterEach(() => {
  for (const connection of opened.splice(0)) connection.stop();
  vi.restoreAllMocks();
  vi.useRealTimers();
});

interface Seen {
  connection: Connection;
  tries: number;
}

function connect(): Seen {
  const seen: Seen = { tries: 0, connection: null as never };
  const nothing = () => undefined;
  seen.connection = new Connection(
    () => Promise.resolve("token"),
    {
      connected: nothing,
      disconnected: nothing,
      turnedAway: nothing,
      unreachable: () => (seen.tries += 1),
      event: nothing,
    },
    url,
  );
  opened.push(seen.connection);
  seen.connection.start();
  return seen;
}

/** The network takes its own time; only the waiting between the tries is ours. */
async function until(done: () => boolean): Promise<void> {
  while (!done()) await new Promise((resolve) => setImmediate(resolve));
}

test("the wait doubles from half a second to ten, each time with half of it left to chance", async () => {
  const seen = connect();
  for (let tries = 1; tries <= 7; tries++) {
    await until(() => seen.tries === tries && delays.length === tries);
    const middle = 500 * 2 ** (tries - 1);
    expect(delays[tries - 1]).toBeGreaterThanOrEqual(Math.min(10_000, middle * 0.5));
    expect(delays[tries - 1]).toBeLessThanOrEqual(Math.min(10_000, middle * 1.5));
    vi.advanceTimersByTime(delays[tries - 1] ?? 0);
  }
});

test("consoles that lose their gateway at the same moment come back at different ones", async () => {
  const all = Array.from({ length: 20 }, connect);
  await until(() => all.every(({ tries }) => tries === 1) && delays.length === 20);
  expect(new Set(delays).size).toBeGreaterThan(10);
  const spread = Math.max(...delays) - Math.min(...delays);
  expect(spread).toBeGreaterThan(100);
});

test("a console that is turned away waits by chance alone, up to a ceiling that doubles", () => {
  const seen = connect();
  const waits: number[] = [];
  vi.spyOn(globalThis, "setTimeout").mockImplementation(((_run: () => void, ms?: number) => {
    waits.push(ms ?? 0);
    return 0;
  }) as unknown as typeof setTimeout);
  vi.spyOn(Math, "random").mockReturnValue(0.5);
  for (let times = 0; times < 6; times++) seen.connection.retry();
  expect(waits).toEqual([500, 1_000, 2_000, 4_000, 5_000, 5_000]);
});
