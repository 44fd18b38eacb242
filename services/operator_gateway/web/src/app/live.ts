/**
 * The signed-in console's live half: one connection, one list view, the colleagues, the server's clock. Made when the
 * operator signs in, ended when the session ends. Components read `useLive` and call the functions below.
 */
import { create } from "zustand";
import { Connection } from "../net/connection";
import { ViewClient } from "../view/client";
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
}

const NOBODY: LiveState = {
  link: "connecting",
  unreachable: false,
  operator: null,
  state: "online",
  chats: 0,
  sites: [],
  colleagues: {},
};

const MOST_COLLEAGUES = 1_000;

export const useLive = create<LiveState>(() => NOBODY);
export const clock = new ServerClock(() => performance.now(), Date.now());

let connection: Connection | null = null;

export const list = new ViewClient(
  {
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
  },
  "list",
);

function request<T>(event: string, payload: object, answer: (ack: Ack<T>) => void): void {
  if (connection) connection.request(event, payload, answer);
  else answer({ ok: false, error: { code: "disconnected", message: "" } });
}

export function ask<T>(event: string, payload: object): Promise<Ack<T>> {
  return new Promise((resolve) => request<T>(event, payload, resolve));
}

export function start(): void {
  stop();
  connection = new Connection(() => socketToken(), {
    connected: () => {
      clock.distrust();
      useLive.setState({ link: "live", unreachable: false, colleagues: {} });
      list.onConnected();
    },
    disconnected: (final) => {
      list.onDisconnected();
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

function receive(name: string, payload: unknown): void {
  switch (name) {
    case "ready":
      onReady(payload as Ready);
      return;
    case "view:delta":
      list.onDelta(payload as ViewDelta);
      return;
    case "view:check":
      list.onCheck(payload as ViewCheck);
      return;
    case "view:reset":
      list.onReset(payload as ViewReset);
      return;
    case "operator:changed":
      onOperator(payload as OperatorChanged);
      return;
  }
}

function onReady(ready: Ready): void {
  clock.sample(ready.server_time);
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
