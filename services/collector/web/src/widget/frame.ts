/**
 * The widget's place in the page: a closed shadow root with a constructed style sheet, which no content security policy
 * forbids and which the page's own styles do not reach.
 */
import { DEFAULT_COLOUR, colourOf, inkOn, legibleOn } from "./colour";
import type { Language } from "./language";
import { directionOf } from "./language";
import css from "./style.css";
import type { Settings } from "./wire";

export interface Place {
  root: ShadowRoot;
  /** Holds everything that is seen. */
  box: HTMLElement;
}

/** As in the style sheet: the surfaces that the site's colour has to be legible on. */
const SURFACES = { light: "#ffffff", dark: "#171a21" };

export function place(language: Language): Place {
  const host = document.createElement("foyer-chat");
  const root = host.attachShadow({ mode: "closed" });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(css);
  root.adoptedStyleSheets = [sheet];
  const box = document.createElement("div");
  box.lang = language;
  box.dir = directionOf(language);
  root.append(box);
  document.body.append(host);
  return { root, box };
}

/** Light or dark as the site says, else as the visitor's system is; with the site's colour in its legible shades. */
export function dress(box: HTMLElement, { theme = {} }: Settings): void {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const colour = colourOf(theme.color ?? DEFAULT_COLOUR);
  const paint = (): void => {
    const mode = theme.mode === "light" || theme.mode === "dark" ? theme.mode : dark.matches ? "dark" : "light";
    box.className = `w ${mode} ${theme.side === "start" ? "start" : ""}`;
    box.style.setProperty("--brand", colour);
    box.style.setProperty("--brand-ink", inkOn(colour));
    box.style.setProperty("--accent", legibleOn(SURFACES[mode], colour));
  };
  paint();
  dark.addEventListener("change", paint);
}
