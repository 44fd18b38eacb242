/** Offline messages as the gateway's collection gives them, page by page, newest first. */
import { useCallback, useEffect, useRef, useState } from "react";
import { useLive } from "../app/live";
import type { Actor } from "../chat/wire";
import { api, ApiError } from "../net/api";

export interface InboxMessage {
  message: string;
  at: number;
  visitor: string;
  name: string;
  email: string;
  text: string;
  done: boolean;
  skill?: string;
  chat?: string;
  done_by?: Actor | null;
  done_at?: number | null;
}

export interface InboxPage {
  items: InboxMessage[];
  unread: number;
  /** Goes back as `before`. */
  next?: string | null;
}

export interface Inbox {
  messages: readonly InboxMessage[] | null;
  next: string | null;
  failed: string | null;
  reload: () => void;
  more: () => void;
}

/** What is shown, and where the next page begins. */
type Loaded = Pick<InboxPage, "items" | "next">;

/** The newest page as it is now, and what was loaded below it; nothing of that if there may be something between. */
export function withNewest(known: Loaded | null, newest: Loaded): Loaded {
  const last = newest.items.at(-1)?.message;
  const at = known?.items.findIndex(({ message }) => message === last) ?? -1;
  if (!known || !newest.next || at < 0) return newest;
  return { items: [...newest.items, ...known.items.slice(at + 1)], next: known.next ?? null };
}

function withOlder(known: Loaded | null, page: Loaded): Loaded {
  return { items: [...(known?.items ?? []), ...page.items], next: page.next ?? null };
}

/** The messages of a site that wait (or those that are done); the newest page is asked for again when the count changes. */
export function useInbox(site: string, done: boolean): Inbox {
  const unread = useLive((state) => state.inbox[site]);
  const [loaded, setLoaded] = useState<Loaded | null>(null);
  const [failed, setFailed] = useState<string | null>(null);
  const newest = useRef(0);
  const ask = useCallback(
    (before: string | null) => {
      newest.current += 1;
      const mine = newest.current;
      api.inbox(site, done, before).then(
        (page) => {
          if (mine !== newest.current) return;
          setFailed(null);
          setLoaded((known) => (before === null ? withNewest(known, page) : withOlder(known, page)));
        },
        (error: unknown) => mine === newest.current && setFailed(error instanceof ApiError ? error.code : "away"),
      );
    },
    [site, done],
  );
  const reload = useCallback(() => ask(null), [ask]);
  useEffect(reload, [reload, unread]);
  const next = loaded?.next ?? null;
  return { messages: loaded?.items ?? null, next, failed, reload, more: () => next !== null && ask(next) };
}
