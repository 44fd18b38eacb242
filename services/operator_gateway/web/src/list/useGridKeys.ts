/** The keyboard in the list: arrows, Home, End, PageUp, PageDown choose; Enter opens Navigation; Escape lets go. */
import type { KeyboardEvent } from "react";
import { clearSelection, openPanel, selectAt, useSelection } from "./selection";

export function targetIndex(key: string, from: number | null, total: number, page: number): number | null {
  if (total === 0) return null;
  const clamp = (index: number): number => Math.min(total - 1, Math.max(0, index));
  switch (key) {
    case "ArrowDown":
      return from === null ? 0 : clamp(from + 1);
    case "ArrowUp":
      return from === null ? 0 : clamp(from - 1);
    case "PageDown":
      return clamp((from ?? 0) + page);
    case "PageUp":
      return clamp((from ?? 0) - page);
    case "Home":
      return 0;
    case "End":
      return total - 1;
    default:
      return null;
  }
}

export function useGridKeys(
  total: number,
  reveal: (index: number) => void,
  page: () => number,
): (event: KeyboardEvent) => void {
  return (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.target instanceof HTMLButtonElement) return;
    const { index, visitor, panel } = useSelection.getState();
    if (event.key === "Enter") {
      if (visitor !== null) openPanel("navigation");
    } else if (event.key === "Escape") {
      if (panel !== null) openPanel(null);
      else clearSelection();
    } else {
      const target = targetIndex(event.key, index, total, page());
      if (target === null) return;
      reveal(target);
      selectAt(target);
    }
    event.preventDefault();
  };
}
