/**
 * Invented chats on the invented visitors: a visitor answers, types, waits, is forwarded. Enough to see the desk at work;
 * one operator, rules only as far as the desk shows them.
 */
import type { Actor, ChatEvent, Offer } from "../src/chat/wire";
import type { OperatorRef, Row, Status } from "../src/wire";
import { COLLEAGUES, ME, type Simulation } from "./simulation";

export type Emit = (event: string, payload: object) => void;
export interface ChatRequest {
  chat?: string;
  visitor?: string;
  offer?: string;
  id?: string;
  text?: string;
  after?: number;
  before?: number;
  on?: boolean;
  seq?: number;
  reason?: string;
  note?: string;
  operator?: string;
  to?: { operator?: string; skill?: string };
}

const PAGE = 100;
const WORDS = [
  "Hi! Does the Ridge 2 also stand without pegs?",
  "We are two, with a dog.",
  "And is it in stock in Hamburg?",
  "I found this: https://www.northwind.example/tents/ridge-2?colour=moss, is that the new one?",
  "Great, thank you!",
  "How long does delivery take?",
  "One moment, I am looking for my order number.",
];
const OPERATOR: Actor = { kind: "operator", ...ME };
const SYSTEM: Actor = { kind: "system", id: "", name: "" };

export class SimulatedChats {
  private readonly lines = new Map<string, ChatEvent[]>();
  private readonly offers = new Map<string, Offer>();
  private readonly answered = new Map<string, object>();
  private readonly timers = new Set<NodeJS.Timeout>();
  private serial = 0;

  constructor(
    private readonly simulation: Simulation,
    private readonly emit: Emit,
  ) {}

  stop(): void {
    for (const timer of this.timers) clearTimeout(timer);
  }

  /** A few chats to begin with, some of them long or with something unread. */
  begin(count: number): void {
    const rows = [...this.simulation.rows.values()].filter(({ status }) => status === "navigating").slice(0, count);
    rows.forEach((row, at) => {
      this.start(row, OPERATOR);
      const chat = chatOf(row);
      for (let n = 0; n < (at === 0 ? 70 : 1); n++) {
        this.say(chat, visitorOf(row), { type: "message", text: WORDS[n % WORDS.length] ?? "" });
        if (at < 2)
          this.say(chat, OPERATOR, { type: "message", id: `old-${at}-${n}`, text: "Let me see.\nYes, it does." });
      }
      if (at === 1) this.say(chat, visitorOf(row), { type: "message", text: WORDS[3] ?? "" });
    });
  }

  visitorTypes(visitor: string, preview: string): void {
    const row = this.simulation.rows.get(visitor);
    if (row) this.emit("chat:typing", { chat: chatOf(row), by: visitorOf(row), on: true, preview });
  }

  visitorSays(visitor: string, text: string): void {
    const row = this.simulation.rows.get(visitor);
    if (row) this.say(chatOf(row), visitorOf(row), { type: "message", text });
  }

  /** Something that waits for this operator's yes or no. */
  offer(row: Row, kind: Offer["kind"], lastsMs: number): Offer {
    this.serial += 1;
    const [ines] = COLLEAGUES;
    const from: Actor | null = kind === "request" ? null : { kind: "operator", ...(ines as OperatorRef) };
    const offer: Offer = {
      offer: `offer-${this.serial}`,
      kind,
      site: this.simulation.site,
      visitor: row.visitor,
      chat: chatOf(row),
      expires_at: Date.now() + lastsMs,
      ...(from ? { from, note: "Asks about a broken zip, order 20418. Wants a refund." } : { why: "primary_skill" }),
    };
    if (kind === "request") {
      this.simulation.engage(row, "requested");
      this.say(offer.chat, visitorOf(row), { type: "requested", text: WORDS[5] ?? "" });
    } else {
      this.start(row, { kind: "operator", ...(ines as OperatorRef) });
      this.say(offer.chat, visitorOf(row), { type: "message", text: "The zip of my tent broke on the second day." });
    }
    this.offers.set(offer.offer, offer);
    this.emit("offer", offer);
    this.later(lastsMs, () => this.endOffer(offer.offer, "unanswered"));
    return offer;
  }

  endOffer(id: string, reason: string, by?: Actor): void {
    if (this.offers.delete(id)) this.emit("offer:gone", { offer: id, reason, ...(by ? { by } : {}) });
  }

  pending(): Offer[] {
    return [...this.offers.values()];
  }

  /** The ack of a chat event, or null if it is none. A command's id gives the same answer again. */
  answer(event: string, payload: ChatRequest): object | null {
    const key = payload.id === undefined ? null : `${event} ${payload.id}`;
    const before = key === null ? undefined : this.answered.get(key);
    if (before) return before;
    const answer = this.act(event, payload);
    if (answer && key !== null) this.answered.set(key, answer);
    return answer;
  }

  private act(event: string, payload: ChatRequest): object | null {
    const chat = payload.chat ?? "";
    const row = this.rowOf(payload);
    switch (event) {
      case "chat:open":
        return this.opened(chat, payload);
      case "chat:send":
        return row ? this.sent(chat, row, payload) : refuse("not_in_chat");
      case "chat:typing":
      case "chat:read":
        return { ok: true };
      case "offer:accept":
      case "offer:decline":
        return this.respond(payload.offer ?? "", event === "offer:accept");
    }
    if (!event.startsWith("chat:")) return null;
    return row ? this.command(event, row, payload) : refuse("not_found");
  }

  private command(event: string, row: Row, payload: ChatRequest): object {
    const chat = chatOf(row);
    switch (event) {
      case "chat:accept":
        if (row.number % 5 === 0) return { ok: false, error: { code: "taken", message: "", by: "Inès Durand" } };
        this.start(row, OPERATOR);
        return { ok: true, chat };
      case "chat:invite":
        this.simulation.engage(row, "invited", ME);
        this.say(chat, OPERATOR, { type: "invited", text: payload.text ?? "" });
        return { ok: true, chat };
      case "chat:forward": {
        const target = COLLEAGUES.find(({ id }) => id === payload.to?.operator);
        this.status(row, "forwarded", [ME]);
        this.say(chat, OPERATOR, {
          type: "forwarded",
          ...(target ? { operator: target } : { skill: payload.to?.skill ?? "" }),
        });
        return { ok: true };
      }
      case "chat:withdraw_forward":
        this.status(row, "chatting", [ME]);
        this.say(chat, OPERATOR, { type: "forward_declined", reason: "withdrawn" });
        return { ok: true };
      case "chat:conference": {
        const guest = COLLEAGUES.find(({ id }) => id === payload.operator);
        if (!guest) return refuse("target_offline");
        this.status(row, "conference", [ME, guest]);
        this.say(chat, { kind: "operator", ...guest }, { type: "joined" });
        return { ok: true };
      }
      case "chat:leave":
        this.status(
          row,
          "chatting",
          row.operators.filter(({ id }) => id !== ME.id),
        );
        this.say(chat, OPERATOR, { type: "left" });
        return { ok: true };
      case "chat:kick":
        this.status(row, "kicked", []);
        this.say(chat, OPERATOR, { type: "kicked", reason: payload.reason ?? "" });
        return { ok: true };
      case "chat:end":
        this.status(row, "chat_end", []);
        this.say(chat, OPERATOR, { type: "ended" });
        this.later(2_500, () => this.say(chat, visitorOf(row), { type: "rated", score: 4, text: "Quick help." }));
        return { ok: true };
      default:
        return refuse("unknown_event");
    }
  }

  private respond(id: string, yes: boolean): object {
    const offer = this.offers.get(id);
    const row = offer && this.simulation.rows.get(offer.visitor);
    if (!offer || !row) return refuse("offer_expired");
    this.endOffer(id, yes ? "taken" : "declined", OPERATOR);
    if (yes && offer.kind === "conference") this.status(row, "conference", [...row.operators, ME]);
    if (yes && offer.kind === "request") this.start(row, OPERATOR);
    else if (yes) {
      if (offer.kind === "forward") this.status(row, "chatting", [ME]);
      this.say(offer.chat, OPERATOR, { type: "joined" });
    }
    return { ok: true, chat: offer.chat };
  }

  private opened(chat: string, { after, before }: ChatRequest): object {
    const all = this.lines.get(chat) ?? [];
    const wanted = all.filter(({ seq }) => seq > (after ?? 0) && seq < (before ?? Infinity));
    const events = after === undefined ? wanted.slice(-PAGE) : wanted.slice(0, PAGE);
    return { ok: true, chat, events, more: events.length < wanted.length, server_time: Date.now() };
  }

  private sent(chat: string, row: Row, { id = "", text = "" }: ChatRequest): object {
    if (text.includes("refuse")) return refuse("not_in_chat");
    const { seq } = this.say(chat, OPERATOR, { type: "message", id, text });
    const by = visitorOf(row);
    this.later(900, () => this.emit("chat:read", { chat, by, seq }));
    this.later(1_800, () => this.emit("chat:typing", { chat, by, on: true, preview: "Thank you, that" }));
    this.later(4_200, () => this.say(chat, by, { type: "message", text: WORDS[seq % WORDS.length] ?? "" }));
    return { ok: true, seq };
  }

  private start(row: Row, by: Actor): void {
    const operator = { id: by.id ?? "", name: by.name ?? "" };
    if (!this.lines.has(chatOf(row)))
      this.say(chatOf(row), visitorOf(row), { type: "requested", text: WORDS[0] ?? "" });
    this.status(row, "chatting", [operator]);
    this.say(chatOf(row), by, { type: "started" });
  }

  private status(row: Row, status: Status, operators: OperatorRef[]): void {
    const now = this.simulation.rows.get(row.visitor) ?? row;
    const over = status === "kicked" || status === "chat_end";
    this.simulation.change(now, {
      status,
      operators,
      chat: chatOf(row),
      ...(over ? { ended_at: Date.now() } : { engaged_at: now.engaged_at ?? Date.now(), ended_at: null }),
    });
  }

  private say(chat: string, by: Actor, line: Partial<ChatEvent> & Pick<ChatEvent, "type">): ChatEvent {
    const lines = this.lines.get(chat) ?? [];
    const event: ChatEvent = { chat, seq: lines.length + 1, at: Date.now(), by, ...line };
    lines.push(event);
    this.lines.set(chat, lines);
    this.emit("chat:event", event);
    return event;
  }

  private rowOf({ chat, visitor }: ChatRequest): Row | undefined {
    if (visitor !== undefined) return this.simulation.rows.get(visitor);
    return [...this.simulation.rows.values()].find((row) => row.chat === chat);
  }

  private later(ms: number, run: () => void): void {
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      run();
    }, ms);
    this.timers.add(timer);
  }

  /** The system's hand: the visitor came back to the queue. */
  requeue(row: Row): void {
    this.status(row, "requested", []);
    this.say(chatOf(row), SYSTEM, { type: "requested", reason: "operator_gone" });
  }
}

function chatOf(row: Row): string {
  return `c_${row.number}`;
}

function visitorOf(row: Row): Actor {
  return { kind: "visitor", id: row.visitor, name: row.nickname };
}

function refuse(code: string): object {
  return { ok: false, error: { code, message: "" } };
}

export const CANNED = {
  items: [
    { canned: "1", shortcut: "hello", text: "Hello, and welcome to Northwind! How can I help you?" },
    { canned: "2", shortcut: "moment", text: "One moment please, I will look that up for you." },
    {
      canned: "3",
      shortcut: "returns",
      text: "You can send everything back within 30 days: https://www.northwind.example/help/returns",
    },
    { canned: "4", shortcut: "bye", text: "Thank you for your visit. Have a good day!" },
  ],
};

export const INBOX = {
  items: [
    {
      visitor: "v",
      message: "m1",
      at: Date.now() - 3_600_000,
      name: "Marta Nowak",
      email: "marta@example.org",
      text: "Hello, which sleeping bag fits the Ridge 2? I camp from April to October.\nhttps://www.northwind.example/blog",
      done: false,
    },
    {
      visitor: "v",
      message: "m2",
      at: Date.now() - 9_000_000,
      name: "Jean",
      email: "jean@example.org",
      text: "Ma commande n'est pas arrivée.",
      done: false,
    },
    {
      visitor: "v",
      message: "m3",
      at: Date.now() - 90_000_000,
      name: "",
      email: "x@example.org",
      text: "Is the shop open on Sunday?",
      done: true,
    },
  ],
  unread: 2,
};
