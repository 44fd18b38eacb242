/** Offers that wait for this operator's yes or no, and those that went without one. */
import type { Actor, Offer } from "./wire";

export const MOST_OFFERS = 20; // an operator has a limit of chats, and each offer holds a slot of it

export interface Gone {
  readonly offer: Offer;
  readonly reason: string;
  readonly by: Actor | null;
}

/** What is left of an offer, from 1 to 0. */
export function remaining(offer: Offer, firstSeenAt: number, now: number): number {
  const whole = Math.max(1, offer.expires_at - firstSeenAt);
  return Math.min(1, Math.max(0, (offer.expires_at - now) / whole));
}
