/**
 * Who is at the screen. The login is the cookie, out of reach of scripts. What is kept here lives in memory only: the
 * CSRF value, and what opens the socket: the login's token on the page where the operator signed in, and after a reload
 * or in another tab a ticket that `GET /me` gives and that opens one socket.
 */
import { create } from "zustand";
import { api as httpApi, ApiError, type Api } from "../net/api";
import type { Me } from "../wire";

export type SessionPhase = "checking" | "away" | "signed_out" | "signed_in";

export interface SessionState {
  phase: SessionPhase;
  me: Me | null;
  /** Why the operator sees the login although there was a session. */
  notice: "ended" | "signed_out" | null;
}

export const useSession = create<SessionState>(() => ({ phase: "checking", me: null, notice: null }));

let token = "";
let ticket = "";

/** What opens the next socket. Empty when there is nothing: the gateway refuses that, and the session is asked again. */
export async function socketToken(api: Api = httpApi): Promise<string> {
  if (ticket === "" && token === "") await resume(api);
  const given = ticket || token;
  ticket = "";
  return given;
}

/** Finds out whether there is a session. Answers whether it still stands; `null` when the server cannot say. */
export async function resume(api: Api = httpApi): Promise<boolean | null> {
  try {
    const me = await api.me();
    ticket = me.token ?? "";
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
  token = "";
  ticket = "";
  useSession.setState({ phase: "signed_out", me: null, notice });
  return false;
}

/** Throws `ApiError`; the form says what it means. */
export async function login(email: string, password: string, api: Api = httpApi): Promise<void> {
  const answer = await api.login(email, password);
  token = answer.token;
  let me: Me = { operator: answer.operator, csrf: answer.csrf };
  try {
    me = { ...me, ...(await api.me()) };
  } catch {
    // The rest (collector's address, attribution) is only on /me; without it the console still works.
  }
  useSession.setState({ phase: "signed_in", me, notice: null });
}

/** Throws `ApiError` when the server could not end the login: then the operator is still signed in, and shall know. */
export async function logout(api: Api = httpApi): Promise<void> {
  try {
    await api.logout(useSession.getState().me?.csrf ?? "");
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 401) throw error;
  }
  ended("signed_out");
}
