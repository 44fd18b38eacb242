/** What every part of the view is given, and what it gives back. */
import type { Act } from "../act";
import type { Texts } from "../language";
import type { State } from "../state";

export interface App {
  texts: Texts;
  /** The visitor did something. */
  act: (what: Act) => void;
  /** The visitor is writing; `text` is empty when the field is. */
  writing: (text: string) => void;
}

/** A part of the view: its element, made once, and how it follows the state. */
export interface View {
  element: HTMLElement;
  update: (state: State) => void;
  /** Where the visitor goes on when this has just appeared. */
  focus?: () => void;
}

/** Names of people, or of us all where none is known. */
export const namesOf = (people: readonly { name?: string }[], texts: Texts): string =>
  people.map(({ name }) => name).filter(Boolean).join(", ") || texts.team;

const PROBLEMS: Partial<Record<string, keyof Texts>> = {
  banned: "barred",
  cooldown: "barred",
  offer_expired: "expired",
};

export const problemText = (code: string, texts: Texts): string => (code ? texts[PROBLEMS[code] ?? "problem"] : "");
