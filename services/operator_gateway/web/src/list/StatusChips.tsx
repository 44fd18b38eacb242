import { useTranslation } from "react-i18next";
import { count } from "../format/names";
import { STATUSES } from "../wire";
import { filterBy, toggleStatus, useQuery } from "./query";
import { useListSnapshot } from "./useWindow";

/** A counter for each status; a click shows only these. */
export function StatusChips() {
  const { t, i18n } = useTranslation();
  const { window } = useListSnapshot();
  const chosen = useQuery((query) => query.filter.status) ?? [];
  const counts = window?.counts ?? {};
  const all = Object.values(counts).reduce((sum, one) => sum + one, 0);
  return (
    <div className="chips" role="group" aria-label={t("column.status")}>
      <button
        type="button"
        className="chip chip-all"
        aria-pressed={chosen.length === 0}
        onClick={() => filterBy({ status: [] })}
      >
        {t("list.all")}
        <span className="chip-count">{window ? count(all, i18n.language) : "–"}</span>
      </button>
      {STATUSES.map((status) => (
        <button
          key={status}
          type="button"
          className={`chip pill-${status}${counts[status] ? "" : " chip-none"}`}
          aria-pressed={chosen.includes(status)}
          onClick={() => toggleStatus(status)}
        >
          <span className="chip-dot" aria-hidden="true" />
          {t(`status.${status}`)}
          <span className="chip-count">{count(counts[status] ?? 0, i18n.language)}</span>
        </button>
      ))}
    </div>
  );
}
