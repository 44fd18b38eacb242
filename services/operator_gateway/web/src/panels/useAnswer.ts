/** Asks the gateway something about a visitor and keeps the last good answer while a newer one is on its way. */
import { useCallback, useEffect, useRef, useState } from "react";
import { ask, useLive } from "../app/live";
import type { WireError } from "../wire";

export interface Answer<T> {
  value: T | null;
  error: WireError | null;
  again: () => void;
}

/** Asks at once, again when `version` changes, and after a reconnect. */
export function useAnswer<T>(event: string, site: string, visitor: string, version: string): Answer<T> {
  const [answer, setAnswer] = useState<{ value: T | null; error: WireError | null }>({ value: null, error: null });
  const live = useLive((state) => state.link === "live");
  const newest = useRef(0);
  const load = useCallback(() => {
    newest.current += 1;
    const mine = newest.current;
    void ask<T & object>(event, { site, visitor }).then((ack) => {
      if (mine !== newest.current) return;
      if (ack.ok) setAnswer({ value: ack, error: null });
      else setAnswer(({ value }) => ({ value, error: ack.error }));
    });
  }, [event, site, visitor]);
  useEffect(() => {
    if (live) load();
  }, [live, load, version]);
  return { ...answer, again: load };
}
