/** Whatever goes wrong in here, the page must not notice: every way in from the browser passes through `guard`. */

export const guard =
  <A extends unknown[]>(action: (...args: A) => void) =>
  (...args: A): void => {
    try {
      action(...args);
    } catch {
      // A tracker that fails is silent.
    }
  };

/**
 * Captures, because pages stop propagation, and so hears on the window what happens to the document as well. There
 * browsers take scrolling listeners as passive.
 */
export function on(types: string, action: (event: never) => void, target: EventTarget = window): void {
  types.split(" ").forEach((type) => { target.addEventListener(type, guard(action) as EventListener, true); });
}

export const later = (action: () => void, delayMs: number): number => setTimeout(guard(action), delayMs);
