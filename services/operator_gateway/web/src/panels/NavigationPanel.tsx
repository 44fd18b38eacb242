import { useTranslation } from "react-i18next";
import { timeOfDay } from "../format/names";
import { useServerNow } from "../format/ticker";
import { duration } from "../format/times";
import { SafeLink } from "../ui/SafeLink";
import type { NavigationPage, Row } from "../wire";
import { PanelState } from "./PanelState";
import { useAnswer } from "./useAnswer";

/** The pages of this visit, newest first; asked for again whenever the row says that there is something new. */
export function NavigationPanel({ site, row, gone }: { site: string; row: Row; gone: boolean }) {
  const { t } = useTranslation();
  const version = `${row.pages} ${row.page?.url ?? ""} ${row.activity}`;
  // The activity too: with it starts or stops the time of the page in front.
  const answer = useAnswer<{ pages: NavigationPage[] }>("visitor:navigation", site, row.visitor, version);
  const pages = answer.value?.pages;
  if (!pages) return <PanelState error={answer.error} again={answer.again} />;
  if (pages.length === 0) return <p className="panel-empty">{t("panel.no_pages")}</p>;
  const newest = [...pages].sort((a, b) => b.started_at - a.started_at);
  return (
    <ol className="timeline">
      {newest.map((page) => (
        <PageItem
          key={page.page}
          page={page}
          askedAt={answer.at}
          inFront={page.current === true && !gone}
          counting={row.activity !== "away"}
        />
      ))}
    </ol>
  );
}

interface PageItemProps {
  page: NavigationPage;
  askedAt: number;
  inFront: boolean;
  /** Time in a hidden tab is not counted. */
  counting: boolean;
}

function PageItem({ page, askedAt, inFront, counting }: PageItemProps) {
  const { t, i18n } = useTranslation();
  const engagedMs = page.engaged_ms ?? 0;
  return (
    <li className={inFront ? "timeline-item timeline-current" : "timeline-item"}>
      <div className="timeline-head">
        <bdi className="timeline-title">{page.title || t("panel.untitled")}</bdi>
        <span className="timeline-time" title={t("panel.engaged")}>
          {inFront && <span className="now-mark">{t("panel.current")} </span>}
          {inFront && counting ? <Running engagedMs={engagedMs} askedAt={askedAt} /> : duration(engagedMs)}
        </span>
      </div>
      <div className="timeline-foot">
        <SafeLink address={page.url} />
        <time>{timeOfDay(page.started_at, i18n.language)}</time>
      </div>
    </li>
  );
}

/** The gateway's number is as of its answer; the page in front has gone on since. */
function Running({ engagedMs, askedAt }: { engagedMs: number; askedAt: number }) {
  return <>{duration(engagedMs + Math.max(0, useServerNow() - askedAt))}</>;
}
