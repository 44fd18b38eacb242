import { ChevronRight } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { ask } from "../app/live";
import { moment, timeOfDay } from "../format/names";
import { duration } from "../format/times";
import { Country } from "../ui/Flag";
import { SafeLink } from "../ui/SafeLink";
import type { HistoryPage, Row, Site, Visit, WireError } from "../wire";
import { CameFrom } from "./CameFrom";
import { ChatsOfVisitor } from "./ChatsOfVisitor";
import { PanelState } from "./PanelState";
import { useAnswer } from "./useAnswer";
import { deviceText } from "./VisitorHead";

const MOST_VISITS = 500; // older ones are found in the reports

/** The visitor's chats with their transcripts, and the earlier visits, newest first, a page of them at a time. */
export function HistoryPanel({ site, row }: { site: Site; row: Row }) {
  return (
    <>
      <ChatsOfVisitor site={site} row={row} />
      <Visits site={site.site} row={row} />
    </>
  );
}

function Visits({ site, row }: { site: string; row: Row }) {
  const { t } = useTranslation();
  const first = useAnswer<HistoryPage>("visitor:history", site, row.visitor, String(row.visits));
  const [older, setOlder] = useState<HistoryPage>({ visits: [] });
  const [error, setError] = useState<WireError | null>(null);
  if (!first.value) return <PanelState error={first.error} again={first.again} />;
  const seen = new Set<string>();
  const visits = [...first.value.visits, ...older.visits].filter(({ visit }) => !seen.has(visit) && seen.add(visit));
  const next = older.visits.length > 0 ? older.next : first.value.next;

  async function more() {
    const ack = await ask<HistoryPage>("visitor:history", { site, visitor: row.visitor, before: next });
    if (ack.ok) setOlder((known) => ({ visits: [...known.visits, ...ack.visits], next: ack.next ?? null }));
    setError(ack.ok ? null : ack.error);
  }

  if (visits.length === 0) return <p className="panel-empty">{t("panel.no_visits")}</p>;
  return (
    <section className="visits" aria-label={t("panel.earlier")}>
      <h3 className="visits-title">{t("panel.earlier")}</h3>
      {visits.map((visit, index) => (
        <VisitItem key={visit.visit} visit={visit} open={index === 0} />
      ))}
      {error && <PanelState error={error} again={() => void more()} />}
      {next && visits.length < MOST_VISITS && !error && (
        <button type="button" className="button wide" onClick={() => void more()}>
          {t("panel.more")}
        </button>
      )}
    </section>
  );
}

function VisitItem({ visit, open }: { visit: Visit; open: boolean }) {
  const { t, i18n } = useTranslation();
  const length = visit.ended_at === null ? visit.engaged_ms : visit.ended_at - visit.started_at;
  return (
    <details className="visit" open={open}>
      <summary>
        <ChevronRight className="visit-arrow" size={15} aria-hidden="true" />
        <Country code={visit.country} bare />
        <span className="visit-when">{moment(visit.started_at, i18n.language)}</span>
        <span className="visit-sum">
          {t("panel.pages", { count: visit.pages })} · {duration(length)}
        </span>
      </summary>
      <dl className="facts">
        <div className="fact-wide">
          <dt>{t("panel.came_from")}</dt>
          <CameFrom of={visit} />
        </div>
        {deviceText(visit.device) && (
          <div className="fact-wide">
            <dt>{t("panel.device")}</dt>
            <dd>{deviceText(visit.device)}</dd>
          </div>
        )}
      </dl>
      <ol className="timeline">
        {visit.page_views.map((page) => (
          <li key={page.page} className="timeline-item">
            <div className="timeline-head">
              <bdi className="timeline-title">{page.title || t("panel.untitled")}</bdi>
              <span className="timeline-time">{duration(page.engaged_ms ?? 0)}</span>
            </div>
            <div className="timeline-foot">
              <SafeLink address={page.url} />
              <time>{timeOfDay(page.started_at, i18n.language)}</time>
            </div>
          </li>
        ))}
      </ol>
    </details>
  );
}
