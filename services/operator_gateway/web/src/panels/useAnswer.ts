/** Asks the gateway something about a visitor and keeps the last good answer while a newer one is on its way. */
import { useCallback, useEffect, useRef, useState } from "react";
import { ask, clock, useLive } from "../app/live";
import type { Row, WireError } from "../wire";

export interface Answer<T> {
  value: T | null;
  /** The server's time when the answer came. */
  at: number;
  error: WireError | null;
  again: () => void;
}

/** Asks at once, again when `version` changes, and after a reconnect. */
export function useAnswer<T>(event: string, site: string, visitor: string, version: string): Answer<T> {
  const [answer, setAnswer] = useState<Omit<Answer<T>, "again">>({ value: null, at: 0, error: null });
  const live = useLive((state) => state.link === "live");
  const newest = useRef(0);
  const load = useCallback(() => {
    newest.current += 1;
    const mine = newest.current;
    void ask<T & object>(event, { site, visitor }).then((ack) => {
      if (mine !== newest.current) return;
      if (ack.ok) setAnswer({ value: ack, at: clock.now(), error: null });
      else setAnswer((known) => ({ ...known, error: ack.error }));
    });
  }, [event, site, visitor]);
  useEffect(() => {
    if (live) load();
  }, [live, load, version]);
  return { ...answer, again: load };
}

/** The row of a visitor that need not be in the list's window. */
export function useVisitorRow(site: string, visitor: string): Row | null {
  return useAnswer<{ row: Row }>("visitor:get", site, visitor, "").value?.row ?? null;
}
