import { X } from "lucide-react";
import { useTranslation } from "react-i18next";
import { usePreferences } from "../app/preferences";
import { openPanel, useSelection, type Panel } from "../list/selection";
import type { Site } from "../wire";
import { HistoryPanel } from "./HistoryPanel";
import { NavigationPanel } from "./NavigationPanel";
import { Splitter } from "./Splitter";
import { VisitorHead } from "./VisitorHead";

const PANELS: readonly Panel[] = ["navigation", "history"];

/** The resizable area beside the list: one tab for each panel about the selected visitor. */
export function SideArea({ site }: { site: Site | null }) {
  const { t } = useTranslation();
  const panel = useSelection((state) => state.panel);
  const row = useSelection((state) => state.row);
  const gone = useSelection((state) => state.gone);
  const width = usePreferences((state) => state.sideWidth);
  if (panel === null || site === null) return null;
  return (
    <aside className="side" style={{ width }} aria-label={t(`panel.${panel}`)}>
      <Splitter width={width} />
      <div className="side-tabs">
        <div className="side-tablist" role="tablist">
          {PANELS.map((one) => (
            <button
              key={one}
              type="button"
              role="tab"
              id={`tab-${one}`}
              aria-selected={panel === one}
              aria-controls="side-panel"
              onClick={() => openPanel(one)}
            >
              {t(`panel.${one}`)}
            </button>
          ))}
        </div>
        <span className="header-space" />
        <button type="button" className="icon-button" aria-label={t("panel.close")} onClick={() => openPanel(null)}>
          <X size={16} />
        </button>
      </div>
      {row === null ? (
        <p className="panel-empty">{t("panel.pick")}</p>
      ) : (
        <div className="side-scroll">
          <VisitorHead row={row} gone={gone} site={site} />
          <div id="side-panel" role="tabpanel" aria-labelledby={`tab-${panel}`}>
            {panel === "navigation" ? (
              <NavigationPanel key={row.visitor} site={site.site} row={row} gone={gone} />
            ) : (
              <HistoryPanel key={row.visitor} site={site.site} row={row} />
            )}
          </div>
        </div>
      )}
    </aside>
  );
}
