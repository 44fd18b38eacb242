/** Countries, numbers and moments in the operator's language, and addresses that are safe to show or to follow. */
import { base, codes } from "virtual:flags";

const KNOWN = new Set(Array.from({ length: codes.length / 2 }, (_, i) => codes.slice(i * 2, i * 2 + 2)));

const regionNames = new Map<string, Intl.DisplayNames>();

export function countryName(code: string, language: string): string {
  let names = regionNames.get(language);
  if (!names) {
    names = new Intl.DisplayNames([language], { type: "region", fallback: "code" });
    regionNames.set(language, names);
  }
  try {
    return names.of(code.toUpperCase()) ?? code;
  } catch {
    return code; // not the form of a region code
  }
}

/** Address of the flag's file; null for a code that has none. */
export function flagAddress(code: string | null | undefined): string | null {
  const lower = (code ?? "").toLowerCase();
  return KNOWN.has(lower) ? `${base}/${lower}.svg` : null;
}

/** Upper-case codes that have both a flag and a name, by name. */
export function allCountries(language: string): { code: string; name: string }[] {
  return [...KNOWN]
    .map((code) => ({ code: code.toUpperCase(), name: countryName(code, language) }))
    .filter(({ code, name }) => code !== name && name !== "")
    .sort((a, b) => a.name.localeCompare(b.name, language));
}

/** The address, as a browser reads it, if it may become a link: http and https only. */
export function linkAddress(address: string): string | null {
  try {
    const { protocol, href } = new URL(address);
    return protocol === "http:" || protocol === "https:" ? href : null;
  } catch {
    return null;
  }
}

/** Without scheme and `www.`: what tells pages apart comes first. */
export function shortAddress(address: string): string {
  return address.replace(/^https?:\/\/(www\.)?/i, "").replace(/\/$/, "") || address;
}

export function moment(ms: number, language: string): string {
  return new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" }).format(ms);
}

export function timeOfDay(ms: number, language: string): string {
  return new Intl.DateTimeFormat(language, { timeStyle: "medium" }).format(ms);
}

export function count(value: number, language: string): string {
  return new Intl.NumberFormat(language).format(value);
}
