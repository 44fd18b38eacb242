/** What follows from a message of the server. Read `hear` first. Times are milliseconds of our own clock. */
import type { Invitation, State } from "./state";
import { MAX_LINES, initial, isTalking, lastSeq, personOf } from "./state";
import type { Frame, Line, Message, Person, Status } from "./wire";

/** How long one typing mark is believed: the other side repeats it every 2 s. */
const TYPING_MS = 5_000;
const INVITATION_MS = 60_000;
const LONGEST_INVITATION_MS = 600_000;

const isOperator = (by?: Person): boolean => by?.kind === "operator";

/** The server's time minus ours is unknown: an end that makes no sense by our clock is replaced by the usual life. */
export function invitationEnd(expiresAt: number | undefined, nowMs: number): number {
  const left = (expiresAt ?? 0) - nowMs;
  return nowMs + (left > 0 && left <= LONGEST_INVITATION_MS ? left : INVITATION_MS);
}

function invited(message: Message, nowMs: number): Invitation {
  const { invitation = "", operator, text = "", expires_at } = message;
  return { id: invitation, operator: personOf(operator), text, untilMs: invitationEnd(expires_at, nowMs) };
}

/** Enter a status: it decides what the panel shows, unless the visitor is still busy with how the last one ended. */
export function enter(state: State, status: Status): State {
  const { screen } = state;
  let next = screen;
  if (isTalking(status)) next = "chat";
  else if (status === "chat_end") next = "over";
  else if (status === "kicked") next = "kicked";
  else if (status === "redirected") next = screen === "sent" ? screen : "offline";
  else if (screen === "chat") next = "form";
  const invitation = status === "invited" ? state.invitation : null;
  const fresh = next !== screen ? { problem: "", waitingFor: "", typing: null } : {};
  return { ...state, ...fresh, status, screen: next, invitation, accepting: state.accepting && invitation !== null };
}

/** Another chat than before: nothing of the old one counts. What the visitor typed, sees and still says stays. */
function another(state: State, chat: string): State {
  if (!chat || chat === state.chat) return state;
  const { lines, early, readByThem, readByMe, rated } = initial;
  const unsent = state.unsent.filter(({ failed }) => !failed);
  return { ...state, chat, lines, early, readByThem, readByMe, rated, unsent };
}

function wrote(state: State, line: Line): State {
  const unsent = line.id ? state.unsent.filter(({ id }) => id !== line.id) : state.unsent;
  const typing = isOperator(line.by) ? null : state.typing;
  return { ...state, unsent, typing };
}

/** What one line changes besides being shown. */
function effect(state: State, line: Line): State {
  switch (line.type) {
    case "message":
      return wrote(state, line);
    case "kicked":
      return { ...state, reason: line.reason ?? "" };
    case "ended":
      return { ...state, reason: line.reason ?? "", typing: null };
    case "rated":
      return { ...state, rated: true };
    default:
      return state;
  }
}

/** Adds a line in its place: known ones change nothing, early ones wait for what is missing. */
export function addLine(before: State, line: Line): State {
  let state = another(before, line.chat);
  if (line.seq <= lastSeq(state)) return state;
  const early = [...state.early.filter(({ seq }) => seq !== line.seq), line].sort((a, b) => a.seq - b.seq);
  state = { ...state, early: early.slice(0, MAX_LINES) };
  for (let first = state.early[0]; first && first.seq <= lastSeq(state) + 1; first = state.early[0]) {
    const lines = [...state.lines, first].slice(-MAX_LINES);
    state = effect({ ...state, lines, early: state.early.slice(1) }, first);
  }
  return state;
}

function typing(state: State, { by, on }: Message, nowMs: number): State {
  if (by?.kind === "visitor") return state;
  return { ...state, typing: on ? { name: by?.name ?? "", untilMs: nowMs + TYPING_MS } : null };
}

/** Another tab of this visitor has read as well. */
function read(state: State, { by, seq = 0 }: Message): State {
  return by?.kind === "visitor"
    ? { ...state, readByMe: Math.max(state.readByMe, seq) }
    : { ...state, readByThem: Math.max(state.readByThem, seq) };
}

function moved(before: State, message: Message): State {
  const { status, position = 0, wait_s, operators = [] } = message;
  if (!status) return before;
  return { ...enter(another(before, message.chat ?? ""), status), place: position, waitS: wait_s ?? null, operators };
}

/** The server's word about where things stand, after a page change or a lost connection. */
function greeted(before: State, { chat, status }: Message): State {
  if (!status) return before;
  const state = another({ ...before, connected: true }, chat ?? "");
  // A chat that ended while nobody looked, in a page before this one, is no news.
  const old = !before.lines[0] && !isTalking(before.status) && status === "chat_end";
  return old ? { ...state, status } : enter(state, status);
}

export function hear(state: State, message: Message, nowMs: number): State {
  switch (message.type) {
    case "ok":
      return greeted(state, message);
    case "status":
      return moved(state, message);
    case "invite":
      return { ...state, status: "invited", invitation: invited(message, nowMs), accepting: false };
    case "invite.gone":
      // Who has begun to fill in the name goes on: the yes becomes a request.
      return { ...state, invitation: null, accepting: false };
    case "chat.event":
      return message.event ? addLine(state, message.event) : state;
    case "chat.typing":
      return typing(state, message, nowMs);
    case "chat.read":
      return read(state, message);
    default:
      return state;
  }
}

/** What our frame led to. Refusals that only tell what we know already are none. */
export function answered(state: State, frame: Frame, answer: Message): State {
  const refused = answer.type === "error" ? answer.code ?? "error" : "";
  const waitingFor = state.waitingFor === frame.id ? "" : state.waitingFor;
  const next = { ...state, waitingFor, problem: state.waitingFor === frame.id ? refused : state.problem };
  switch (frame.type) {
    case "chat.send":
      return refused
        ? { ...next, unsent: state.unsent.map((one) => (one.id === frame.id ? { ...one, failed: true } : one)) }
        : next;
    case "offline.send":
      return refused ? next : { ...next, screen: "sent" };
    case "chat.rate":
      return { ...next, rated: !refused };
    case "invite.accept":
      return refused ? { ...next, invitation: null, accepting: false } : next;
    default:
      return next;
  }
}

/** Time passes: what was only true for a while is over. */
export function elapse(state: State, nowMs: number): State {
  const typingOver = state.typing && state.typing.untilMs <= nowMs;
  const inviteOver = state.invitation && !state.accepting && state.invitation.untilMs <= nowMs;
  if (!typingOver && !inviteOver) return state;
  return {
    ...state,
    typing: typingOver ? null : state.typing,
    invitation: inviteOver ? null : state.invitation,
  };
}
