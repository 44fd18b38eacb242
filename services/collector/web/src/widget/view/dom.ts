/** Elements by calls. Text only ever becomes text nodes; there is no way to pass markup. */
import { cut } from "../language";
import { parts } from "../links";

export type Child = Node | string | false | null | undefined;
type Props = Record<string, string | number | boolean | null | undefined | ((event: never) => void)>;

export function set(element: Element, props: Props): void {
  for (const [name, value] of Object.entries(props)) {
    if (typeof value === "function") element.addEventListener(name, value as unknown as EventListener);
    else if (value === false || value === null || value === undefined) element.removeAttribute(name);
    else {
      const text = value === true ? "" : String(value);
      if (element.getAttribute(name) !== text) element.setAttribute(name, text);
    }
  }
}

export function h<K extends keyof HTMLElementTagNameMap>(tag: K, props: Props = {}, ...children: Child[]): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  set(element, props);
  element.append(...children.filter((child): child is Node | string => !!child || child === ""));
  return element;
}

/** Sets text only if it is another one: a live region would speak again. */
export function say(element: HTMLElement, ...nodes: (Node | string)[]): void {
  const text = nodes.map((node) => (typeof node === "string" ? node : node.textContent)).join("");
  if (element.textContent !== text) element.replaceChildren(...nodes);
}

export function show(element: HTMLElement, shown: boolean): void {
  if (element.hidden === shown) element.hidden = !shown;
}

/** A text with its places filled; each value is isolated from the direction of what is around it. */
export const phrase = (text: string, values: Record<string, string | number>): (Node | string)[] =>
  cut(text).map((part) => (typeof part === "string" ? part : h("bdi", {}, String(values[part.place] ?? ""))));

/** What somebody wrote: lines as they are, http(s) addresses as links. */
export const written = (text: string): (Node | string)[] =>
  parts(text).map(({ text, href }) =>
    href ? h("a", { href, target: "_blank", rel: "noopener noreferrer", dir: "ltr" }, text) : text,
  );

const PATHS = {
  chat: "M4 5.5A2.5 2.5 0 0 1 6.5 3h11A2.5 2.5 0 0 1 20 5.5v8a2.5 2.5 0 0 1-2.5 2.5H12l-4.6 4.2c-.5.5-1.4.1-1.4-.6V16A2.2 2.2 0 0 1 4 13.7z",
  down: "M5 8.5l7 7 7-7",
  send: "M4.5 12L20 4.5 15.5 20l-3.6-6.3z",
  star: "M12 2.6l2.9 6 6.5.9-4.7 4.6 1.1 6.5L12 17.5l-5.8 3.1 1.1-6.5L2.6 9.5l6.5-.9z",
  check: "M4 12.5l5 5L20 6.5",
  sound: "M4 9.5v5h3.5l5 4v-13l-5 4zM16.5 8.5a5 5 0 0 1 0 7",
};

export type Icon = keyof typeof PATHS;

export function icon(name: Icon): Element {
  const make = (tag: string, props: Props): Element => {
    const element: Element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    set(element, props);
    return element;
  };
  const svg = make("svg", { viewBox: "0 0 24 24", "aria-hidden": "true", class: "i i-" + name });
  svg.append(make("path", { d: PATHS[name] }));
  return svg;
}

/** A button that is only a picture. */
export const iconButton = (name: Icon, label: string, click: () => void, style = ""): HTMLButtonElement =>
  h("button", { type: "button", class: `round ${style}`, "aria-label": label, title: label, click }, icon(name));

export const button = (text: string, style: string, click?: () => void): HTMLButtonElement =>
  h("button", { type: click ? "button" : "submit", class: style, ...(click && { click }) }, text);

/** A picture for a person: the first letters of the name. */
export const initials = (name: string): string =>
  name.split(/\s+/).slice(0, 2).map((word) => Array.from(word)[0] ?? "").join("").toUpperCase();

let ids = 0;
export const freshId = (): string => `f${++ids}`;
