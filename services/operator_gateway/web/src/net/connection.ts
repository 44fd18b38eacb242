/**
 * The Socket.IO connection: when it comes back by itself, and when it must not.
 *
 * A lost transport is tried again with jittered back-off for ever. When the gateway itself turns us away (a connect
 * error with a code, or a disconnect by the server), only the session can tell whether to come back: `onTurnedAway`
 * asks, and `retry` or `stop` follows.
 */
import { io, type Socket } from "socket.io-client";
import * as msgpackParser from "socket.io-msgpack-parser";
import type { Ack } from "../wire";

export const PATH = "/socket.io-msgpack/";
// The gateway acks within 2 s; twice that, and a second for the way, means it will not come.
const ACK_TIMEOUT_MS = 5_000;
const FIRST_DELAY_MS = 500;
const LAST_DELAY_MS = 10_000;

export interface ConnectionEvents {
  connected(): void;
  /** `final`: the gateway said with its close code (4500-4999) that this client shall not come back. */
  disconnected(final: boolean): void;
  turnedAway(code: string): void;
  /** An attempt found nobody; the next one is planned. */
  unreachable(): void;
  event(name: string, payload: unknown): void;
}

export class Connection {
  private readonly socket: Socket;
  private attempts = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    token: () => Promise<string>,
    private readonly events: ConnectionEvents,
    url?: string,
  ) {
    const options = {
      path: PATH,
      parser: msgpackParser as unknown,
      transports: ["websocket"],
      autoConnect: false,
      auth: (give: (auth: object) => void) => void token().then((value) => give({ token: value })),
      reconnectionDelay: FIRST_DELAY_MS,
      reconnectionDelayMax: LAST_DELAY_MS,
      randomizationFactor: 0.5,
      forceNew: true,
    };
    this.socket = url === undefined ? io(options) : io(url, options);
    this.listen();
  }

  start(): void {
    this.socket.connect();
  }

  /** Ends it for good. */
  stop(): void {
    clearTimeout(this.timer);
    this.socket.removeAllListeners();
    this.socket.disconnect();
  }

  /** Connects again after the gateway turned us away although the session is fine. Full jitter: many come at once. */
  retry(): void {
    this.attempts += 1;
    const ceiling = Math.min(LAST_DELAY_MS, FIRST_DELAY_MS * 2 ** this.attempts);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.socket.connect(), ceiling * Math.random());
  }

  /** The network or the operator came back: do not wait for the planned attempt. */
  hurry(): void {
    if (this.socket.connected || !this.socket.active) return;
    this.socket.disconnect().connect();
  }

  get connected(): boolean {
    return this.socket.connected;
  }

  send(event: string, payload: object): void {
    if (this.socket.connected) this.socket.emit(event, payload);
  }

  /** The answer comes exactly once, also without a connection. A callback, so that it is handled before what follows. */
  request<T>(event: string, payload: object, answer: (ack: Ack<T>) => void): void {
    if (!this.socket.connected) {
      answer(failure("disconnected"));
      return;
    }
    this.socket.timeout(ACK_TIMEOUT_MS).emit(event, payload, (lost: Error | null, ack: unknown) => {
      if (lost) answer(failure(this.socket.connected ? "timeout" : "disconnected"));
      else answer(isAck<T>(ack) ? ack : failure("bad_answer"));
    });
  }

  ask<T>(event: string, payload: object): Promise<Ack<T>> {
    return new Promise((resolve) => this.request<T>(event, payload, resolve));
  }

  private listen(): void {
    const { socket, events } = this;
    socket.on("connect", () => {
      this.attempts = 0;
      events.connected();
    });
    socket.on("connect_error", (error: Error & { data?: unknown }) => {
      if (socket.active) events.unreachable();
      else events.turnedAway(codeOf(error.data));
    });
    socket.on("disconnect", (reason, details) => {
      if (reason === "io client disconnect") return;
      const final = isFinal(details);
      events.disconnected(final);
      if (final) socket.disconnect();
      else if (reason === "io server disconnect") events.turnedAway("disconnected");
    });
    socket.onAny((name: string, payload: unknown) => events.event(name, payload));
  }
}

function failure(code: string): { ok: false; error: { code: string; message: string } } {
  return { ok: false, error: { code, message: "" } };
}

function isAck<T>(value: unknown): value is Ack<T> {
  if (typeof value !== "object" || value === null || !("ok" in value)) return false;
  return value.ok === true || (value.ok === false && "error" in value && typeof value.error === "object");
}

function codeOf(data: unknown): string {
  const code = typeof data === "object" && data !== null && "code" in data ? data.code : undefined;
  return typeof code === "string" ? code : "refused";
}

function isFinal(details: unknown): boolean {
  const context = typeof details === "object" && details !== null && "context" in details ? details.context : undefined;
  const code = typeof context === "object" && context !== null && "code" in context ? context.code : undefined;
  return typeof code === "number" && code >= 4500 && code <= 4999;
}
