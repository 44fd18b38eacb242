/**
 * The server's clock as this page knows it. The browser's own wall clock may be wrong or step, so only its monotonic
 * clock is used: server time at a sample plus what has passed since. Of the samples the one with the shortest round
 * trip is the truest and is kept for a while.
 */

const KEEP_SAMPLE_MS = 5 * 60_000; // drift of a quartz in this time stays well below a second

export class ServerClock {
  private atServer: number;
  private atLocal: number;
  private roundTrip = Number.POSITIVE_INFINITY;

  constructor(
    private readonly monotonic: () => number,
    wallNow: number,
  ) {
    this.atServer = wallNow;
    this.atLocal = monotonic();
  }

  /** `sentAt` is the monotonic time of the question, if there was one. */
  sample(serverTime: number, sentAt?: number): void {
    const received = this.monotonic();
    const roundTrip = sentAt === undefined ? 1_000 : received - sentAt;
    if (roundTrip > this.roundTrip && received - this.atLocal < KEEP_SAMPLE_MS) return;
    this.roundTrip = roundTrip;
    this.atServer = serverTime + (sentAt === undefined ? 0 : roundTrip / 2);
    this.atLocal = received;
  }

  /** After a sleep the monotonic clock may have stood still: the next sample counts, whatever its round trip. */
  distrust(): void {
    this.roundTrip = Number.POSITIVE_INFINITY;
  }

  now(): number {
    return this.atServer + this.monotonic() - this.atLocal;
  }
}
