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

/** Captures, because pages stop propagation. On `window` and `document` browsers take scrolling listeners as passive. */
export function on(target: EventTarget, types: string, action: (event: never) => void): void {
  for (const type of types.split(" ")) target.addEventListener(type, guard(action) as EventListener, true);
}

export const later = (action: () => void, delayMs: number): number => setTimeout(guard(action), delayMs);
