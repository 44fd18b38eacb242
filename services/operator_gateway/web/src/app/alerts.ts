/** What calls an operator who looks elsewhere: tones (made, not loaded) and the number in the tab's title. */
import { useEffect, useSyncExternalStore } from "react";
import { useTranslation } from "react-i18next";
import { unreadOf } from "../chat/chat";
import { desk, queues } from "./live";
import { usePreferences } from "./preferences";

export type Tone = "offer" | "waiting" | "message";
/** Notes of each tone: frequency in Hz and when it begins, in seconds. */
const TONES: Record<Tone, readonly (readonly [hz: number, at: number])[]> = {
  offer: [
    [659, 0],
    [880, 0.16],
    [659, 0.5],
    [880, 0.66],
  ],
  waiting: [
    [587, 0],
    [784, 0.14],
  ],
  message: [[988, 0]],
};
const NOTE_S = 0.22;
const LOUDNESS = 0.14;
const QUIET_MS = 1_200; // many messages at once are one tone

let context: AudioContext | null = null;
let lastAt = -QUIET_MS;

/** Browsers keep a page silent until its first key or click; then this plays, before that it does nothing. */
export function play(tone: Tone): void {
  const now = performance.now();
  if (!usePreferences.getState().sound || (tone !== "offer" && now - lastAt < QUIET_MS)) return;
  lastAt = now;
  try {
    context ??= new AudioContext();
    void context.resume();
    for (const [hz, at] of TONES[tone]) note(context, hz, context.currentTime + at);
  } catch {
    // No audio device: the title and the screen say it as well.
  }
}

function note(audio: AudioContext, hz: number, at: number): void {
  const oscillator = audio.createOscillator();
  const gain = audio.createGain();
  oscillator.frequency.value = hz;
  gain.gain.setValueAtTime(0, at);
  gain.gain.linearRampToValueAtTime(LOUDNESS, at + 0.02);
  gain.gain.exponentialRampToValueAtTime(0.001, at + NOTE_S);
  oscillator.connect(gain).connect(audio.destination);
  oscillator.start(at);
  oscillator.stop(at + NOTE_S);
}

function offerIds(): Set<string> {
  return new Set(desk.current().offers.map(({ offer }) => offer));
}

function waitingIds(): Set<string> {
  return new Set(queues.current().map(({ row }) => `${row.visitor} ${row.requested_at ?? 0}`));
}

function unreadIds(): Map<string, number> {
  return new Map(desk.current().chats.map((chat) => [chat.chat, unreadOf(chat)]));
}

/** Plays for what is new; ended by the returned function. */
export function ring(): () => void {
  let [offers, waiting, unread] = [offerIds(), waitingIds(), unreadIds()];
  const onDesk = () => {
    const [nowOffers, nowUnread] = [offerIds(), unreadIds()];
    if ([...nowOffers].some((id) => !offers.has(id))) play("offer");
    else if ([...nowUnread].some(([chat, count]) => count > (unread.get(chat) ?? 0))) play("message");
    [offers, unread] = [nowOffers, nowUnread];
  };
  const onWaiting = () => {
    const now = waitingIds();
    if ([...now].some((id) => !waiting.has(id))) play("waiting");
    waiting = now;
  };
  const ends = [desk.subscribe(onDesk), queues.subscribe(onWaiting)];
  return () => ends.forEach((end) => end());
}

/** Everything that waits for this operator: offers, waiting visitors, unread chats. */
function callsForMe(): number {
  const { offers, chats } = desk.current();
  const offered = new Set(offers.map(({ visitor }) => visitor));
  const waiting = queues.current().filter(({ row }) => !offered.has(row.visitor)).length;
  return offers.length + waiting + chats.filter((chat) => unreadOf(chat) > 0).length;
}

function subscribe(listener: () => void): () => void {
  const ends = [desk.subscribe(listener), queues.subscribe(listener)];
  return () => ends.forEach((end) => end());
}

export function useAlerts(): void {
  const { t } = useTranslation();
  const calls = useSyncExternalStore(subscribe, callsForMe);
  useEffect(ring, []);
  useEffect(() => {
    document.title = calls > 0 ? `(${calls}) ${t("product")}` : t("product");
    return () => {
      document.title = t("product");
    };
  }, [calls, t]);
}
