/**
 * Who is at the screen. The cookie is the session; what is kept here is the CSRF value and the socket's token, the
 * latter also in sessionStorage so that a reload does not ask for the password again.
 */
import { create } from "zustand";
import { api as httpApi, ApiError, type Api } from "../net/api";
import type { Me } from "../wire";

const TOKEN_KEY = "foyer.socket";

export type SessionPhase = "checking" | "away" | "signed_out" | "signed_in";

export interface SessionState {
  phase: SessionPhase;
  me: Me | null;
  /** Why the operator sees the login although there was a session. */
  notice: "ended" | "signed_out" | null;
}

export const useSession = create<SessionState>(() => ({ phase: "checking", me: null, notice: null }));

let token = "";

export function socketToken(): string {
  return token;
}

function keepToken(value: string): void {
  token = value;
  try {
    if (value === "") sessionStorage.removeItem(TOKEN_KEY);
    else sessionStorage.setItem(TOKEN_KEY, value);
  } catch {
    // Without storage a reload asks for the password again; nothing else is lost.
  }
}

function keptToken(): string {
  try {
    return sessionStorage.getItem(TOKEN_KEY) ?? "";
  } catch {
    return "";
  }
}

/** Finds out whether there is a session. Answers whether it still stands; `null` when the server cannot say. */
export async function resume(api: Api = httpApi): Promise<boolean | null> {
  try {
    const me = await api.me();
    keepToken(me.token ?? (token || keptToken()));
    if (token === "") return ended(null);
    useSession.setState({ phase: "signed_in", me, notice: null });
    return true;
  } catch (error) {
    if (error instanceof ApiError && (error.status === 401 || error.status === 403)) {
      return ended(useSession.getState().phase === "signed_in" ? "ended" : null);
    }
    if (useSession.getState().phase !== "signed_in") useSession.setState({ phase: "away" });
    return null;
  }
}

function ended(notice: SessionState["notice"]): false {
  keepToken("");
  useSession.setState({ phase: "signed_out", me: null, notice });
  return false;
}

/** Throws `ApiError`; the form says what it means. */
export async function login(email: string, password: string, api: Api = httpApi): Promise<void> {
  const answer = await api.login(email, password);
  keepToken(answer.token);
  let me: Me = { operator: answer.operator, csrf: answer.csrf };
  // The rest (collector's address, attribution) is only on /me; without it the console still works.
  try {
    me = { ...me, ...(await api.me()) };
  } catch {
    useSession.setState({ notice: null });
  }
  if (me.token) keepToken(me.token);
  useSession.setState({ phase: "signed_in", me, notice: null });
}

export async function logout(api: Api = httpApi): Promise<void> {
  const csrf = useSession.getState().me?.csrf ?? "";
  try {
    await api.logout(csrf);
  } finally {
    ended("signed_out");
  }
}
