/** How fresh the list is, in a word. */
import type { Slowness } from "../view/client";
import type { LinkState } from "./live";

// The gateway proves every 10 s that both sides are equal; half of that again may be the way and a busy moment.
const QUIET_AFTER_MS = 15_000;

export type Fresh = LinkState | "slowed" | "quiet";

/** What the mark says. `slowed` is the gateway's own word; `quiet` is what nobody said: it has not been heard for long. */
export function freshness(link: LinkState, age: number | null, slowed: Slowness | null): Fresh {
  if (link !== "live") return link;
  if (age !== null && age > QUIET_AFTER_MS) return "quiet";
  return slowed ? "slowed" : "live";
}
