/**
 * Engaged time: how long a page was both visible and in use, in use meaning input within the last 60 s.
 * One page, one count; no clock: the caller passes `now` (monotonic ms).
 */

export const IDLE_MS = 60_000;

let shown = false;
let engaged = 0;
let settledAt = 0;
let inputAt = 0;

/** Engaged milliseconds up to `now`, cumulative since `restart`. */
export function total(now: number): number {
  if (shown) engaged += Math.max(0, Math.min(now, inputAt + IDLE_MS) - settledAt);
  settledAt = now;
  return engaged;
}

/** Milliseconds since the last input. */
export const idle = (now: number): number => now - inputAt;

/** Shown or hidden. Input, opening a page and coming back to it are all acts of the visitor on a page that is shown. */
export function show(visible: boolean, now: number): void {
  total(now);
  shown = visible;
  if (visible) inputAt = now;
}

/** A new page view: the count begins again, the visitor's last input stays. */
export function restart(now: number): void {
  total(now);
  engaged = 0;
}
