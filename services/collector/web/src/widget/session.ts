/** One page's chat: keeps the state, and connects it with the transport, the view and the browser. */
import type { Act } from "./act";
import { act, fit } from "./act";
import { dress, place } from "./frame";
import type { Language } from "./language";
import { choose, textsFor } from "./language";
import { Memory } from "./memory";
import { chime, markTitle } from "./notice";
import type { State, Step } from "./state";
import { initial, isEngaged, isTalking, lastSeq, unread } from "./state";
import { answered, elapse, hear } from "./step";
import { Transport } from "./transport";
import type { App } from "./view/app";
import { invitationCard, launcher } from "./view/launcher";
import type { Panel } from "./view/panel";
import { panel } from "./view/panel";
import type { Link, Settings } from "./wire";
import { MAX_TEXT } from "./wire";

/** A typing mark is repeated this often, and taken back after a pause of twice that. */
const TYPING_MS = 2_000;

/** Random and unguessable: `crypto.randomUUID` is missing where a website is plain http. */
const newId = (): string => {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
};

export class Session {
  #state: State = initial;
  readonly #link: Link;
  readonly #memory: Memory;
  readonly #transport: Transport;
  #update: (state: State) => void = () => {};
  #panel: Panel | undefined;
  #focusLauncher: () => void = () => {};
  #ready = false;
  #wasOpened = false;
  #quiet = false;
  #cameFrom: Element | null = null;
  #typingAtMs = 0;
  #pause = 0;

  constructor(link: Link) {
    this.#link = link;
    this.#memory = new Memory(link.sender.site, () => link.sender.visitor !== undefined);
    this.#transport = new Transport(link, {
      hear: (message) => { this.#become(hear(this.#state, message, Date.now())); },
      answered: (frame, answer) => { this.#become(answered(this.#state, frame, answer)); },
      reachable: (connected) => {
        if (connected !== this.#state.connected) this.#become({ ...this.#state, connected });
      },
      tick: () => { this.#become(elapse(this.#state, Date.now())); },
      wants: () => {
        const { chat, early, open } = this.#state;
        return { polling: open || isEngaged(this.#state), chat, after: lastSeq(this.#state), gap: early.length > 0 };
      },
    });
    const { unsent, draft } = this.#memory.takeTab();
    this.#state = { ...initial, unsent };
    this.#transport.say(unsent.map((one) => ({ type: "chat.send", id: one.id, text: one.text })));
    this.#transport.start();
    void this.#show(draft);
  }

  open(): void {
    this.#act({ do: "open" });
  }

  /** The site's settings decide how it looks and speaks, so they come first. */
  async #show(draft: string): Promise<void> {
    const settings: Settings = await this.#transport.settings().catch(() => ({}));
    const language = choose([settings.language, document.documentElement.lang, ...navigator.languages]);
    this.#state = { ...this.#state, settings };
    this.#build(language, settings);
    this.#panel?.talk.draft(draft);
    this.#ready = true;
    this.#listen();
    if (this.#state.open) this.#act({ do: "open" });
    else this.#become({ ...this.#state });
  }

  #build(language: Language, settings: Settings): void {
    const texts = textsFor(language, settings.texts);
    const app: App = { texts, act: (what) => { this.#act(what); }, writing: (text) => { this.#writing(text); } };
    const { root, box } = place(language);
    dress(box, settings);
    const bubble = launcher(app, (state) => state.settings.launcher === true || this.#wasOpened || isTalking(state.status));
    const card = invitationCard(app);
    const main = panel(app, root, () => !(this.#quiet = !this.#quiet));
    box.append(card.element, bubble.element, main.element);
    this.#panel = main;
    this.#focusLauncher = () => { bubble.focus?.(); };
    this.#update = (state) => { for (const view of [main, bubble, card]) view.update(state); };
    box.addEventListener("keydown", (event) => {
      // The page below must not take what is typed here for its shortcuts.
      event.stopPropagation();
      if (event.key === "Escape" && this.#state.open) this.#act({ do: "minimise" });
    });
  }

  #listen(): void {
    document.addEventListener("visibilitychange", () => { this.#become({ ...this.#state }); });
    this.#memory.onOpen((open) => {
      if (open !== this.#state.open && (isTalking(this.#state.status) || !open)) this.#become({ ...this.#state, open });
    });
    addEventListener("pagehide", () => {
      const { unsent } = this.#state;
      this.#memory.keepTab({ unsent: unsent.filter(({ failed }) => !failed), draft: this.#panel?.talk.draft() ?? "" });
    });
    addEventListener("pageshow", ({ persisted }) => { if (persisted) this.#memory.takeTab(); });
  }

  #act(what: Act): void {
    const opens = (what.do === "open" || what.do === "accept") && !this.#state.open;
    if (opens) this.#cameFrom = document.activeElement;
    const { state, send }: Step = act(this.#state, what, newId);
    this.#become(state);
    this.#transport.say(send);
    if (!this.#ready) return;
    if (what.do === "open" || what.do === "accept") this.#panel?.focus();
    else if (what.do === "minimise" || what.do === "leaveForm") this.#goBack();
  }

  /** The focus returns to where the visitor opened the chat. */
  #goBack(): void {
    const before = this.#cameFrom;
    if (before instanceof HTMLElement && before.isConnected && before !== document.body && before.shadowRoot === null && before.localName !== "foyer-chat") before.focus();
    else this.#focusLauncher();
  }

  #become(next: State): void {
    const before = this.#state;
    if (next === before) return;
    const state = this.#restored(next);
    this.#state = state;
    const { sender } = this.#link;
    // Without an identifier only while it goes on: the tracker hands such a chat to the tab's next page, and then forgets.
    sender.chat = ((sender.visitor || isTalking(state.status)) && state.chat) || undefined;
    sender.after = lastSeq(state) || undefined;
    if (!this.#ready) return;
    this.#wasOpened ||= state.open;
    if (state.open !== before.open) this.#memory.isOpen = state.open;
    this.#update(state);
    this.#notice(before, state);
  }

  /** As soon as it is known that a chat goes on: it is open if it was on the page before, or if that is stored nowhere. */
  #restored(state: State): State {
    if (!this.#ready || this.#wasOpened || !(isTalking(state.status) || state.status === "redirected")) return state;
    this.#wasOpened = true;
    return { ...state, open: state.open || this.#memory.isOpen || !this.#link.sender.visitor };
  }

  /** What is seen is read; what is not is announced. */
  #notice(before: State, state: State): void {
    const seen = state.open && !document.hidden && state.screen === "chat";
    if (seen && state.readByMe < lastSeq(state)) {
      queueMicrotask(() => { this.#act({ do: "see" }); });
      markTitle(false);
      return;
    }
    const count = unread(state);
    markTitle(count > 0 && !seen);
    const isNew = count > unread(before) || (state.invitation !== null && before.invitation === null);
    if (isNew && state.settings.sound && !this.#quiet) chime();
  }

  #writing(text: string): void {
    const { settings, status } = this.#state;
    if (!isTalking(status)) return;
    clearTimeout(this.#pause);
    const now = Date.now();
    if (!text) this.#tellTyping(false);
    else {
      const preview = settings.preview ? fit(text, MAX_TEXT) : "";
      const due = this.#typingAtMs + TYPING_MS - now;
      if (due <= 0) this.#tellTyping(true, preview);
      this.#pause = setTimeout(() => {
        // The last letters of a preview, and then silence.
        if (preview && due > 0) this.#tellTyping(true, preview);
        this.#pause = setTimeout(() => { this.#tellTyping(false); }, TYPING_MS * 2);
      }, Math.max(due, 0));
    }
  }

  #tellTyping(on: boolean, preview = ""): void {
    if (!on && !this.#typingAtMs) return;
    this.#typingAtMs = on ? Date.now() : 0;
    this.#transport.say([{ type: "chat.typing", id: newId(), on, ...(preview && { preview }) }]);
  }
}
