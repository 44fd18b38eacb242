/** The chat: its lines, the place in the queue, who is writing, and the field to write in. */
import type { Line, Person } from "../wire";
import { MAX_TEXT } from "../wire";
import type { State, Unsent } from "../state";
import type { App, View } from "./app";
import { namesOf } from "./app";
import { button, h, icon, initials, phrase, say, show, written } from "./dom";

/** The visitor's own message keeps its element when the server has taken it. */
const keyOf = (line: Line): string => (line.id && isMine(line) ? line.id : `${line.seq}`);
const isMine = ({ by }: Line): boolean => by?.kind === "visitor";

/** Who wanted to hand the chat over, and so keeps it when that comes to nothing. */
const handedBy = (lines: readonly Line[], before: number): Person =>
  lines.filter(({ type, seq }) => type === "forwarded" && seq < before).pop()?.by ?? {};

/** What a line says that is not a message; nothing where the visitor need not know. */
function notice(app: App, line: Line, lines: readonly Line[]): (Node | string)[] {
  const { texts } = app;
  const name = namesOf([line.by ?? {}], texts);
  switch (line.type) {
    case "started":
    case "joined":
      return phrase(texts.joined, { name });
    case "left":
      return phrase(texts.left, { name });
    case "forwarded":
      return phrase(texts.forwarded, { name, to: line.operator?.name ?? texts.colleague });
    case "forward_declined":
      return phrase(texts.stays, { name: namesOf([handedBy(lines, line.seq)], texts) });
    case "requested":
      return line.by?.kind === "system" && line.reason === "operator_lost" ? [texts.requeued] : [];
    case "away":
      return isMine(line) ? [] : phrase(texts.away, { name });
    case "back":
      return isMine(line) ? [] : phrase(texts.back, { name });
    default:
      return [];
  }
}

const clock = (at: number): string =>
  new Date(at).toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" });

function bubble(app: App, mine: boolean, by: string, text: string, at?: number): HTMLElement {
  return h(
    "div",
    { class: mine ? "row mine" : "row" },
    !mine && h("span", { class: "face", "aria-hidden": "true" }, initials(by)),
    h(
      "div",
      { class: "said" },
      !mine && h("span", { class: "by" }, h("bdi", {}, by || app.texts.team)),
      h("div", { class: "bubble", dir: "auto" }, ...written(text)),
      h("span", { class: "meta" }, ...(at ? [h("time", {}, clock(at))] : [])),
    ),
  );
}

function lineElement(app: App, line: Line, lines: readonly Line[]): HTMLElement | null {
  const speaks = line.type === "message" || ((line.type === "invited" || line.type === "requested") && !!line.text);
  if (speaks) return bubble(app, isMine(line), line.by?.name ?? "", line.text ?? "", line.at);
  const words = notice(app, line, lines);
  return words[0] === undefined ? null : h("p", { class: "notice" }, ...words);
}

/** The messages of both sides, in order. Elements are made once and only ever added, so a reader hears each once. */
class Log {
  readonly element: HTMLElement;
  readonly #app: App;
  readonly #made = new Map<string, HTMLElement>();
  #chat = "";

  constructor(app: App) {
    this.#app = app;
    this.element = h("div", { class: "log", role: "log", "aria-label": app.texts.title, tabindex: 0 });
  }

  update(state: State): void {
    if (this.#chat !== state.chat) {
      this.#chat = state.chat;
      this.#made.clear();
      this.element.replaceChildren();
    }
    const atEnd = this.element.scrollHeight - this.element.scrollTop - this.element.clientHeight < 60;
    const before = this.element.childElementCount;
    const wanted = new Map<string, HTMLElement>();
    for (const line of state.lines) this.#want(wanted, keyOf(line), () => lineElement(this.#app, line, state.lines));
    for (const one of state.unsent) this.#want(wanted, one.id, () => bubble(this.#app, true, "", one.text));
    for (const [key, element] of this.#made) if (!wanted.has(key)) this.#drop(key, element);
    let previous: Element | null = null;
    for (const element of wanted.values()) {
      const place: Element | null = previous ? previous.nextElementSibling : this.element.firstElementChild;
      if (place !== element) this.element.insertBefore(element, place);
      previous = element;
    }
    this.#marks(state);
    // Who reads further up is left there, unless it is the visitor who wrote.
    if (atEnd || (state.unsent.length && this.element.childElementCount > before)) this.scrollToEnd();
  }

  #want(wanted: Map<string, HTMLElement>, key: string, make: () => HTMLElement | null): void {
    const element = this.#made.get(key) ?? make();
    if (!element) return;
    this.#made.set(key, element);
    wanted.set(key, element);
  }

  #drop(key: string, element: HTMLElement): void {
    element.remove();
    this.#made.delete(key);
  }

  scrollToEnd(): void {
    this.element.scrollTop = this.element.scrollHeight;
  }

  /** What became of the visitor's messages: each that is on its way, and the last that arrived. */
  #marks({ lines, unsent, readByThem }: State): void {
    const { texts } = this.#app;
    const mine = lines.filter((line) => line.type === "message" && isMine(line));
    const last = mine[mine.length - 1];
    for (const line of mine.slice(-3)) {
      const key = keyOf(line);
      const read = line.seq <= readByThem;
      this.#mark(key, line === last ? (read ? texts.read : texts.delivered) : "", read && line === last ? "read" : "", line.at);
    }
    for (const one of unsent) this.#markUnsent(one);
  }

  #mark(key: string, text: string, style: string, at?: number): void {
    const meta = this.#made.get(key)?.querySelector(".meta");
    if (!(meta instanceof HTMLElement)) return;
    const nodes: (Node | string)[] = at ? [h("time", {}, clock(at))] : [];
    if (text) nodes.push(nodes[0] ? " \u00b7 " : "", text);
    say(meta, ...nodes);
    meta.className = `meta ${style}`;
  }

  #markUnsent({ id, failed }: Unsent): void {
    const { texts } = this.#app;
    this.#mark(id, failed ? texts.failed : texts.sending, failed ? "failed" : "");
    const meta = this.#made.get(id)?.querySelector(".meta");
    if (failed && meta && !meta.querySelector("button")) {
      meta.append(" ", button(texts.retry, "link", () => { this.#app.act({ do: "retry", id }); }));
    }
  }
}

/** The place in the queue and an honest word on how long it may take. */
function queueCard(app: App): View {
  const { texts } = app;
  const words = h("p", { class: "place" });
  const wait = h("p", { class: "hint" });
  const cancel = button(texts.cancel, "plain", () => { app.act({ do: "cancel" }); });
  const dots = h("span", { class: "dots", "aria-hidden": "true" }, h("i"), h("i"), h("i"));
  return {
    element: h("div", { class: "queue", hidden: true }, dots, h("div", { role: "status" }, words, wait), cancel),
    update: ({ status, place, waitS, operators, lines }) => {
      const waits = status === "requested";
      const inviter = operators[0] ?? lines.find(({ type }) => type === "invited")?.by ?? {};
      if (waits) say(words, ...(place > 0 ? phrase(texts.place, { n: place }) : [texts.waiting]));
      else say(words, ...phrase(texts.joining, { name: namesOf([inviter], texts) }));
      if (waits && waitS === null) say(wait, texts.waitUnknown);
      else if (waits) say(wait, ...phrase(texts.wait, { n: Math.ceil(Number(waitS) / 60) }));
      show(wait, waits);
    },
  };
}

function composer(app: App): { element: HTMLElement; input: HTMLTextAreaElement } {
  const { texts } = app;
  const input = h("textarea", { rows: 1, dir: "auto", maxlength: MAX_TEXT, "aria-label": texts.message, placeholder: texts.message, enterkeyhint: "send" });
  const send = h("button", { type: "submit", class: "round send", "aria-label": texts.send, title: texts.send }, icon("send"));
  const form = h("form", { class: "composer" }, input, send);
  const submit = (): void => {
    if (!input.value.trim()) return;
    app.act({ do: "say", text: input.value });
    input.value = "";
    app.writing("");
    input.focus();
  };
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    submit();
  });
  input.addEventListener("input", () => { app.writing(input.value); });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  return { element: form, input };
}

export interface Talk extends View {
  draft: (text?: string) => string;
}

export function talkPage(app: App): Talk {
  const { texts } = app;
  const log = new Log(app);
  const queue = queueCard(app);
  const typing = h("p", { class: "typing" });
  const told = h("p", { class: "hint preview", hidden: true }, texts.preview);
  const { element: form, input } = composer(app);
  const keep = button(texts.cancel, "plain", () => { show(asking, false); input.focus(); });
  const finish = button(texts.end, "main danger", () => { show(asking, false); app.act({ do: "end" }); });
  const asking = h("div", { class: "asking", hidden: true, role: "group", "aria-label": texts.end }, finish, keep);
  // Asked once more, because it cannot be undone.
  const end = button(texts.end, "link", () => { show(asking, true); keep.focus(); });
  let shown = false;
  return {
    element: h("div", { class: "talk" }, queue.element, log.element, h("div", { class: "foot" }, typing, end), asking, told, form),
    update: (state) => {
      show(queue.element, state.status === "requested" || state.status === "accepted");
      queue.update(state);
      log.update(state);
      say(typing, ...(state.typing ? phrase(texts.typing, { name: state.typing.name || texts.team }) : []));
      show(end, state.status !== "requested");
      show(told, state.settings.preview === true);
      if (state.open && !shown) log.scrollToEnd();
      shown = state.open;
    },
    focus: () => { input.focus(); },
    draft: (text) => (text === undefined ? input.value : (input.value = text)),
  };
}
