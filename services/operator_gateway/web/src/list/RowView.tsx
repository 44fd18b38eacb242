import { History } from "lucide-react";
import { memo, useState, type CSSProperties } from "react";
import { useTranslation } from "react-i18next";
import type { Column } from "../app/preferences";
import { shortAddress } from "../format/names";
import { useServerNow } from "../format/ticker";
import { chatSpan, duration, spanText, waitSpan, type Span } from "../format/times";
import { Country } from "../ui/Flag";
import { ActivityDot, StatusPill } from "../ui/StatusPill";
import type { Row } from "../wire";
import { isNumeric } from "./columns";
import { openPanel, select } from "./selection";

interface RowViewProps {
  row: Row;
  index: number;
  top: number;
  columns: readonly Column[];
  skills: ReadonlyMap<string, string>;
  selected: boolean;
  /** How the row is on its way: just come, or just gone (then it is only a fading picture). */
  passing?: "entered" | "left" | undefined;
}

export const RowView = memo(function RowView({ row, index, top, columns, skills, selected, passing }: RowViewProps) {
  const style: CSSProperties = { transform: `translateY(${top}px)` };
  const gone = passing === "left";
  return (
    <div
      className={`row${selected ? " row-selected" : ""}${passing ? ` row-${passing}` : ""} row-is-${row.status}`}
      style={style}
      role={gone ? "presentation" : "row"}
      aria-hidden={gone || undefined}
      id={gone ? undefined : rowId(row.visitor)}
      aria-rowindex={gone ? undefined : index + 2}
      aria-selected={gone ? undefined : selected}
      onClick={() => select(row, index)}
      onDoubleClick={() => openPanel("navigation")}
    >
      {columns.map((column, at) => (
        <div
          key={column}
          role="gridcell"
          aria-colindex={at + 1}
          className={`cell cell-${column}${isNumeric(column) ? " cell-number" : ""}`}
        >
          <Cell column={column} row={row} index={index} skills={skills} />
        </div>
      ))}
    </div>
  );
});

export function rowId(visitor: string): string {
  return `visitor-${visitor}`;
}

interface CellProps {
  column: Column;
  row: Row;
  index: number;
  skills: ReadonlyMap<string, string>;
}

function Cell({ column, row, index, skills }: CellProps) {
  switch (column) {
    case "returning":
      return row.returning ? <Earlier row={row} index={index} /> : null;
    case "nickname":
      return (
        <bdi className={row.named ? "nickname nickname-named" : "nickname"} title={row.nickname}>
          {row.nickname}
        </bdi>
      );
    case "country":
      return <Country code={row.country} />;
    case "skill":
      return <span className="muted-cell">{row.skill ? (skills.get(row.skill) ?? row.skill) : ""}</span>;
    case "status":
      return (
        <Flashing value={row.status}>
          <ActivityDot activity={row.activity} />
          <StatusPill status={row.status} reason={row.reason} />
        </Flashing>
      );
    case "operator":
      return <bdi title={names(row)}>{names(row)}</bdi>;
    case "visit_started_at":
      return <Since at={row.visit_started_at} />;
    case "chat_time":
      return <Timed span={chatSpan(row)} />;
    case "wait_time":
      return <Timed span={waitSpan(row)} />;
    case "page":
      return <PageCell row={row} />;
    case "pages":
      return <Flashing value={row.pages}>{row.pages}</Flashing>;
  }
}

function names(row: Row): string {
  return row.operators.map(({ name }) => name).join(", ");
}

function Earlier({ row, index }: { row: Row; index: number }) {
  const { t } = useTranslation();
  const earlier = row.visits - 1;
  const label = earlier > 0 ? t("list.earlier", { count: earlier }) : t("list.earlier_some");
  return (
    <button
      type="button"
      className="earlier"
      tabIndex={-1}
      title={label}
      aria-label={label}
      onClick={(event) => {
        event.stopPropagation();
        select(row, index);
        openPanel("history");
      }}
    >
      <History size={15} />
    </button>
  );
}

function PageCell({ row }: { row: Row }) {
  const { t } = useTranslation();
  const { page } = row;
  if (!page) return null;
  const address = shortAddress(page.url);
  return (
    <Flashing value={page.url} className="page">
      <bdi className="page-title" title={page.title}>
        {page.title || t("panel.untitled")}
      </bdi>
      <bdi className="page-address" title={page.url}>
        {address}
      </bdi>
    </Flashing>
  );
}

function Since({ at }: { at: number }) {
  return <>{duration(useServerNow() - at)}</>;
}

function Timed({ span }: { span: Span | null }) {
  if (!span) return null;
  return span.until === null ? (
    <span className="running">
      <Since at={span.from} />
    </span>
  ) : (
    <>{spanText(span, span.until)}</>
  );
}

/** Lights up for a moment when the value changes while it is on the screen, not when it comes into view. */
function Flashing({
  value,
  className,
  children,
}: {
  value: string | number;
  className?: string;
  children: React.ReactNode;
}) {
  const [shown, setShown] = useState({ value, changes: 0 });
  if (shown.value !== value) setShown({ value, changes: shown.changes + 1 });
  const flash = shown.changes === 0 ? "" : shown.changes % 2 ? " flash-odd" : " flash-even";
  return <span className={`flashing${flash}${className ? ` ${className}` : ""}`}>{children}</span>;
}
