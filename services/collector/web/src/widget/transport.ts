/**
 * Brings frames to the collector and its messages to us: over the tracker's live channel, or, while there is none, by
 * `POST /v1/chat` and long polling. Read `pump` first. Whatever happens to a connection, a frame is said until it is
 * answered, and the transcript is asked for until it has no gap.
 */
import type { Waiting } from "./outbox";
import { allDue, drop, isFleeting, postpone, put, said, willPass } from "./outbox";
import type { Frame, Link, Message, Settings } from "./wire";

/** A live channel is on its way this long after the page has opened or a channel was lost. */
const GRACE_MS = 3_000;
const TICK_MS = 1_000;
/** Longer than the server lets a poll wait (25 s). */
const POLL_MS = 35_000;
const POST_MS = 8_000;

export interface Listener {
  hear: (message: Message) => void;
  answered: (frame: Frame, answer: Message) => void;
  reachable: (yes: boolean) => void;
  tick: () => void;
  /** Whether news are wanted, where in the chat we are, and whether a line is missing. */
  wants: () => { polling: boolean; chat: string; after: number; gap: boolean };
}

interface Poll {
  status?: string;
  chat?: string;
  cursor?: string;
  messages?: Message[];
}

export class Transport {
  readonly #link: Link;
  readonly #listener: Listener;
  #box: readonly Waiting[] = [];
  #liveAtMs = Date.now();
  #posting = false;
  #poll: AbortController | null = null;
  #cursor = "";
  #failures = 0;
  #restUntilMs = 0;

  constructor(link: Link, listener: Listener) {
    this.#link = link;
    this.#listener = listener;
  }

  start(): void {
    const waiting = this.#link.splice(0) as Message[];
    this.#link.push = (message) => {
      this.#receive(message as Message);
      return 0;
    };
    waiting.forEach((message) => { this.#receive(message); });
    setInterval(() => { this.pump(); }, TICK_MS);
    addEventListener("online", () => {
      this.#restUntilMs = 0;
      this.#box = allDue(this.#box);
      this.pump();
    });
  }

  get unsaid(): readonly Frame[] {
    return this.#box.map(({ frame }) => frame);
  }

  say(frames: readonly Frame[]): void {
    for (const frame of frames) {
      if (isFleeting(frame)) this.#sayOnce(frame);
      else this.#box = put(this.#box, frame);
    }
    this.pump();
  }

  /** One round: everything that is due goes out, by the way there is. */
  pump(): void {
    this.#listener.tick();
    const live = this.#link.send();
    if (live) {
      this.#liveAtMs = Date.now();
      this.#poll?.abort();
      this.#sayLive();
      this.#listener.reachable(true);
      if (this.#listener.wants().gap) void this.#ask();
    } else if (Date.now() - this.#liveAtMs > GRACE_MS) {
      void this.#post();
      if (this.#listener.wants().polling) void this.#ask();
    }
  }

  async settings(): Promise<Settings> {
    const reply = await fetch(`${this.#link.base}/v1/site?key=${encodeURIComponent(this.#link.sender.site)}`, {
      signal: AbortSignal.timeout(POST_MS),
    });
    return reply.ok ? ((await reply.json()) as Settings) : {};
  }

  #receive(message: Message): void {
    const { id, type } = message;
    const waiting = this.#box.find(({ frame }) => frame.id === id);
    if (waiting && (type === "ok" || type === "error")) {
      this.#settle(waiting.frame, message);
      return;
    }
    if (id === "hello" && type === "ok") {
      this.#box = allDue(this.#box);
      setTimeout(() => { this.pump(); });
    }
    this.#listener.hear(message);
  }

  #settle(frame: Frame, answer: Message): void {
    if (answer.type === "error" && willPass(answer)) {
      this.#box = postpone(this.#box, frame.id, Date.now(), (answer.retry_after_s ?? 0) * 1000);
      return;
    }
    this.#box = drop(this.#box, frame.id);
    this.#listener.answered(frame, answer);
  }

  #sayLive(): void {
    const now = Date.now();
    for (const { frame, dueMs } of this.#box) {
      if (dueMs <= now && this.#link.send(frame)) this.#box = said(this.#box, frame.id, now);
    }
  }

  #sayOnce(frame: Frame): void {
    if (!this.#link.send(frame) && Date.now() - this.#liveAtMs > GRACE_MS) {
      this.#request("POST", "", frame, POST_MS).catch(() => {});
    }
  }

  /** One after the other, so that they arrive in order. */
  async #post(): Promise<void> {
    if (this.#posting) return;
    this.#posting = true;
    try {
      for (let next = this.#due(); next && !this.#link.send(); next = this.#due()) await this.#postOne(next.frame);
    } finally {
      this.#posting = false;
    }
  }

  #due(): Waiting | undefined {
    const first = this.#box[0];
    return first && first.dueMs <= Date.now() ? first : undefined;
  }

  async #postOne(frame: Frame): Promise<void> {
    this.#box = said(this.#box, frame.id, Date.now());
    try {
      const reply = await this.#request("POST", "", frame, POST_MS);
      this.#listener.reachable(reply.status < 500);
      const answer = (await reply.json()) as Message;
      this.#link.sender.token ??= answer.token;
      const wait = Number(reply.headers.get("Retry-After"));
      const passes = wait > 0 || reply.status >= 500 || reply.status === 429 || reply.status === 408;
      const known = answer.type === "ok" || answer.type === "error" ? answer : { type: "error", code: answer.code ?? "error" };
      this.#settle(frame, { ...known, ...(passes && { retry_after_s: wait || 1 }) });
    } catch {
      this.#listener.reachable(false);
      this.#box = postpone(this.#box, frame.id, Date.now());
    }
  }

  /** Asks what is new, one question at a time. With a live channel only for the lines that are missing. */
  async #ask(): Promise<void> {
    if (this.#poll || Date.now() < this.#restUntilMs) return;
    const poll = (this.#poll = new AbortController());
    const live = this.#link.send();
    try {
      const reply = await this.#request("GET", this.#query(live), undefined, POLL_MS, poll);
      if (reply.status >= 400) throw new Error("refused");
      const news = reply.status === 204 ? {} : ((await reply.json()) as Poll);
      this.#failures = 0;
      this.#news(news, live);
    } catch {
      if (!poll.signal.aborted) {
        this.#listener.reachable(this.#link.send());
        this.#rest(TICK_MS * 2 ** Math.min(this.#failures++, 5));
      }
    } finally {
      if (this.#poll === poll) this.#poll = null;
    }
    if (!this.#link.send() && this.#listener.wants().polling) setTimeout(() => { this.pump(); });
  }

  #rest(ms: number): void {
    this.#restUntilMs = Date.now() + ms;
  }

  #news({ status, chat, cursor, messages = [] }: Poll, live: boolean): void {
    this.#listener.reachable(true);
    if (live) this.#rest(TICK_MS * 5);
    else if (!cursor && !messages[0]) this.#rest(TICK_MS);
    if (!live) this.#cursor = cursor ?? "";
    if (status && !live) this.#listener.hear({ type: "ok", status, chat } as Message);
    for (const message of messages) {
      if (!live || message.type === "chat.event") this.#listener.hear(message);
    }
  }

  #query(live: boolean): string {
    const { site, visitor = "", tab } = this.#link.sender;
    const { chat, after } = this.#listener.wants();
    const query = new URLSearchParams({ site, visitor, tab, chat, after: String(after) });
    if (this.#cursor && !live) query.set("cursor", this.#cursor);
    return `?${query}`;
  }

  #request(method: string, query: string, frame: Frame | undefined, ms: number, abort = new AbortController()): Promise<Response> {
    const { site, visitor, tab, token } = this.#link.sender;
    const timer = setTimeout(() => { abort.abort(); }, ms);
    return fetch(`${this.#link.base}/v1/chat${query}`, {
      method,
      headers: token ? { Authorization: `Bearer ${token}` } : {},
      ...(frame && { body: JSON.stringify({ site, visitor, tab, ...frame }) }),
      signal: abort.signal,
    }).finally(() => { clearTimeout(timer); });
  }
}
