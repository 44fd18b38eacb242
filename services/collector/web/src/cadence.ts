/** When to speak: heartbeats and retries. Pure, so that every number can be tested. */

/** On the live channel the socket itself is the sign of life; a beat only reports use of the page. */
export const LIVE_BEAT_MS = 15_000;
/** Over HTTP a beat is the sign of life: the server gives a visible tab 45 s, so one may be lost. */
export const HTTP_BEAT_MS = 20_000;
/**
 * The server gives a hidden tab 75 s. Browsers wake hidden tabs once a minute, on the minute: a timer of 60 s would
 * miss its minute by milliseconds and fire after 120 s, one of 55 s fires each minute.
 */
export const HIDDEN_BEAT_MS = 55_000;

/** A lost live channel is given this long to return before a beat over HTTP stands in for it (server grace: 15 s). */
export const STAND_IN_MS = 10_000;
/** First wait of a channel that worked; thousands cut at once come back spread over it. */
export const RETURN_MS = 2_000;
/** First wait of a channel that never worked: something on the way blocks it, so ask rarely. */
export const BLOCKED_MS = 60_000;
/** First wait after a request that failed. */
export const RETRY_MS = 1_000;
/** The server answers within 2 s; what is silent for longer is dead, though nobody closed it. */
export const ANSWER_MS = 6_000;
/** How long a new page view, or a changed title, waits for the title to settle. */
export const TITLE_MS = 250;

/** Milliseconds between the last event and the next beat; 0 if none is due. */
export const beatInterval = (live: boolean, visible: boolean, used: boolean): number =>
  live ? (visible && used ? LIVE_BEAT_MS : 0) : visible ? HTTP_BEAT_MS : HIDDEN_BEAT_MS;

/** Doubles five times; the upper half is random: many browsers cut off at once do not return at once. */
export const backoff = (failures: number, baseMs: number): number =>
  baseMs * 2 ** Math.min(failures, 5) * (0.5 + Math.random() / 2);
