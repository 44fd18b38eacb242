/**
 * Which language the widget speaks, and how texts are put together. The site's own wish comes first, then the page's
 * `lang`, then the browser's.
 */
import { ar } from "./texts/ar";
import { de } from "./texts/de";
import { en } from "./texts/en";
import { es } from "./texts/es";
import { fr } from "./texts/fr";

export type Texts = Record<keyof typeof en, string>;
export type Language = keyof typeof languages;

const languages = { en, de, es, fr, ar };

/** The first of the wished languages that we speak; English if there is none. */
export function choose(wishes: readonly (string | null | undefined)[]): Language {
  for (const wish of wishes) {
    const language = (wish ?? "").toLowerCase().split(/[-_]/)[0] ?? "";
    if (Object.keys(languages).includes(language)) return language as Language;
  }
  return "en";
}

/**
 * Our texts, with those of the site in place of ours. By position: all languages have the same texts in the same order,
 * and the build leaves the names out of all but the English ones.
 */
export function textsFor(language: Language, own: Record<string, unknown> = {}): Texts {
  const ours: string[] = Object.values(languages[language]);
  const entries = Object.keys(en).map((key, i) => {
    const text = own[key];
    return [key, typeof text === "string" && text ? text.slice(0, 500) : ours[i]];
  });
  return Object.fromEntries(entries) as Texts;
}

export const directionOf = (language: Language): "rtl" | "ltr" => (language === "ar" ? "rtl" : "ltr");

/** A text cut at its places: `Hello {name}!` gives `["Hello ", { place: "name" }, "!"]`. */
export const cut = (text: string): (string | { place: string })[] =>
  text.split(/\{(\w+)\}/).map((part, i) => (i % 2 ? { place: part } : part));

/** For attributes, where there are no elements: what is put in is isolated, so that it cannot turn its surroundings. */
export const fill = (text: string, values: Record<string, string | number>): string =>
  text.replace(/\{(\w+)\}/g, (_, place: string) => `\u2068${values[place] ?? ""}\u2069`);
