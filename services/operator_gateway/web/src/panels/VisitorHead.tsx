import { useTranslation } from "react-i18next";
import { countryName, moment } from "../format/names";
import { Country } from "../ui/Flag";
import { ActivityDot, StatusPill } from "../ui/StatusPill";
import type { Device, Row, Site } from "../wire";
import { CameFrom } from "./CameFrom";

/** Who this is: what the row knows, spelled out. */
export function VisitorHead({ row, gone, site }: { row: Row; gone: boolean; site: Site }) {
  const { t, i18n } = useTranslation();
  const skill = site.skills.find((one) => one.skill === row.skill)?.name ?? row.skill;
  return (
    <header className="visitor-head">
      <div className="visitor-title">
        <Country code={row.country} bare />
        <h2>
          <bdi>{row.nickname}</bdi>
        </h2>
        {!gone && (
          <>
            <ActivityDot activity={row.activity} />
            <StatusPill status={row.status} reason={row.reason} />
          </>
        )}
      </div>
      {gone && <p className="visitor-gone">{t("panel.left")}</p>}
      <dl className="facts">
        <Fact
          name={t("panel.country")}
          value={row.country ? countryName(row.country, i18n.language) : t("list.unknown")}
        />
        <Fact name={t("panel.started")} value={moment(row.visit_started_at, i18n.language)} />
        <Fact name={t("panel.visits")} value={row.visits} />
        <Fact name={t("panel.skill")} value={skill} />
        <Fact name={t("panel.device")} value={deviceText(row.device)} />
        <Fact name={t("panel.language")} value={row.lang} />
        <div className="fact-wide">
          <dt>{t("panel.came_from")}</dt>
          <CameFrom of={row} />
        </div>
      </dl>
    </header>
  );
}

function Fact({ name, value }: { name: string; value: string | number | null | undefined }) {
  if (value === null || value === undefined || value === "") return null;
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        <bdi>{value}</bdi>
      </dd>
    </div>
  );
}

export function deviceText(device: Device | null | undefined): string {
  return [device?.browser, device?.os].filter(Boolean).join(" · ");
}
