import { useTranslation } from "react-i18next";
import { timeOfDay } from "../format/names";
import { StatusPill } from "../ui/StatusPill";
import { isKnownKey } from "../ui/words";
import { STATUSES, type Row, type Site, type Status } from "../wire";
import { PanelState } from "./PanelState";
import { useAnswer } from "./useAnswer";

/** A line of the timeline; the gateway may say more than this. */
interface Moment {
  at?: number;
  status?: string;
  by?: { kind?: string; name?: string } | null;
  reason?: string;
  why?: string;
  skill?: string;
}

/** Who did what with this visitor, when and why, newest first. */
export function TimelinePanel({ site, row }: { site: Site; row: Row }) {
  const { t } = useTranslation();
  const version = `${row.status} ${row.chat ?? ""} ${row.operators.map(({ id }) => id).join()}`;
  const answer = useAnswer<{ timeline?: Moment[] }>("visitor:get", site.site, row.visitor, version);
  if (!answer.value) return <PanelState error={answer.error} again={answer.again} />;
  const lines = answer.value.timeline ?? [];
  if (lines.length === 0) return <p className="panel-empty">{t("timeline.none")}</p>;
  return (
    <ol className="timeline">
      {lines.map((line, at) => (
        <MomentItem key={`${line.at ?? 0} ${at}`} line={line} site={site} />
      ))}
    </ol>
  );
}

function isStatus(value: string | undefined): value is Status {
  return STATUSES.some((one) => one === value);
}

function MomentItem({ line, site }: { line: Moment; site: Site }) {
  const { t, i18n } = useTranslation();
  const who = line.by?.name || t(line.by?.kind === "visitor" ? "line.visitor" : "line.system");
  const skill = site.skills.find((one) => one.skill === line.skill)?.name ?? line.skill;
  const reason = line.reason ? (isKnownKey("cause", line.reason) ? t(`cause.${line.reason}`) : line.reason) : "";
  const why = line.why ? (isKnownKey("why", line.why) ? t(`why.${line.why}`) : t("why.rule", { rule: line.why })) : "";
  return (
    <li className="timeline-item">
      <div className="timeline-head">
        {isStatus(line.status) ? <StatusPill status={line.status} /> : <span>{skill}</span>}
        <time className="timeline-time">{line.at ? timeOfDay(line.at, i18n.language) : ""}</time>
      </div>
      <div className="timeline-foot">
        <bdi>{who}</bdi>
        <span dir="auto">{[reason, isStatus(line.status) ? skill : "", why].filter(Boolean).join(" · ")}</span>
      </div>
    </li>
  );
}
