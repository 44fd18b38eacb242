/**
 * Brings the queue to the collector: over the live channel when there is one, else over HTTP, always one batch at a time
 * and with back-off. The first batch of a page goes over HTTP at once (it is the quickest, and gets the token); the live
 * channel is opened when it was answered, so there is never more than one first contact.
 */
import { ANSWER_MS, RETRY_MS, backoff } from "./cadence";
import { guard, later, on } from "./guard";
import { request } from "./http";
import { adopt, sender } from "./identity";
import { now } from "./ids";
import { close, lost, open, reopen, send } from "./live";
import { receive } from "./main";
import { silence, visible } from "./page";
import { fill, flying, land, take } from "./queue";
import type { Answer } from "./wire";
import { BODY_CHARS, IMAGE_CHARS } from "./wire";

/** The collector's address, without a slash at its end. */
export let base: string;
let imageOnly = false;
let failures = 0;
/** While a batch is in flight: until its answer is late. After it failed: until the next try. */
let timer = 0;
/** The batch in flight. */
let round = 0;
let overLive = false;

/** The batch in flight is done with; unless it was delivered, its events wait again. */
export function reset(delivered = false): void {
  clearTimeout(timer);
  overLive = false;
  round++;
  land(delivered);
}

/**
 * The collector will not have us: no more on this page. If it was for a token that is not valid any more, the next page
 * gets a new one.
 */
export function refused(): void {
  silence();
  adopt({ visitor: sender.visitor });
  fill(0, []);
  reset();
  close(1);
}

/** What became of a batch: an HTTP status (0: no answer came), how long to wait, what the collector said. */
export const settle = guard((of: number, status: number, retryMs?: number, answer?: Answer | false) => {
  if (of !== round) return;
  // A pattern takes a number as well.
  if (/40[34]|410/.test(status as unknown as string)) {
    refused();
    return;
  }
  if (/^0|408|429|^5/.test(status as unknown as string)) {
    // It counts as in flight until the next try: an answer that was only late is still welcome.
    clearTimeout(timer);
    overLive = false;
    timer = later(hasten, Math.max(retryMs || 0, backoff(failures++, RETRY_MS)));
    return;
  }
  // Taken, or refused for what it says, which would not get better by repeating it.
  reset(true);
  failures = 0;
  if (answer) {
    adopt(answer);
    answer.commands?.forEach(receive);
  }
  if (!imageOnly && visible()) open();
  flush();
});

/** Sends what is waiting, if nothing is in flight. */
export function flush(): void {
  if (flying) return;
  const events = take(imageOnly ? IMAGE_CHARS : BODY_CHARS);
  if (!flying) return;
  const sent = now();
  overLive = send({ type: "events", id: `e${round}`, sent, events });
  if (!overLive) request(base, { ...sender, sent, events }, imageOnly, round);
  timer = later(() => {
    if (overLive) lost();
    else settle(round, 0);
  }, ANSWER_MS);
}

/** Does not wait any longer. */
function hasten(): void {
  reset();
  flush();
}

export function channelLost(): void {
  if (overLive) settle(round, 0);
}

export function received(message: Answer): void {
  const { type, id, retry_after_s: wait } = message;
  if (id !== `e${round}`) receive(message);
  else if (type === "ok") settle(round, 200);
  else if (wait) settle(round, 503, wait * 1000);
  else lost(); // the same batch over HTTP tells definitely: drop it, or stop for good
}

/** A blocked beacon is reported as sent, a blocked request as a network error: only this event tells them apart. */
function violated({ blockedURI, disposition }: SecurityPolicyViolationEvent): void {
  if (disposition !== "enforce" || !blockedURI.includes(base.slice(5))) return;
  if (blockedURI[0] === "w") close(1); // ws, wss
  else if (/e.gif/.test(blockedURI)) refused();
  else {
    imageOnly = true;
    hasten();
  }
}

export function deliver(to: string): void {
  base = to;
  on("securitypolicyviolation", violated);
  on("online", () => {
    reopen();
    hasten();
  });
}
