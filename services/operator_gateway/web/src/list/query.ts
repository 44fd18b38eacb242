/** What the operator wants to see: site, filter, sort, and the part of the list that the scroll position asks for. */
import { create } from "zustand";
import { prefer, usePreferences } from "../app/preferences";
import type { Filter, Sort, SortKey, Status } from "../wire";

const LARGEST_WINDOW = 200; // the gateway's limit
const MARGIN = 40; // rows kept ready above and below what is seen
const STEP = 20; // the window moves in steps, so that slow scrolling does not ask for every row

export interface ListQuery {
  site: string | null;
  filter: Filter;
  offset: number;
  limit: number;
}

export const useQuery = create<ListQuery>(() => ({ site: null, filter: {}, offset: 0, limit: 100 }));

export function showSite(site: string | null): void {
  if (useQuery.getState().site === site) return;
  useQuery.setState({ site, filter: {}, offset: 0 });
}

/** Changes parts of the filter; an empty part is left out, so that equal filters look equal. */
export function filterBy(change: Filter): void {
  const merged = { ...useQuery.getState().filter, ...change };
  const parts: [string, unknown][] = Object.entries(merged);
  const filter = Object.fromEntries(
    parts.filter(([, value]) => value !== undefined && value !== "" && (!Array.isArray(value) || value.length > 0)),
  ) as Filter;
  useQuery.setState({ filter, offset: 0 });
}

export function clearFilter(): void {
  useQuery.setState({ filter: {}, offset: 0 });
}

export function toggleStatus(status: Status): void {
  const chosen = useQuery.getState().filter.status ?? [];
  filterBy({ status: chosen.includes(status) ? chosen.filter((one) => one !== status) : [...chosen, status] });
}

/** A second click turns the order around; times and counts are first shown with the largest on top. */
export function sortBy(by: SortKey): void {
  const { sort } = usePreferences.getState();
  prefer({ sort: { by, dir: nextDirection(sort, by) } });
  useQuery.setState({ offset: 0 });
}

function nextDirection(sort: Sort, by: SortKey): Sort["dir"] {
  if (sort.by === by) return sort.dir === "asc" ? "desc" : "asc";
  const largestFirst: SortKey[] = ["returning", "visit_started_at", "chat_time", "wait_time", "pages"];
  return largestFirst.includes(by) ? "desc" : "asc";
}

/** As the gateway understands it: the column of total time shows durations, and the longest began first. */
export function wireSort(shown: Sort): Sort {
  if (shown.by !== "visit_started_at") return shown;
  return { by: shown.by, dir: shown.dir === "asc" ? "desc" : "asc" };
}

/** The window for the rows `first` to `last` (inclusive), given the one in force: kept while it has a margin left. */
export function windowFor(
  first: number,
  last: number,
  total: number,
  now: { offset: number; limit: number },
): { offset: number; limit: number } {
  const seen = last - first + 1;
  const limit = Math.min(LARGEST_WINDOW, Math.ceil((seen + 2 * MARGIN) / STEP) * STEP);
  const lastOffset = Math.max(0, Math.ceil((total - limit) / STEP) * STEP);
  const enoughAbove = now.offset === 0 || first - now.offset >= STEP;
  const enoughBelow = now.offset + now.limit >= total || now.offset + now.limit - last > STEP;
  if (now.limit === limit && now.offset <= lastOffset && enoughAbove && enoughBelow) return now;
  const centred = Math.max(0, Math.floor((first - (limit - seen) / 2) / STEP) * STEP);
  return { offset: Math.min(centred, lastOffset), limit };
}

export function showRange(first: number, last: number, total: number): void {
  const now = useQuery.getState();
  const next = windowFor(first, last, total, now);
  if (next.offset !== now.offset || next.limit !== now.limit)
    useQuery.setState({ offset: next.offset, limit: next.limit });
}
