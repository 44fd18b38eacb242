/** What follows from what the visitor does: the next state, and what is to be said to the server. */
import type { State, Step, Typed } from "./state";
import { isTalking, lastSeq } from "./state";
import type { Frame } from "./wire";
import { MAX_TEXT } from "./wire";

export type Act =
  | { do: "open" | "minimise" | "accept" | "decline" | "cancel" | "end" | "again" | "leaveForm" | "see" }
  | { do: "type"; typed: Partial<Typed> }
  | { do: "request" | "leaveMessage" }
  | { do: "say"; text: string }
  | { do: "retry"; id: string }
  | { do: "rate"; score: number; comment: string };

/** Makes ids: given from outside, so that everything here is pure. */
export type NewId = () => string;

/** Trimmed and at most `limit` code points. */
export const fit = (text: string, limit: number): string => Array.from(text.trim()).slice(0, limit).join("");

const only = (state: State): Step => ({ state, send: [] });

/** Says something whose answer the form waits for. */
function ask(state: State, frame: Frame): Step {
  return { state: { ...state, waitingFor: frame.id, problem: "" }, send: [frame] };
}

function given(typed: Typed): Record<string, string> {
  const fields: Record<string, string> = { name: fit(typed.name, 120) };
  if (typed.email.trim()) fields["email"] = fit(typed.email, 254);
  return fields;
}

function request(state: State, id: string): Step {
  const fields = given(state.typed);
  if (state.invitation) return ask(state, { type: "invite.accept", id, ...fields });
  const text = fit(state.typed.text, MAX_TEXT);
  const { skill } = state.typed;
  return ask(state, { type: "chat.request", id, ...fields, ...(text && { text }), ...(skill && { skill }) });
}

function accept(state: State, newId: NewId): Step {
  const { name, email } = state.settings.form ?? {};
  const asks = name !== "off" || (email !== undefined && email !== "off");
  const open: State = { ...state, open: true, accepting: true, screen: "form", problem: "" };
  return asks ? only(open) : request(open, newId());
}

function say(state: State, words: string, id: string): Step {
  const text = fit(words, MAX_TEXT);
  if (!text) return only(state);
  return { state: { ...state, unsent: [...state.unsent, { id, text }] }, send: [{ type: "chat.send", id, text }] };
}

/** What was refused has not been stored: a new id, because the old one would get the old answer. */
function retry(state: State, id: string, newId: NewId): Step {
  const one = state.unsent.find((other) => other.id === id);
  if (!one) return only(state);
  const again = { id: newId(), text: one.text };
  const unsent = [...state.unsent.filter((other) => other.id !== id), again];
  return { state: { ...state, unsent }, send: [{ type: "chat.send", ...again }] };
}

/** The last line has been seen: told once. */
function see(state: State, id: string): Step {
  const seq = lastSeq(state);
  if (seq <= state.readByMe) return only(state);
  const send = isTalking(state.status) ? [{ type: "chat.read", id, seq }] : [];
  return { state: { ...state, readByMe: seq }, send };
}

/** How the panel begins: with the form that fits whether somebody is there. */
function open(state: State): State {
  const { screen, settings, status } = state;
  const offline = screen === "form" && settings.online === false && !isTalking(status) && !state.invitation;
  return { ...state, open: true, screen: offline ? "offline" : screen };
}

function again(state: State): Step {
  const state1: State = { ...state, screen: "form", problem: "", reason: "", typed: { ...state.typed, text: "" } };
  return only(open(state1));
}

export function act(state: State, what: Act, newId: NewId): Step {
  switch (what.do) {
    case "open":
      return only(open(state));
    case "minimise":
      return only({ ...state, open: false });
    case "accept":
      return accept(state, newId);
    case "decline":
      return { state: { ...state, invitation: null, accepting: false }, send: [{ type: "invite.decline", id: newId() }] };
    case "type":
      return only({ ...state, typed: { ...state.typed, ...what.typed } });
    case "request":
      return request(state, newId());
    case "cancel":
      return ask(state, { type: "chat.cancel", id: newId() });
    case "end":
      return ask(state, { type: "chat.end", id: newId() });
    case "say":
      return say(state, what.text, newId());
    case "retry":
      return retry(state, what.id, newId);
    case "see":
      return see(state, newId());
    case "rate": {
      const comment = fit(what.comment, 500);
      return ask(state, { type: "chat.rate", id: newId(), score: what.score, ...(comment && { comment }) });
    }
    case "leaveMessage": {
      const text = fit(state.typed.text, MAX_TEXT);
      return ask(state, { type: "offline.send", id: newId(), ...given(state.typed), text });
    }
    case "leaveForm": {
      const left: State = { ...state, open: false, screen: "form" };
      return { state: left, send: state.status === "redirected" ? [{ type: "offline.close", id: newId() }] : [] };
    }
    case "again":
      return again(state);
  }
}
