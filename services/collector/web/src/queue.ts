/**
 * Events that the collector has not acknowledged yet: bounded, in order, numbered within the tab. One batch is in flight
 * at a time. An event leaves only when it was answered, so whatever happens to a channel it is sent again; the server
 * ignores what it has.
 */
import type { TrackerEvent, Unnumbered } from "./wire";
import { MAX_EVENTS } from "./wire";

/** The last number given. */
export let lastN: number;
export let waiting: TrackerEvent[];
/** How many of the oldest are in flight. */
export let flying: number;

export function fill(n: number, events: TrackerEvent[]): void {
  lastN = n;
  waiting = events;
  flying = 0;
}

/** Full: the oldest that is not in flight is given up. */
export function add(event: Unnumbered): void {
  waiting.push({ ...event, n: ++lastN });
  if (waiting[MAX_EVENTS]) waiting.splice(flying, 1);
}

/** The oldest events, as many as fit into `limit` characters by halving and at least one; they are in flight now. */
export function take(limit: number): TrackerEvent[] {
  let events = waiting;
  while (events[1] && JSON.stringify(events).length > limit) events = events.slice(0, events.length / 2);
  flying = events.length;
  return events;
}

/** What was in flight was answered, or (`delivered` false) has to be sent again. */
export function land(delivered: boolean): void {
  if (delivered) waiting.splice(0, flying);
  flying = 0;
}
