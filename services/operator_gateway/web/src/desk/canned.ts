/** Canned replies of a site: loaded once, found by what is typed after the slash. */
import { useEffect, useState } from "react";
import { api } from "../net/api";

export interface Canned {
  canned: string;
  shortcut: string;
  text: string;
  title?: string | null;
}

const MOST_SHOWN = 8;

/** Those whose shortcut begins with what is typed, then those that have it anywhere. */
export function matching(all: readonly Canned[], typed: string): Canned[] {
  const wanted = typed.toLowerCase();
  const begins = all.filter(({ shortcut }) => shortcut.toLowerCase().startsWith(wanted));
  const has = all.filter(
    (one) =>
      !begins.includes(one) &&
      wanted !== "" &&
      `${one.shortcut} ${one.title ?? ""} ${one.text}`.toLowerCase().includes(wanted),
  );
  return [...begins, ...has].slice(0, MOST_SHOWN);
}

/** What is typed after the slash that opens the picker; null while there is none. */
export function slashOf(draft: string): string | null {
  return /^\/(\S*)$/.exec(draft)?.[1] ?? null;
}

export function useCanned(site: string): readonly Canned[] {
  const [all, setAll] = useState<readonly Canned[]>([]);
  useEffect(() => {
    let gone = false;
    api.canned(site).then(
      ({ items }) => !gone && setAll(items),
      () => undefined, // without them the operator writes
    );
    return () => {
      gone = true;
    };
  }, [site]);
  return all;
}
