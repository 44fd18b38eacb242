import { useTranslation } from "react-i18next";
import { timeOfDay } from "../format/names";
import { useServerNow } from "../format/ticker";
import { duration } from "../format/times";
import { SafeLink } from "../ui/SafeLink";
import type { NavigationPage, Row } from "../wire";
import { PanelState } from "./PanelState";
import { useAnswer } from "./useAnswer";

/** The pages of this visit, newest first; asked for again whenever the row says that there is something new. */
export function NavigationPanel({ site, row }: { site: string; row: Row }) {
  const { t } = useTranslation();
  const version = `${row.pages} ${row.page?.url ?? ""}`;
  const answer = useAnswer<{ pages: NavigationPage[] }>("visitor:navigation", site, row.visitor, version);
  const pages = answer.value?.pages;
  if (!pages) return <PanelState error={answer.error} again={answer.again} />;
  if (pages.length === 0) return <p className="panel-empty">{t("panel.no_pages")}</p>;
  const newest = [...pages].sort((a, b) => b.started_at - a.started_at);
  return (
    <ol className="timeline">
      {newest.map((page) => (
        <PageItem key={page.page} page={page} />
      ))}
    </ol>
  );
}

function PageItem({ page }: { page: NavigationPage }) {
  const { t, i18n } = useTranslation();
  return (
    <li className={page.current ? "timeline-item timeline-current" : "timeline-item"}>
      <div className="timeline-head">
        <bdi className="timeline-title">{page.title || t("panel.untitled")}</bdi>
        <span className="timeline-time" title={t("panel.engaged")}>
          {page.current ? <Running page={page} /> : duration(page.engaged_ms)}
        </span>
      </div>
      <div className="timeline-foot">
        <SafeLink address={page.url} />
        <time>{timeOfDay(page.started_at, i18n.language)}</time>
      </div>
    </li>
  );
}

/** The gateway's number is as of its answer; the page in front goes on, at most as long as it is open. */
function Running({ page }: { page: NavigationPage }) {
  const { t } = useTranslation();
  const open = useServerNow() - page.started_at;
  return (
    <>
      <span className="now-mark">{t("panel.current")}</span> {duration(Math.max(page.engaged_ms, open))}
    </>
  );
}
