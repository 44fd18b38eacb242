import { ArrowDown, ArrowUp, History } from "lucide-react";
import { useTranslation } from "react-i18next";
import { usePreferences, type Column } from "../app/preferences";
import { isNumeric } from "./columns";
import { sortBy } from "./query";

export function GridHead({ columns }: { columns: readonly Column[] }) {
  const { t } = useTranslation();
  const sort = usePreferences((state) => state.sort);
  return (
    <div className="grid-head" role="rowgroup">
      <div className="head-row" role="row" aria-rowindex={1}>
        {columns.map((column, at) => {
          const sorted = sort.by === column ? sort.dir : null;
          const name = t(`column.${column}`);
          return (
            <div
              key={column}
              role="columnheader"
              aria-colindex={at + 1}
              aria-sort={sorted === null ? "none" : sorted === "asc" ? "ascending" : "descending"}
              className={`head-cell head-${column}${isNumeric(column) ? " head-number" : ""}`}
            >
              <button type="button" title={t("list.sort_by", { column: name })} onClick={() => sortBy(column)}>
                {column === "returning" ? <History size={14} aria-label={name} /> : <span>{name}</span>}
                {sorted === "asc" && <ArrowUp size={13} aria-hidden="true" />}
                {sorted === "desc" && <ArrowDown size={13} aria-hidden="true" />}
              </button>
            </div>
          );
        })}
      </div>
    </div>
  );
}
