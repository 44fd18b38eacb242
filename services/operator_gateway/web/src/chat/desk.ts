/**
 * All chats of this operator: keeps each log equal to the gateway's, sends what was written exactly once, and knows which
 * chat is in front. No React, no socket, no clock of its own: see `DeskLink`.
 *
 * Policy: lines are applied in unbroken `seq`; a gap, and every reconnect, asks `chat:open` for what follows the last
 * line. A message is sent again under its id until the gateway has answered. Which chats are this operator's comes from
 * the list (`follow`), so a console that was away finds them again. Read `onEvent`, `follow` and `pump` first.
 */
import type { Ack, Row } from "../wire";
import { newChat, readBefore, readBy, unreadOf, type Chat, type Typing } from "./chat";
import { adopt, firstSeq, hasOlder, lastSeq, missing, receive } from "./log";
import { MOST_OFFERS, type Gone } from "./offers";
import * as out from "./outbox";
import { OwnTyping } from "./typing";
import type { ChatEvent, ChatOpened, ChatRead, ChatTyping, DeskState, Offer, OfferGone, Sent } from "./wire";

export interface DeskLink {
  /** The answer comes exactly once; a lost connection or a timeout is an answer with a code. */
  request<T>(event: string, payload: object, answer: (ack: Ack<T>) => void): void;
  send(event: string, payload: object): void;
  /** The server's time. */
  now(): number;
  later(run: () => void, ms: number): void;
  random(): number;
  newId(): string;
}

export interface DeskSnapshot {
  /** In the order in which they came to the desk. */
  readonly chats: readonly Chat[];
  readonly active: string | null;
  readonly offers: readonly Offer[];
  /** Offers that went before this operator answered, newest last. */
  readonly gone: readonly Gone[];
}

const NOTHING: DeskSnapshot = { chats: [], active: null, offers: [], gone: [] };
const MOST_CHATS = 40; // beyond that the oldest that is over goes
const MOST_GONE = 5;
const TYPING_SHOWN_MS = 6_000; // the other side says so again every 2 s
const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 8_000;

export class ChatDesk {
  private snapshot: DeskSnapshot = NOTHING;
  private readonly listeners = new Set<() => void>();
  private readonly chats = new Map<string, Chat>();
  private connected = false;
  /** Answers that belong to an earlier connection are dropped by comparing this. */
  private generation = 0;
  private readonly opening = new Set<string>();
  private readonly failures = new Map<string, number>();
  private readonly paused = new Set<string>();
  private readonly typing: OwnTyping;
  private me = "";

  constructor(private readonly link: DeskLink) {
    this.typing = new OwnTyping(link, (chat, on) => {
      if (this.connected) link.send("chat:typing", { chat, on });
    });
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  readonly current = (): DeskSnapshot => this.snapshot;

  onReady(operator: string): void {
    this.me = operator;
  }

  onConnected(): void {
    this.connected = true;
    this.generation += 1;
    this.opening.clear();
    this.paused.clear();
    this.failures.clear();
    for (const chat of this.chats.values()) {
      this.put({ ...chat, outbox: out.interrupted(chat.outbox), loadingOlder: false });
      this.load(chat.chat);
      this.pump(chat.chat);
    }
    this.publish();
  }

  onDisconnected(): void {
    this.connected = false;
    this.generation += 1;
    for (const chat of this.chats.values())
      this.put({ ...chat, outbox: out.interrupted(chat.outbox), loadingOlder: false, typing: [] });
    this.publish();
  }

  /** Keeps nothing: the next one at this screen may be somebody else. */
  clear(): void {
    this.onDisconnected();
    this.chats.clear();
    this.typing.clear();
    this.me = "";
    this.publish(NOTHING);
  }

  onEvent(line: ChatEvent): void {
    const chat = this.chats.get(line.chat);
    if (!chat) return; // `follow` brings it, with all its lines
    const log = receive(chat.log, line);
    if (log === chat.log) return;
    this.adoptLog({ ...chat, log, typing: chat.typing.filter(({ id }) => id !== (line.by.id ?? "")) });
    if (missing(log)) this.load(line.chat);
    this.publish();
  }

  onTyping(sign: ChatTyping): void {
    const chat = this.chats.get(sign.chat);
    const { by } = sign;
    if (!chat || by.kind === "system" || (by.kind === "operator" && by.id === this.me)) return;
    const id = by.id ?? "";
    const others = chat.typing.filter((one) => one.id !== id);
    const until = this.link.now() + TYPING_SHOWN_MS;
    const one: Typing = { kind: by.kind, id, name: by.name ?? "", preview: sign.preview ?? "", until };
    this.put({ ...chat, typing: sign.on ? [...others, one] : others });
    if (sign.on) this.link.later(() => this.forgetTyping(sign.chat), TYPING_SHOWN_MS + 100);
    this.publish();
  }

  onRead(mark: ChatRead): void {
    const chat = this.chats.get(mark.chat);
    if (!chat) return;
    if (mark.by.kind === "visitor") this.put({ ...chat, readByVisitor: Math.max(chat.readByVisitor, mark.seq) });
    else if (mark.by.id === this.me) this.put({ ...chat, readByMe: Math.max(chat.readByMe, mark.seq) });
    this.publish();
  }

  onOffer(offer: Offer): void {
    const others = this.snapshot.offers.filter((one) => one.offer !== offer.offer);
    const offers = [...others, offer].sort((a, b) => a.expires_at - b.expires_at).slice(0, MOST_OFFERS);
    this.publish({ offers });
  }

  onOfferGone({ offer, reason, by }: OfferGone): void {
    const known = this.snapshot.offers.find((one) => one.offer === offer);
    if (!known) return;
    const offers = this.snapshot.offers.filter((one) => one !== known);
    // What this operator did, here or in another window, is no news.
    const mine = reason === "declined" || (by?.kind === "operator" && by.id === this.me);
    const gone = mine
      ? this.snapshot.gone
      : [...this.snapshot.gone, { offer: known, reason, by: by ?? null }].slice(-MOST_GONE);
    this.publish({ offers, gone });
  }

  /** The operator has answered it, or its time is over here: what the gateway says later about it is no news. */
  dropOffer(offer: string): void {
    this.publish({ offers: this.snapshot.offers.filter((one) => one.offer !== offer) });
  }

  /** The gateway names the chats of this operator, and may have missed lines of them. */
  onDesk({ sites, chats }: DeskState): void {
    const present = new Set(chats.map(({ chat }) => chat));
    for (const chat of this.chats.values()) {
      if (sites.includes(chat.site)) this.put({ ...chat, mine: present.has(chat.chat) });
      this.load(chat.chat);
    }
    for (const { chat, site, visitor, status } of chats) {
      if (this.chats.has(chat) || status === "invited") continue;
      this.put({ ...newChat(chat, site, visitor, null), mine: true });
      this.load(chat);
    }
    this.publish();
  }

  /** The rows of a site in which this operator takes part now. */
  follow(site: string, rows: readonly Row[]): void {
    const present = new Map(rows.flatMap((row) => (row.chat ? [[row.chat, row] as const] : [])));
    for (const chat of this.chats.values()) {
      const row = present.get(chat.chat);
      if (chat.site === site && chat.mine && !row) this.put({ ...chat, mine: false });
    }
    for (const [id, row] of present) {
      const known = this.chats.get(id);
      this.put({ ...(known ?? newChat(id, site, row.visitor, row)), row, mine: true });
      if (!known) this.load(id);
    }
    this.publish();
  }

  /** A newer row of a visitor whose chat is on the desk, from wherever it is known. */
  refreshRow(chat: string, row: Row): void {
    const known = this.chats.get(chat);
    if (!known || known.row === row || (known.row && known.row.version > row.version)) return;
    this.put({ ...known, row });
    this.publish();
  }

  /** Puts a chat on the desk (it may be there) and in front. */
  open(chat: string, site: string, visitor: string, row: Row | null): void {
    if (!this.chats.has(chat)) {
      this.put(newChat(chat, site, visitor, row));
      this.load(chat);
    }
    this.show(chat);
  }

  show(active: string | null): void {
    this.publish({ active });
  }

  /** Takes a chat off the desk; one that goes on with this operator stays. */
  close(chat: string): void {
    const known = this.chats.get(chat);
    if (!known || known.mine) return;
    this.chats.delete(chat);
    this.typing.sent(chat);
    this.publish();
  }

  draft(chat: string, draft: string): void {
    const known = this.chats.get(chat);
    if (!known || known.draft === draft) return;
    this.put({ ...known, draft });
    this.publish();
    if (draft.trim() !== "" && !draft.startsWith("/")) this.typing.key(chat);
    else this.typing.stop(chat);
  }

  /** Whether it was taken: a full outbox says no. */
  say(chat: string, text: string): boolean {
    const known = this.chats.get(chat);
    if (!known || known.outbox.length >= out.MOST_QUEUED) return false;
    this.typing.sent(chat);
    this.put({ ...known, outbox: out.queued(known.outbox, this.link.newId(), text, this.link.now()), draft: "" });
    this.publish();
    this.pump(chat);
    return true;
  }

  retry(chat: string, id: string): void {
    this.changeOutbox(chat, (outbox) => out.retried(outbox, id));
    this.pump(chat);
  }

  discard(chat: string, id: string): void {
    this.changeOutbox(chat, (outbox) => out.dropped(outbox, id));
  }

  /** Everything up to the newest line has been seen. */
  seen(chat: string): void {
    const known = this.chats.get(chat);
    if (!known) return;
    const last = lastSeq(known.log);
    if (last <= known.readByMe || (known.readByMe > 0 && unreadOf(known) === 0)) return;
    this.put({ ...known, readByMe: last });
    if (this.connected && known.mine) this.link.send("chat:read", { chat, seq: last });
    this.publish();
  }

  older(chat: string): void {
    const known = this.chats.get(chat);
    if (!known || known.loadingOlder || !this.connected || !hasOlder(known.log)) return;
    this.put({ ...known, loadingOlder: true });
    this.publish();
    this.ask(chat, { chat, before: firstSeq(known.log) });
  }

  reload(chat: string): void {
    this.load(chat);
  }

  /** Asks for the newest lines, or those after what is held. One request a chat at a time. */
  private load(chat: string): void {
    const known = this.chats.get(chat);
    if (!this.connected || !known || this.opening.has(chat)) return;
    this.opening.add(chat);
    this.ask(chat, known.log.opened ? { chat, after: lastSeq(known.log) } : { chat });
  }

  private ask(chat: string, payload: { chat: string; after?: number; before?: number }): void {
    const { generation } = this;
    const newest = payload.before === undefined;
    this.link.request<ChatOpened>("chat:open", payload, (ack) => {
      if (generation !== this.generation) return;
      if (newest) this.opening.delete(chat);
      const known = this.chats.get(chat);
      if (!known) return;
      const settled = newest ? known : { ...known, loadingOlder: false };
      if (ack.ok) this.adopt(settled, ack);
      else this.fail(settled, ack.error.code, newest);
      this.publish();
    });
  }

  private adopt(chat: Chat, answer: ChatOpened): void {
    this.failures.delete(chat.chat);
    const first = !chat.log.opened;
    const log = adopt(chat.log, answer.events);
    const reads = readBy(answer.reads ?? [], this.me);
    const readByMe = Math.max(chat.readByMe, reads.me, first ? readBefore(log.lines, this.me) : 0);
    const readByVisitor = Math.max(chat.readByVisitor, reads.visitor);
    this.adoptLog({ ...chat, log, readByMe, readByVisitor, failed: null });
    // A long absence is answered in several pieces. A piece that brought nothing would only be asked for again.
    const grew = lastSeq(log) > lastSeq(chat.log);
    if ((missing(log) && (first || grew)) || (!first && grew && answer.more)) this.load(chat.chat);
  }

  private fail(chat: Chat, code: string, newest: boolean): void {
    if (!newest || code === "disconnected") {
      this.put(chat);
    } else if (out.isPassing(code)) {
      this.put(chat);
      this.again(chat.chat, () => this.load(chat.chat));
    } else {
      this.put({ ...chat, failed: code });
    }
  }

  /** Sends the oldest message that waits. */
  private pump(id: string): void {
    const chat = this.chats.get(id);
    const next = chat && this.connected && !this.paused.has(id) ? out.nextToSend(chat.outbox) : null;
    if (!chat || !next) return;
    const { generation } = this;
    this.put({ ...chat, outbox: out.sending(chat.outbox, next.id) });
    this.publish();
    this.link.request<Sent>("chat:send", { chat: id, id: next.id, text: next.text }, (ack) => {
      if (generation !== this.generation) return;
      if (ack.ok) {
        this.failures.delete(id);
        this.changeOutbox(id, (outbox) => out.stored(outbox, next.id));
        const known = this.chats.get(id);
        // The line itself comes as an event; if that was lost, nothing else would notice.
        if (known && typeof ack.seq === "number" && ack.seq > lastSeq(known.log) + 1) this.load(id);
        this.pump(id);
      } else {
        this.changeOutbox(id, (outbox) => out.refused(outbox, next.id, ack.error.code));
        if (out.isPassing(ack.error.code)) this.again(id, () => this.pump(id));
        else this.pump(id);
      }
    });
  }

  /** Runs later, longer each time; half of it is chance, so that many consoles do not come at once. */
  private again(chat: string, run: () => void): void {
    const { generation } = this;
    const failures = (this.failures.get(chat) ?? 0) + 1;
    this.failures.set(chat, failures);
    this.paused.add(chat);
    const ceiling = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** (failures - 1));
    this.link.later(
      () => {
        if (generation !== this.generation) return;
        this.paused.delete(chat);
        run();
        this.pump(chat);
      },
      ceiling * (0.5 + this.link.random() / 2),
    );
  }

  private forgetTyping(id: string): void {
    const chat = this.chats.get(id);
    if (!chat) return;
    const now = this.link.now();
    const typing = chat.typing.filter(({ until }) => until > now);
    if (typing.length === chat.typing.length) return;
    this.put({ ...chat, typing });
    this.publish();
  }

  private changeOutbox(id: string, change: (outbox: out.Outbox) => out.Outbox): void {
    const chat = this.chats.get(id);
    if (!chat) return;
    this.adoptLog({ ...chat, outbox: change(chat.outbox) });
    this.publish();
  }

  private adoptLog(chat: Chat): void {
    this.put({ ...chat, outbox: out.confirmed(chat.outbox, chat.log.lines, this.me) });
  }

  private put(chat: Chat): void {
    this.chats.set(chat.chat, chat);
    if (this.chats.size <= MOST_CHATS) return;
    for (const one of this.chats.values()) {
      if (one.mine || one.outbox.length > 0 || one.chat === this.snapshot.active || one.chat === chat.chat) continue;
      this.chats.delete(one.chat);
      return;
    }
  }

  private publish(change: Partial<DeskSnapshot> = {}): void {
    const chats = [...this.chats.values()];
    const before = { ...this.snapshot, ...change };
    const active = chats.some(({ chat }) => chat === before.active) ? before.active : (chats[0]?.chat ?? null);
    this.snapshot = { ...before, chats, active };
    for (const listener of this.listeners) listener();
  }
}
