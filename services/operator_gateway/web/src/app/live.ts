/**
 * The signed-in console's live half: one connection, the list's view, the chats, the colleagues, the server's clock. Made
 * when the operator signs in, ended when the session ends. Components read `useLive` and call the functions below.
 */
import { create } from "zustand";
import { ChatDesk } from "../chat/desk";
import { isPassing } from "../chat/outbox";
import type { ChatEvent, ChatRead, ChatTyping, DeskState, InboxChanged, Offer, OfferGone } from "../chat/wire";
import { Connection } from "../net/connection";
import { ViewClient, type ViewLink } from "../view/client";
import { ServerClock } from "../view/serverClock";
import type {
  Ack,
  Operator,
  OperatorChanged,
  OperatorState,
  Ready,
  Site,
  ViewCheck,
  ViewDelta,
  ViewReset,
  ViewState,
} from "../wire";
import { Queues } from "./queues";
import { resume, socketToken } from "./session";

/** `blocked`: the gateway said not to come back; only the operator's wish tries again. */
export type LinkState = "connecting" | "live" | "reconnecting" | "blocked";

export interface Colleague {
  id: string;
  name: string;
  state: OperatorState;
  chats: number;
  sites: string[];
}

export interface LiveState {
  link: LinkState;
  /** The last attempts found nobody. */
  unreachable: boolean;
  operator: Operator | null;
  state: OperatorState;
  chats: number;
  sites: Site[];
  colleagues: Record<string, Colleague>;
  /** Offline messages that nobody has dealt with, by site. */
  inbox: Record<string, number>;
}

const NOBODY: LiveState = {
  link: "connecting",
  unreachable: false,
  operator: null,
  state: "online",
  chats: 0,
  sites: [],
  colleagues: {},
  inbox: {},
};

const MOST_COLLEAGUES = 1_000;

export const useLive = create<LiveState>(() => NOBODY);
export const clock = new ServerClock(() => performance.now(), Date.now());

let connection: Connection | null = null;

const viewLink: ViewLink = {
  request(event, payload, answer) {
    const sentAt = performance.now();
    request<ViewState>(event, payload, (ack) => {
      if (ack.ok && typeof ack.server_time === "number") clock.sample(ack.server_time, sentAt);
      answer(ack);
    });
  },
  send: (event, payload) => connection?.send(event, payload),
  now: () => clock.now(),
  later: (run, ms) => void setTimeout(run, ms),
  random: Math.random,
};

export const list = new ViewClient(viewLink, "list");
export const desk = new ChatDesk({ ...viewLink, request, newId: () => crypto.randomUUID() });
export const queues = new Queues(viewLink, (site, rows) => desk.follow(site, rows));

function request<T>(event: string, payload: object, answer: (ack: Ack<T>) => void): void {
  if (connection) connection.request(event, payload, answer);
  else answer({ ok: false, error: { code: "disconnected", message: "" } });
}

export function ask<T>(event: string, payload: object): Promise<Ack<T>> {
  return new Promise((resolve) => request<T>(event, payload, resolve));
}

const COMMAND_TRIES = 3;
const COMMAND_PAUSE_MS = 700;

/** A command, sent again under the same id when nobody knows what became of it: it happens once all the same. */
export async function command(event: string, fields: object): Promise<Ack<Record<string, unknown>>> {
  const payload = { ...fields, id: crypto.randomUUID() };
  for (let tries = 1; ; tries++) {
    const ack = await ask<Record<string, unknown>>(event, payload);
    if (ack.ok || !isPassing(ack.error.code) || tries === COMMAND_TRIES) return ack;
    await new Promise((resolve) => setTimeout(resolve, COMMAND_PAUSE_MS * tries));
  }
}

export function start(): void {
  stop();
  connection = new Connection(() => socketToken(), {
    connected: () => {
      clock.distrust();
      useLive.setState({ link: "live", unreachable: false, colleagues: {} });
      list.onConnected();
      queues.onConnected();
      desk.onConnected();
    },
    disconnected: (final) => {
      list.onDisconnected();
      queues.onDisconnected();
      desk.onDisconnected();
      useLive.setState({ link: final ? "blocked" : "reconnecting" });
      if (final) void resume();
    },
    unreachable: () =>
      useLive.setState(({ link }) => ({ link: link === "live" ? "reconnecting" : link, unreachable: true })),
    turnedAway: () => void askSession(),
    event: receive,
  });
  connection.start();
}

export function stop(): void {
  list.onDisconnected();
  list.close();
  queues.onDisconnected();
  queues.close();
  desk.clear();
  connection?.stop();
  connection = null;
  useLive.setState(NOBODY);
}

/** The gateway turned the socket away: the session knows whether to try again (a new token may have come with it). */
async function askSession(): Promise<void> {
  const asked = connection;
  useLive.setState({ link: "reconnecting" });
  const stands = await resume();
  if (stands !== false && asked !== null && asked === connection) asked.retry();
}

export function hurry(): void {
  if (useLive.getState().link === "blocked") connection?.start();
  else connection?.hurry();
}

const RECEIVERS: Record<string, (payload: never) => void> = {
  ready: onReady,
  "view:delta": (delta: ViewDelta) => (delta.view === "list" ? list.onDelta(delta) : queues.onDelta(delta)),
  "view:check": (check: ViewCheck) => (check.view === "list" ? list.onCheck(check) : queues.onCheck(check)),
  "view:reset": (reset: ViewReset) => (reset.view === "list" ? list.onReset(reset) : queues.onReset(reset)),
  "operator:changed": onOperator,
  desk: (state: DeskState) => {
    desk.onDesk(state);
    const none = Object.fromEntries(state.sites.map((site) => [site, 0]));
    useLive.setState(({ inbox }) => ({ inbox: { ...inbox, ...none, ...state.unread } }));
  },
  offer: (offer: Offer) => desk.onOffer(offer),
  "offer:gone": (gone: OfferGone) => desk.onOfferGone(gone),
  "chat:event": (line: ChatEvent) => desk.onEvent(line),
  "chat:typing": (sign: ChatTyping) => desk.onTyping(sign),
  "chat:read": (mark: ChatRead) => desk.onRead(mark),
  "inbox:changed": ({ site, unread }: InboxChanged) =>
    useLive.setState(({ inbox }) => ({ inbox: { ...inbox, [site]: unread } })),
};

function receive(name: string, payload: unknown): void {
  RECEIVERS[name]?.(payload as never);
}

function onReady(ready: Ready): void {
  clock.sample(ready.server_time);
  desk.onReady(ready.operator.id);
  // It comes again when rights change: what is known of the colleagues stays.
  useLive.setState(({ state }) => ({
    operator: ready.operator,
    sites: ready.sites,
    state: ready.operator.state ?? state,
  }));
}

function onOperator(change: OperatorChanged): void {
  const id = typeof change.operator === "string" ? change.operator : change.operator.id;
  const said = typeof change.operator === "string" ? change.name : change.operator.name;
  useLive.setState((live) => {
    if (id === live.operator?.id) return { state: change.state, chats: change.chats };
    const { [id]: known, ...others } = live.colleagues;
    if (!known && Object.keys(others).length >= MOST_COLLEAGUES) return {};
    const { state, chats, sites } = change;
    return { colleagues: { ...others, [id]: { id, name: said ?? known?.name ?? id, state, chats, sites } } };
  });
}

export async function setState(state: "online" | "away"): Promise<Ack<object>> {
  const before = useLive.getState().state;
  useLive.setState({ state });
  const ack = await ask<object>("operator:set", { state });
  if (!ack.ok) useLive.setState({ state: before });
  return ack;
}
