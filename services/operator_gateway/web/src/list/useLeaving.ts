/** Rows that have just gone, kept for the moment in which they fade. Bounded: with very many at once nobody sees one. */
import { useEffect, useState } from "react";
import { list } from "../app/live";
import type { Row } from "../wire";

const FADE_MS = 240;
const MOST = 40;

export interface LeavingRow {
  key: string;
  row: Row;
  index: number;
}

export function useLeaving(): LeavingRow[] {
  const [leaving, setLeaving] = useState<LeavingRow[]>([]);
  useEffect(() => {
    const timers = new Set<ReturnType<typeof setTimeout>>();
    let seen = list.current().change;
    let serial = 0;
    const unsubscribe = list.subscribe(() => {
      const { change } = list.current();
      if (change === seen) return;
      seen = change;
      if (change.left.length === 0) return;
      serial += 1;
      const batch = change.left.map(({ row, index }) => ({ key: `${row.visitor}-left-${serial}`, row, index }));
      setLeaving((rows) => [...rows, ...batch].slice(-MOST));
      const timer = setTimeout(() => {
        timers.delete(timer);
        setLeaving((rows) => rows.filter((one) => !batch.includes(one)));
      }, FADE_MS);
      timers.add(timer);
    });
    return () => {
      unsubscribe();
      for (const timer of timers) clearTimeout(timer);
    };
  }, []);
  return leaving;
}
