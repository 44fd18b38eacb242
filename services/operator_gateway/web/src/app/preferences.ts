/** What an operator likes, remembered in this browser. Unknown or broken stored values are ignored. */
import { create } from "zustand";
import { SORT_KEYS, type Sort } from "../wire";

const KEY = "foyer.preferences";
const THEME_KEY = "foyer.theme"; // its own key: theme.js reads it before anything else runs

export const COLUMNS = [
  "returning",
  "nickname",
  "country",
  "skill",
  "status",
  "operator",
  "visit_started_at",
  "chat_time",
  "wait_time",
  "page",
  "pages",
] as const satisfies readonly Sort["by"][];
export type Column = (typeof COLUMNS)[number];

export type Theme = "system" | "light" | "dark";
export type Density = "comfortable" | "compact";

export interface Preferences {
  theme: Theme;
  density: Density;
  hidden: Column[];
  sort: Sort;
  site: string | null;
  sideWidth: number;
  /** A tone when somebody waits or writes. */
  sound: boolean;
  /** The desk takes the list's place too. */
  wide: boolean;
}

const DEFAULTS: Preferences = {
  theme: "system",
  density: "comfortable",
  hidden: [],
  sort: { by: "visit_started_at", dir: "desc" },
  site: null,
  sideWidth: 440,
  sound: true,
  wide: false,
};

function isSort(value: unknown): value is Sort {
  if (typeof value !== "object" || value === null || !("by" in value) || !("dir" in value)) return false;
  return SORT_KEYS.some((key) => key === value.by) && (value.dir === "asc" || value.dir === "desc");
}

/** Takes what is sound from stored text; exported for its test. */
export function readPreferences(text: string | null, theme: string | null): Preferences {
  let stored: Partial<Record<keyof Preferences, unknown>> = {};
  try {
    const value: unknown = JSON.parse(text ?? "{}");
    if (typeof value === "object" && value !== null) stored = value;
  } catch {
    // Not ours or cut off: the defaults are fine.
  }
  const hidden = Array.isArray(stored.hidden) ? stored.hidden : [];
  const width = typeof stored.sideWidth === "number" ? stored.sideWidth : DEFAULTS.sideWidth;
  return {
    theme: theme === "light" || theme === "dark" ? theme : "system",
    density: stored.density === "compact" ? "compact" : "comfortable",
    hidden: COLUMNS.filter((column) => column !== "nickname" && hidden.includes(column)),
    sort: isSort(stored.sort) ? stored.sort : DEFAULTS.sort,
    site: typeof stored.site === "string" ? stored.site : null,
    sideWidth: Math.min(1_000, Math.max(320, width)),
    sound: stored.sound !== false,
    wide: stored.wide === true,
  };
}

function load(): Preferences {
  try {
    return readPreferences(localStorage.getItem(KEY), localStorage.getItem(THEME_KEY));
  } catch {
    return DEFAULTS;
  }
}

export const usePreferences = create<Preferences>(load);

export function prefer(change: Partial<Preferences>): void {
  usePreferences.setState(change);
  const { theme, ...rest } = usePreferences.getState();
  try {
    localStorage.setItem(KEY, JSON.stringify(rest));
    if (theme === "system") localStorage.removeItem(THEME_KEY);
    else localStorage.setItem(THEME_KEY, theme);
  } catch {
    // Storage is full or off: the choice holds until the page is closed.
  }
  showTheme();
}

export function showTheme(): void {
  const { theme } = usePreferences.getState();
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}
