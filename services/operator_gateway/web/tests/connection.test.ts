/** The connection and the view against a real Socket.IO server with the msgpack parser, over a real WebSocket. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { WebSocket } from "ws";
import { FakeGateway } from "../dev/gateway";
import { Connection } from "../src/net/connection";
import { ViewClient } from "../src/view/client";
import { checksumOf } from "../src/view/window";
import type { Ack, ViewCheck, ViewDelta } from "../src/wire";

const TOKEN = "development-only";
let gateway: FakeGateway;
let url: string;
const opened: Connection[] = [];

beforeEach(async () => {
  gateway = new FakeGateway({ staticDir: "", visitors: 60, share: 0.2, tickMs: 3_600_000, checkMs: 3_600_000 });
  url = await gateway.listen(0);
});

afterEach(async () => {
  for (const connection of opened.splice(0)) connection.stop();
  await gateway.close();
});

interface Seen {
  connection: Connection;
  names: string[];
  /** What happened to the connection, in order. */
  story: string[];
  view: ViewClient;
}

function connect(token = TOKEN): Seen {
  const names: string[] = [];
  const story: string[] = [];
  const connection: Connection = new Connection(
    () => Promise.resolve(token),
    {
      connected: () => {
        story.push("connected");
        view.onConnected();
      },
      disconnected: (final) => {
        story.push(final ? "final" : "disconnected");
        view.onDisconnected();
      },
      turnedAway: (code) => story.push(`turned away: ${code}`),
      unreachable: () => story.push("unreachable"),
      event: (name, payload) => {
        names.push(name);
        if (name === "view:delta") view.onDelta(payload as ViewDelta);
        if (name === "view:check") view.onCheck(payload as ViewCheck);
      },
    },
    url,
  );
  const view = new ViewClient(
    {
      request: (event, payload, answer) => connection.request(event, payload, answer),
      send: (event, payload) => connection.send(event, payload),
      now: () => performance.now(),
      later: (run, ms) => void setTimeout(run, ms),
      random: Math.random,
    },
    "list",
  );
  opened.push(connection);
  connection.start();
  return { connection, names, story, view };
}

const eventually = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 8_000, interval: 10 });

/** The sockets under the server's connections, to be closed as a network or a gateway would. */
function sockets(): WebSocket[] {
  return [...gateway.io.of("/").sockets.values()].map(
    ({ conn }) => (conn.transport as unknown as { socket: WebSocket }).socket,
  );
}

async function equalToGateway(seen: Seen): Promise<void> {
  const before = seen.view.current().heardAt ?? 0;
  gateway.check();
  await eventually(() => {
    expect(seen.view.current().heardAt ?? 0).toBeGreaterThan(before);
    const { window } = seen.view.current();
    expect(window?.total).toBe(60);
    const server = [...(gateway.simulations[0]?.rows.values() ?? [])].sort((a, b) => a.number - b.number).slice(0, 50);
    expect(checksumOf(window?.rows ?? [])).toBe(checksumOf(server));
  });
}

const BY_NUMBER = {
  site: "s_9f8e7d6c",
  sort: { by: "visit_started_at" as const, dir: "asc" as const },
  filter: {},
  offset: 0,
  limit: 50,
};

test("a view stays equal through deltas and a cut connection", async () => {
  // All began at the same time, so the order is the order of the numbers.
  for (const row of gateway.simulations[0]?.rows.values() ?? [])
    gateway.simulations[0]?.change(row, { visit_started_at: 1 });
  const seen = connect();
  seen.view.show(BY_NUMBER);
  await eventually(() => expect(seen.view.current().window?.rows).toHaveLength(50));
  expect(seen.names[0]).toBe("ready");
  for (let i = 0; i < 20; i++) gateway.tick();
  await eventually(() => expect(seen.names.filter((name) => name === "view:delta").length).toBeGreaterThan(10));
  for (const row of gateway.simulations[0]?.rows.values() ?? [])
    gateway.simulations[0]?.change(row, { visit_started_at: 1 });
  sockets().forEach((socket) => socket.terminate());
  await eventually(() => expect(seen.story).toContain("disconnected"));
  await eventually(() => expect(seen.story.filter((one) => one === "connected")).toHaveLength(2));
  await eventually(() => expect(seen.view.current().window?.rows).toHaveLength(50));
  await equalToGateway(seen);
});

test("a wrong token is turned away with its code, and not tried again", async () => {
  const seen = connect("wrong");
  await eventually(() => expect(seen.story).toEqual(["turned away: unauthorized"]));
});

test("a close code from 4500 on ends it, one below does not", async () => {
  const seen = connect();
  await eventually(() => expect(seen.story).toEqual(["connected"]));
  await eventually(() => expect(seen.names).toContain("ready"));
  sockets().forEach((socket) => socket.close(4002));
  await eventually(() => expect(seen.story).toEqual(["connected", "disconnected", "connected"]));
  await eventually(() => expect(gateway.io.of("/").sockets.size).toBe(1));
  sockets().forEach((socket) => socket.close(4501));
  await eventually(() => expect(seen.story.slice(3)).toEqual(["final"]));
});

test("a request without a connection is answered at once", () => {
  const seen = connect();
  const answers: Ack<object>[] = [];
  seen.connection.request<object>("visitor:get", {}, (ack) => answers.push(ack));
  expect(answers).toEqual([{ ok: false, error: { code: "disconnected", message: "" } }]);
});

test("an event that the gateway does not know is answered with its code", async () => {
  const seen = connect();
  await eventually(() => expect(seen.story).toEqual(["connected"]));
  expect(await seen.connection.ask("nobody:knows", {})).toEqual({
    ok: false,
    error: { code: "unknown_event", message: "" },
  });
});

test("a gateway that is not there is unreachable until it comes", async () => {
  const { port } = new URL(url);
  await gateway.close();
  const seen = connect();
  await eventually(() => expect(seen.story).toContain("unreachable"));
  gateway = new FakeGateway({ staticDir: "", visitors: 1, share: 0, tickMs: 3_600_000, checkMs: 3_600_000 });
  await gateway.listen(Number(port));
  await eventually(() => expect(seen.story.at(-1)).toBe("connected"));
});
