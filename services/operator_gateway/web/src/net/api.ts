/** The few HTTP calls the console makes: everything else goes over the socket. */
import type { ChatEvent } from "../chat/wire";
import type { Canned } from "../desk/canned";
import type { InboxPage } from "../desk/inbox";
import type { ChatPage } from "../panels/moments";
import type { BotReport, Me, SessionAnswer } from "../wire";

/** `away`: nobody answered or the server cannot work now. Otherwise the problem's own code. */
export class ApiError extends Error {
  constructor(
    readonly code: string,
    readonly status: number,
    readonly retryAfterS: number | null,
  ) {
    super(code);
  }
}

const DEADLINE_MS = 10_000;

async function call<T>(method: string, path: string, body?: object, csrf?: string): Promise<T> {
  const headers: Record<string, string> = { Accept: "application/json" };
  if (body) headers["Content-Type"] = "application/json";
  if (csrf) headers["X-CSRF-Token"] = csrf;
  let response: Response;
  try {
    response = await fetch(`/api/v1${path}`, {
      method,
      headers,
      credentials: "same-origin",
      signal: AbortSignal.timeout(DEADLINE_MS),
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
  } catch {
    throw new ApiError("away", 0, null);
  }
  const text = await response.text().catch(() => "");
  if (response.ok) return parsed(text) as T;
  throw problem(response, text);
}

function parsed(text: string): unknown {
  try {
    return text === "" ? {} : JSON.parse(text);
  } catch {
    throw new ApiError("away", 0, null);
  }
}

function problem(response: Response, text: string): ApiError {
  const seconds = Number(response.headers.get("Retry-After") ?? Number.NaN);
  const retryAfterS = Number.isFinite(seconds) ? Math.max(0, Math.ceil(seconds)) : null;
  if (response.status >= 500) return new ApiError("away", response.status, retryAfterS);
  let code = `http_${response.status}`;
  try {
    const details = JSON.parse(text) as { code?: unknown } | null;
    if (typeof details?.code === "string") code = details.code;
  } catch {
    // A proxy's page instead of a problem document: the status says enough.
  }
  return new ApiError(code, response.status, retryAfterS);
}

export const api = {
  login: (email: string, password: string): Promise<SessionAnswer> => call("POST", "/session", { email, password }),
  me: (): Promise<Me> => call("GET", "/me"),
  logout: (csrf: string): Promise<unknown> => call("DELETE", "/session", undefined, csrf),
  canned: (site: string): Promise<{ items: Canned[] }> => call("GET", `/sites/${encodeURIComponent(site)}/canned`),
  inbox: (site: string, done: boolean, before: string | null): Promise<InboxPage> => {
    const query = new URLSearchParams({ done: String(done), ...(before === null ? {} : { before }) });
    return call("GET", `/sites/${encodeURIComponent(site)}/inbox?${query.toString()}`);
  },
  /** Newest first; `before`: those that began before it. */
  chats: (site: string, visitor: string, before: number | null): Promise<ChatPage> => {
    const query = new URLSearchParams({ visitor, limit: "20", ...(before === null ? {} : { to: String(before) }) });
    return call("GET", `/sites/${encodeURIComponent(site)}/chats?${query.toString()}`);
  },
  transcript: (site: string, chat: string): Promise<{ events: ChatEvent[] }> =>
    call("GET", `/sites/${encodeURIComponent(site)}/chats/${encodeURIComponent(chat)}`),
  /** Crawlers of the last days by name, the latest day and the busiest first. */
  bots: (site: string, days: number): Promise<BotReport> =>
    call("GET", `/sites/${encodeURIComponent(site)}/bots?days=${days}`),
  inboxDone: (site: string, message: string, csrf: string): Promise<unknown> =>
    call("PATCH", `/sites/${encodeURIComponent(site)}/inbox/${encodeURIComponent(message)}`, { done: true }, csrf),
};

/** Where a browser gets a chat's transcript as a file. */
export function transcriptAddress(site: string, chat: string, format: "text" | "csv" | "json"): string {
  return `/api/v1/sites/${encodeURIComponent(site)}/chats/${encodeURIComponent(chat)}?format=${format}`;
}

/** What the session needs of it. */
export type Api = Pick<typeof api, "login" | "me" | "logout">;
