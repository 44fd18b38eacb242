/** Widths and looks of the list's columns. Widths are CSS variables, so that narrow lists can change them. */
import { COLUMNS, type Column } from "../app/preferences";

export const ROW_HEIGHT = { comfortable: 42, compact: 30 } as const;

const NUMERIC: ReadonlySet<Column> = new Set(["visit_started_at", "chat_time", "wait_time", "pages"]);

export function isNumeric(column: Column): boolean {
  return NUMERIC.has(column);
}

export function visibleColumns(hidden: readonly Column[]): Column[] {
  return COLUMNS.filter((column) => !hidden.includes(column));
}

/** `grid-template-columns` for these columns. */
export function template(columns: readonly Column[]): string {
  return columns.map((column) => `var(--w-${column})`).join(" ");
}
