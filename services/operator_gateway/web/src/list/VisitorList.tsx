import { useTranslation } from "react-i18next";
import { Attribution } from "../app/About";
import { useLive } from "../app/live";
import { count } from "../format/names";
import { Toolbar } from "../toolbar/Toolbar";
import type { Site } from "../wire";
import { Crawlers } from "./Crawlers";
import { FilterBar } from "./FilterBar";
import { NoSite, NoVisitors, NothingMatches, Refused } from "./ListStates";
import { useQuery } from "./query";
import { StatusChips } from "./StatusChips";
import { useListSnapshot, useShowList } from "./useWindow";
import { VisitorGrid } from "./VisitorGrid";

export function VisitorList({ site }: { site: Site | null }) {
  const { t } = useTranslation();
  useShowList();
  const link = useLive((state) => state.link);
  const known = useLive((state) => state.operator !== null);
  const stale = link === "reconnecting" || link === "blocked";
  return (
    <section className={stale ? "list-area stale" : "list-area"} aria-label={t("list.title")}>
      <div className="list-head">
        <StatusChips />
        <FilterBar site={site} />
      </div>
      {known && site === null ? <NoSite /> : <Body site={site} />}
      <Toolbar site={site} />
      <footer className="list-foot">
        <Total />
        {site && <Crawlers key={site.site} site={site.site} />}
        <Attribution />
      </footer>
    </section>
  );
}

function Body({ site }: { site: Site | null }) {
  const { phase, window, error } = useListSnapshot();
  const filtered = useQuery((query) => Object.keys(query.filter).length > 0);
  if (phase === "refused") return <Refused code={error?.code ?? ""} />;
  const empty = window?.total === 0 && !window.loading && site !== null;
  return (
    <div className="grid-area">
      <VisitorGrid site={site} />
      {empty && (filtered ? <NothingMatches /> : <NoVisitors site={site} />)}
    </div>
  );
}

function Total() {
  const { t, i18n } = useTranslation();
  const { window, error } = useListSnapshot();
  if (error) return <span className="list-trouble">{t("list.failing", { code: error.code })}</span>;
  if (!window) return <span />;
  return (
    <span>
      {t("list.total", { count: window.total }).replace(String(window.total), count(window.total, i18n.language))}
    </span>
  );
}
