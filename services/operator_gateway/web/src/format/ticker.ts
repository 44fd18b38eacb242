/** One timer for everything that ticks on the screen, aligned to the server's whole seconds. Idle when nobody looks. */
import { useSyncExternalStore } from "react";
import { clock } from "../app/live";

const listeners = new Set<() => void>();
let timer: ReturnType<typeof setTimeout> | undefined;
let second = Math.floor(clock.now() / 1_000);

function plan(): void {
  const untilNextSecond = 1_000 - (clock.now() % 1_000);
  timer = setTimeout(tick, untilNextSecond + 5);
}

function tick(): void {
  second = Math.floor(clock.now() / 1_000);
  for (const listener of listeners) listener();
  if (listeners.size > 0) plan();
  else timer = undefined;
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  if (timer === undefined) {
    second = Math.floor(clock.now() / 1_000);
    plan();
  }
  return () => listeners.delete(listener);
}

/** The server's time in whole seconds, as milliseconds; renders the caller once a second. */
export function useServerNow(): number {
  return useSyncExternalStore(subscribe, () => second) * 1_000;
}
