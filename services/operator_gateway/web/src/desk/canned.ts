/** Canned replies of a site: loaded once, found by what is typed after the slash. */
import { useEffect, useState } from "react";
import { api } from "../net/api";

export interface Canned {
  id: string;
  shortcut: string;
  text: string;
}

const MOST_SHOWN = 8;

/** Takes what is usable from the answer; the collection is shaped like all others. */
export function readCanned(answer: unknown): Canned[] {
  const items = listOf(answer);
  return items.flatMap((item, at) => {
    const { shortcut, text } = item;
    if (typeof shortcut !== "string" || typeof text !== "string" || text === "") return [];
    return [{ id: `${at}`, shortcut: shortcut.replace(/^\//, ""), text }];
  });
}

export function listOf(answer: unknown): Record<string, unknown>[] {
  const list = Array.isArray(answer)
    ? answer
    : Object.values(typeof answer === "object" && answer !== null ? answer : {}).find(Array.isArray);
  return (list ?? []).filter((one): one is Record<string, unknown> => typeof one === "object" && one !== null);
}

/** Those whose shortcut begins with what is typed, then those that have it anywhere. */
export function matching(all: readonly Canned[], typed: string): Canned[] {
  const wanted = typed.toLowerCase();
  const begins = all.filter(({ shortcut }) => shortcut.toLowerCase().startsWith(wanted));
  const has = all.filter(
    (one) => !begins.includes(one) && wanted !== "" && `${one.shortcut} ${one.text}`.toLowerCase().includes(wanted),
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
      (answer) => !gone && setAll(readCanned(answer)),
      () => undefined, // without them the operator writes
    );
    return () => {
      gone = true;
    };
  }, [site]);
  return all;
}
