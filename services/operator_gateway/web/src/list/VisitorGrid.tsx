/**
 * The list itself: a grid of as many rows as there are visitors, of which only those in sight are in the document and
 * only the window around them is in memory. Scrolling moves the window (`showRange`), at most every `MOVE_EVERY_MS`.
 */
import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useMemo, useRef, type CSSProperties } from "react";
import { useTranslation } from "react-i18next";
import { usePreferences } from "../app/preferences";
import type { Row, Site } from "../wire";
import { ROW_HEIGHT, template, visibleColumns } from "./columns";
import { GridHead } from "./GridHead";
import { showRange, useQuery } from "./query";
import { rowId, RowView } from "./RowView";
import { useSelection } from "./selection";
import { useAnchor } from "./useAnchor";
import { useGridKeys } from "./useGridKeys";
import { useLeaving } from "./useLeaving";
import { useListSnapshot } from "./useWindow";

const OVERSCAN = 6;
const MOVE_EVERY_MS = 90;
const FIRST_SKELETONS = 14;

export function VisitorGrid({ site }: { site: Site | null }) {
  const { t } = useTranslation();
  const scroller = useRef<HTMLDivElement>(null);
  const { window, change } = useListSnapshot();
  const hidden = usePreferences((state) => state.hidden);
  const density = usePreferences((state) => state.density);
  const selected = useSelection((state) => state.visitor);
  const selectedIndex = useSelection((state) => state.index);
  const leaving = useLeaving();
  const columns = useMemo(() => visibleColumns(hidden), [hidden]);
  const skills = useMemo(() => new Map(site?.skills.map(({ skill, name }) => [skill, name])), [site]);
  const height = ROW_HEIGHT[density];
  const total = window && !window.loading ? window.total : Math.max(window?.total ?? 0, FIRST_SKELETONS);
  const virtualizer = useVirtualizer({
    count: total,
    getScrollElement: () => scroller.current,
    estimateSize: () => height,
    overscan: OVERSCAN,
  });
  useEffect(() => {
    virtualizer.measure();
  }, [virtualizer, height]);
  useMovingWindow(virtualizer.range, window ? total : null);
  useTopOnNewQuery(scroller);
  useAnchor(scroller, window, height, useOrderKey());
  const onKeyDown = useGridKeys(total, (index) => virtualizer.scrollToIndex(index), pageOf(scroller, height));

  const at = (index: number): Row | undefined => window?.rows[index - window.offset];
  const style = { "--columns": template(columns), "--row-height": `${height}px` } as CSSProperties;
  const inSight = virtualizer.range;
  const items = virtualizer.getVirtualItems();
  const isShown = items.some(({ index }) => index === selectedIndex);
  const missing = items.some(({ index }) => at(index) === undefined);
  return (
    <div
      ref={scroller}
      className={`grid grid-${density}${(virtualizer.scrollOffset ?? 0) > height ? " grid-scrolled" : ""}`}
      style={style}
      role="grid"
      tabIndex={0}
      aria-label={t("list.title")}
      aria-rowcount={total + 1}
      aria-colcount={columns.length}
      aria-busy={missing || window === null || window.loading}
      aria-activedescendant={selected !== null && isShown ? rowId(selected) : undefined}
      onKeyDown={onKeyDown}
    >
      <div className="grid-width" role="presentation">
        <GridHead columns={columns} />
        <div
          className={missing ? "grid-body grid-body-missing" : "grid-body"}
          role="rowgroup"
          style={{ height: virtualizer.getTotalSize() }}
        >
          {leaving
            .filter(({ index }) => inSight && index >= inSight.startIndex && index <= inSight.endIndex)
            .map(({ key, row, index }) => (
              <RowView
                key={key}
                row={row}
                index={index}
                top={index * height}
                columns={columns}
                skills={skills}
                selected={false}
                passing="left"
              />
            ))}
          {items.map(({ index }) => {
            const row = at(index);
            if (!row) return null; // the body's background stands for it: nothing to make while scrolling fast
            return (
              <RowView
                key={row.visitor}
                row={row}
                index={index}
                top={index * height}
                columns={columns}
                skills={skills}
                selected={row.visitor === selected}
                passing={change.entered.has(row.visitor) ? "entered" : undefined}
              />
            );
          })}
        </div>
      </div>
    </div>
  );
}

/** Asks for the rows in sight; while scrolling fast, only every so often and always for the last position. */
function useMovingWindow(range: { startIndex: number; endIndex: number } | null, total: number | null): void {
  const last = useRef(0);
  const start = range?.startIndex ?? 0;
  const end = range?.endIndex ?? 0;
  useEffect(() => {
    if (total === null || end < start) return;
    const wait = Math.max(0, MOVE_EVERY_MS - (performance.now() - last.current));
    const timer = setTimeout(() => {
      last.current = performance.now();
      showRange(start, end, total);
    }, wait);
    return () => clearTimeout(timer);
  }, [start, end, total]);
}

/** Equal while the list is ordered and filtered the same way. */
function useOrderKey(): string {
  const site = useQuery((query) => query.site);
  const filter = useQuery((query) => query.filter);
  const sort = usePreferences((state) => state.sort);
  return JSON.stringify([site, filter, sort]);
}

function useTopOnNewQuery(scroller: React.RefObject<HTMLDivElement | null>): void {
  const site = useQuery((query) => query.site);
  const filter = useQuery((query) => query.filter);
  const sort = usePreferences((state) => state.sort);
  useEffect(() => {
    scroller.current?.scrollTo({ top: 0 });
  }, [scroller, site, filter, sort]);
}

function pageOf(scroller: React.RefObject<HTMLDivElement | null>, height: number): () => number {
  return () => Math.max(1, Math.floor((scroller.current?.clientHeight ?? 400) / height) - 2);
}
