/**
 * A stand-in for the gateway: the built console under the strict CSP, the session, and a real Socket.IO server with the
 * msgpack parser in front of the simulation. For development and for the connection's tests; it guards nothing.
 */
import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server as HttpServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, normalize } from "node:path";
import { Server, type Socket } from "socket.io";
import * as parser from "socket.io-msgpack-parser";
import type { Row, Site, ViewOpen } from "../src/wire";
import { CANNED, INBOX, SimulatedChats, type ChatRequest } from "./chats";
import { COLLEAGUES, ME, Simulation } from "./simulation";
import { SimulatedView } from "./view";

const TYPES: Record<string, string> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
  ".woff2": "font/woff2",
};
export const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
const BOTS = {
  days: [
    {
      day: "2026-01-31",
      bots: [
        { name: "Googlebot", requests: 1204 },
        { name: "GPTBot", requests: 310 },
        { name: "bingbot", requests: 96 },
        { name: "other", requests: 12 },
      ],
    },
  ],
};
const COOKIE = "foyer_session";
const TOKEN = "development-only";

export interface FakeOptions {
  staticDir: string;
  visitors: number;
  /** Share of the visitors that do something in each tick. */
  share: number;
  tickMs: number;
  checkMs: number;
}

export class FakeGateway {
  readonly simulations: Simulation[];
  readonly chats: SimulatedChats;
  readonly http: HttpServer;
  readonly io: Server;
  failures = 0;
  private readonly views = new Map<Socket, Map<string, SimulatedView>>();
  private readonly timers: NodeJS.Timeout[] = [];

  constructor(private readonly options: FakeOptions) {
    this.simulations = [new Simulation("s_9f8e7d6c", options.visitors), new Simulation("s_00000001", 0)];
    this.chats = new SimulatedChats(this.simulations[0] as Simulation, (event, payload) =>
      this.io.emit(event, payload),
    );
    this.http = createServer((request, response) => void this.serve(request, response));
    this.io = new Server(this.http, {
      path: "/socket.io-msgpack/",
      parser,
      transports: ["websocket"],
      serveClient: false,
    });
    this.io.use((socket, next) => {
      const { token } = socket.handshake.auth as { token?: unknown };
      next(token === TOKEN ? undefined : Object.assign(new Error("refused"), { data: { code: "unauthorized" } }));
    });
    this.io.on("connection", (socket) => this.welcome(socket));
  }

  async listen(port: number): Promise<string> {
    await new Promise<void>((resolve) => this.http.listen(port, "127.0.0.1", resolve));
    this.timers.push(setInterval(() => this.tick(), this.options.tickMs));
    this.timers.push(setInterval(() => this.check(), this.options.checkMs));
    return `http://127.0.0.1:${(this.http.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.timers.forEach(clearInterval);
    this.chats.stop();
    await this.io.close();
  }

  tick(): void {
    for (const simulation of this.simulations) simulation.step(this.options.share);
    for (const [socket, views] of this.views) {
      for (const view of views.values()) {
        const delta = view.delta(this.rowsOf(view.wish.site));
        if (delta) socket.emit("view:delta", delta);
      }
    }
  }

  check(): void {
    for (const [socket, views] of this.views)
      for (const view of views.values()) socket.emit("view:check", view.check());
  }

  private simulation(site: string): Simulation | undefined {
    return this.simulations.find((one) => one.site === site);
  }

  private rowsOf(site: string): Iterable<Simulation["rows"] extends Map<string, infer R> ? R : never> {
    return this.simulation(site)?.rows.values() ?? [];
  }

  private welcome(socket: Socket): void {
    const views = new Map<string, SimulatedView>();
    this.views.set(socket, views);
    socket.on("disconnect", () => this.views.delete(socket));
    socket.emit("ready", { operator: { ...ME, state: "online" }, sites: SITES, server_time: Date.now() });
    for (const { id, name } of COLLEAGUES) {
      socket.emit("operator:changed", {
        operator: id,
        name,
        state: id === "o_tom" ? "away" : "online",
        chats: 2,
        sites: SITES.map(({ site }) => site),
      });
    }
    for (const offer of this.chats.pending()) socket.emit("offer", offer);
    socket.emit("inbox:changed", { site: "s_9f8e7d6c", unread: 2 });
    socket.onAny(
      (
        event: string,
        payload: ViewOpen & { visitor: string; state: string; before?: string },
        ack?: (answer: object) => void,
      ) => {
        ack?.(this.answer(views, event, payload));
      },
    );
  }

  private answer(
    views: Map<string, SimulatedView>,
    event: string,
    payload: ViewOpen & { visitor: string; state: string; before?: string },
  ): object {
    const refuse = (code: string) => ({ ok: false, error: { code, message: "" } });
    const row = this.simulation(payload.site)?.rows.get(payload.visitor);
    const chats = this.chats.answer(event, payload as ChatRequest);
    if (chats) return chats;
    switch (event) {
      case "view:open":
      case "view:move": {
        const view = views.get(payload.view) ?? new SimulatedView(payload);
        view.wish = payload;
        views.set(payload.view, view);
        return { ok: true, ...view.state(this.rowsOf(payload.site), payload.have) };
      }
      case "view:sync": {
        const view = views.get(payload.view);
        return view ? { ok: true, ...view.state(this.rowsOf(view.wish.site), payload.have) } : refuse("not_found");
      }
      case "view:close":
        views.delete(payload.view);
        return { ok: true };
      case "view:ack":
      case "operator:set":
        return { ok: true };
      case "visitor:get":
        return row ? { ok: true, row, timeline: timelineOf(row) } : refuse("not_found");
      case "visitor:navigation":
        return row
          ? { ok: true, pages: this.simulation(payload.site)?.navigation.get(payload.visitor) ?? [] }
          : refuse("not_found");
      case "visitor:history":
        return row
          ? { ok: true, ...this.simulation(payload.site)?.visits(row, Number(payload.before ?? 0)) }
          : refuse("not_found");
      default:
        return refuse("unknown_event");
    }
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = new URL(request.url ?? "/", "http://host").pathname;
    response.setHeader("Content-Security-Policy", CSP);
    if (path === "/api/v1/session") await this.session(request, response);
    else if (path === "/api/v1/me") me(request, response);
    else if (path.endsWith("/canned")) json(response, 200, CANNED);
    else if (/\/inbox(\?|$)/.test(path)) json(response, 200, INBOX);
    else if (/\/chats(\?|$)/.test(path)) json(response, 200, { items: [] });
    else if (path.includes("/inbox/")) json(response, 200, {});
    else if (path.endsWith("/bots")) json(response, 200, BOTS);
    else await this.file(path, response);
  }

  private async session(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method === "DELETE") {
      response.setHeader("Set-Cookie", `${COOKIE}=; Max-Age=0; Path=/`);
      json(response, 204, {});
      return;
    }
    let body = "";
    for await (const chunk of request) body += String(chunk);
    const { password } = JSON.parse(body) as { password?: string };
    if (password !== "wrong") {
      response.setHeader("Set-Cookie", `${COOKIE}=1; HttpOnly; SameSite=Strict; Path=/`);
      json(response, 200, { token: TOKEN, expires_at: Date.now() + 3_600_000, operator: ME, csrf: "csrf" });
      return;
    }
    this.failures += 1;
    if (this.failures >= 3) response.setHeader("Retry-After", "90");
    json(response, this.failures >= 3 ? 429 : 401, { code: this.failures >= 3 ? "locked" : "wrong_login" });
  }

  private async file(path: string, response: ServerResponse): Promise<void> {
    const name = normalize(path === "/" ? "/index.html" : path);
    try {
      const content = await readFile(join(this.options.staticDir, name));
      response.writeHead(200, { "Content-Type": TYPES[extname(name)] ?? "application/octet-stream" }).end(content);
    } catch {
      response.writeHead(404).end();
    }
  }
}

const SITES: Site[] = [
  {
    site: "s_9f8e7d6c",
    name: "Northwind Outdoor",
    skills: [
      { skill: "sales", name: "Sales" },
      { skill: "billing", name: "Billing" },
      { skill: "german", name: "German" },
    ],
    role: "supervisor",
    primary_skill: "sales",
    secondary_skills: ["german"],
    max_chats: 3,
  },
  { site: "s_00000001", name: "Bakery Lüneburg", skills: [{ skill: "general", name: "General" }] },
];

const ME_ANSWER = {
  operator: { ...ME, email: "dana@northwind.example" },
  csrf: "csrf",
  token: TOKEN,
  collector_url: "https://collect.northwind.example",
  geoip: { attribution: "IP Geolocation by DB-IP", date: "2026-11" },
};

function me(request: IncomingMessage, response: ServerResponse): void {
  const signedIn = request.headers.cookie?.includes(`${COOKIE}=1`) ?? false;
  json(response, signedIn ? 200 : 401, signedIn ? ME_ANSWER : { code: "unauthenticated" });
}

function json(response: ServerResponse, status: number, body: object): void {
  const type = status >= 400 ? "application/problem+json" : "application/json";
  response
    .writeHead(status, { "Content-Type": type, "Cache-Control": "no-store" })
    .end(status === 204 ? undefined : JSON.stringify(body));
}

function timelineOf(row: Row): object[] {
  const at = row.engaged_at ?? row.visit_started_at;
  return [
    { at, status: row.status, by: { kind: "operator", ...ME }, why: "primary_skill", skill: row.skill },
    {
      at: at - 24_000,
      status: "requested",
      by: { kind: "visitor", name: row.nickname },
      skill: row.skill,
      why: "default",
    },
    { at: row.visit_started_at, status: "navigating", by: { kind: "system" } },
  ];
}
