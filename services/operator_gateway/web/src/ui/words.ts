/** Codes of the gateway that the catalogue has words for. New codes are shown as they are, or not at all. */
import { en } from "../i18n/en";

type Section = "why" | "gone" | "cause" | "answer" | "asked_why";

export function isKnownKey<S extends Section>(section: S, code: string): code is string & keyof (typeof en)[S] {
  return Object.hasOwn(en[section], code);
}
