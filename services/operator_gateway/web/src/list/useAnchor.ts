/** Keeps what an operator reads in place: when rows come, go or move above it, the list is scrolled by as much. */
import { useLayoutEffect, useRef, type RefObject } from "react";
import type { ViewWindow } from "../view/window";

/** The first visible row that is still there decides; `by` is how many rows it has moved. Pure; exported for its test. */
export function movedBy(before: ViewWindow, after: ViewWindow, firstSeen: number, lastSeen: number): number {
  const at = new Map(after.rows.map((row, index) => [row.visitor, after.offset + index]));
  for (let index = firstSeen; index <= lastSeen; index++) {
    const row = before.rows[index - before.offset];
    const now = row && at.get(row.visitor);
    if (now !== undefined) return now - index;
  }
  return 0;
}

/**
 * At the top nothing is anchored: there the newest is wanted. A scroll wish of the operator's is never undone, because
 * only a change of the same epoch and order moves anything.
 */
export function useAnchor(
  scroller: RefObject<HTMLElement | null>,
  window: ViewWindow | null,
  height: number,
  query: string,
): void {
  const seen = useRef<{ window: ViewWindow | null; query: string }>({ window: null, query: "" });
  useLayoutEffect(() => {
    const { window: before, query: asked } = seen.current;
    seen.current = { window, query };
    const element = scroller.current;
    if (!element || !before || !window || before === window || asked !== query || before.epoch !== window.epoch) return;
    if (element.scrollTop < height) return;
    const first = Math.floor(element.scrollTop / height);
    const rows = movedBy(before, window, first, first + Math.ceil(element.clientHeight / height));
    if (rows !== 0) element.scrollBy(0, rows * height);
  }, [scroller, window, height, query]);
}
