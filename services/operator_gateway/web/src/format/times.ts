/** Durations and moments, as the list shows them. Pure; `now` is the server's. */
import type { Row } from "../wire";

/** `0:07`, `12:05`, `1:02:33`, `3 d 04:12`; never negative. */
export function duration(ms: number): string {
  const total = Math.max(0, Math.floor(ms / 1_000));
  const two = (value: number): string => String(value).padStart(2, "0");
  const seconds = total % 60;
  const minutes = Math.floor(total / 60) % 60;
  const hours = Math.floor(total / 3_600) % 24;
  const days = Math.floor(total / 86_400);
  if (days > 0) return `${days} d ${two(hours)}:${two(minutes)}`;
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds)}` : `${minutes}:${two(seconds)}`;
}

/** A span that runs (`until` null) or stands still. */
export interface Span {
  from: number;
  until: number | null;
}

export function chatSpan(row: Row): Span | null {
  const from = row.engaged_at;
  if (!from) return null;
  const ended = row.ended_at;
  return { from, until: ended && ended >= from ? ended : null };
}

/** From the request until an operator engages or it is over; a request after an earlier chat runs anew. */
export function waitSpan(row: Row): Span | null {
  const from = row.requested_at;
  if (!from) return null;
  const stops = [row.engaged_at, row.ended_at].filter((at): at is number => !!at && at >= from);
  if (stops.length > 0) return { from, until: Math.min(...stops) };
  return row.status === "requested" ? { from, until: null } : null;
}

export function spanText(span: Span, now: number): string {
  return duration((span.until ?? now) - span.from);
}
