/** Tells the other side that this operator is typing: seldom enough to cost nothing, and not for ever. */
const EVERY_MS = 2_500;
const PAUSE_MS = 4_000; // so long without a key is no typing any more

export interface TypingLink {
  now(): number;
  later(run: () => void, ms: number): void;
}

export class OwnTyping {
  /** When it was last said, by chat; absent while nothing is typed there. */
  private readonly said = new Map<string, number>();

  constructor(
    private readonly link: TypingLink,
    private readonly tell: (chat: string, on: boolean) => void,
  ) {}

  key(chat: string): void {
    const now = this.link.now();
    if (now - (this.said.get(chat) ?? 0) < EVERY_MS) return;
    this.said.set(chat, now);
    this.tell(chat, true);
    this.link.later(() => {
      if (this.said.get(chat) === now) this.stop(chat);
    }, PAUSE_MS);
  }

  stop(chat: string): void {
    if (this.said.delete(chat)) this.tell(chat, false);
  }

  /** The message itself says that typing is over. */
  sent(chat: string): void {
    this.said.delete(chat);
  }

  clear(): void {
    this.said.clear();
  }
}
