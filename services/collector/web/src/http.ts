/**
 * One batch, one request. `fetch` with keepalive outlives the page as `sendBeacon` does, but names its origin whatever
 * the page's Referrer-Policy is (under `no-referrer` a beacon says `Origin: null`, which the collector refuses) and
 * tells what became of it. All are "simple" requests: no preflight.
 */
import { settle } from "./delivery";
import type { Answer, Batch } from "./wire";
import { base64url } from "./wire";

/** With `imageOnly` as a picture, for pages whose content security policy forbids all else: it arrived, or not. */
export function request(base: string, batch: Batch, imageOnly: boolean, round: number): void {
  if (imageOnly) batch.token = undefined; // a secret has no place in an address
  const body = JSON.stringify(batch);
  if (imageOnly) {
    const image = new Image();
    image.onload = image.onerror = (event) => {
      settle(round, (event as Event).type === "load" ? 204 : 0);
    };
    image.referrerPolicy = "origin"; // a picture has no Origin, and the page may forbid the Referer
    image.src = base + "/v1/e.gif?d=" + base64url(body);
  } else {
    fetch(base + "/v1/e", { method: "POST", body, keepalive: true })
      .then(async (reply) => {
        const waitMs = (): number => (reply.headers.get("Retry-After") as unknown as number) * 1000;
        settle(round, reply.status, waitMs(), reply.status === 200 && ((await reply.json()) as Answer));
      })
      .catch(() => { settle(round, 0); });
  }
}
