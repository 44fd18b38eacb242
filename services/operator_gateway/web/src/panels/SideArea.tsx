import { Maximize2, Minimize2, X } from "lucide-react";
import { useTranslation } from "react-i18next";
import { useLive } from "../app/live";
import { prefer, usePreferences } from "../app/preferences";
import { unreadOf } from "../chat/chat";
import { ChatsPanel } from "../desk/ChatsPanel";
import { InboxPanel } from "../desk/InboxPanel";
import { useDesk, useWaiting } from "../desk/useDesk";
import { openPanel, useSelection, type Panel } from "../list/selection";
import type { Row, Site } from "../wire";
import { HistoryPanel } from "./HistoryPanel";
import { NavigationPanel } from "./NavigationPanel";
import { Splitter } from "./Splitter";
import { TimelinePanel } from "./TimelinePanel";
import { VisitorHead } from "./VisitorHead";

const PANELS: readonly Panel[] = ["chats", "navigation", "history", "timeline", "inbox"];

/** The resizable area beside the list: the chats, the panels about the selected visitor, and the inbox. */
export function SideArea({ site }: { site: Site | null }) {
  const { t } = useTranslation();
  const panel = useSelection((state) => state.panel);
  const width = usePreferences((state) => state.sideWidth);
  const wide = usePreferences((state) => state.wide);
  if (panel === null || site === null) return null;
  return (
    <aside
      className={wide ? "side side-wide" : "side"}
      style={wide ? undefined : { width }}
      aria-label={t(`panel.${panel}`)}
    >
      {!wide && <Splitter width={width} />}
      <div className="side-tabs">
        <PanelTabs panel={panel} site={site} />
        <span className="header-space" />
        <button
          type="button"
          className="icon-button"
          aria-label={t(wide ? "panel.narrow" : "panel.widen")}
          title={t(wide ? "panel.narrow" : "panel.widen")}
          onClick={() => prefer({ wide: !wide })}
        >
          {wide ? <Minimize2 size={15} /> : <Maximize2 size={15} />}
        </button>
        <button type="button" className="icon-button" aria-label={t("panel.close")} onClick={() => openPanel(null)}>
          <X size={16} />
        </button>
      </div>
      <div id="side-panel" className="side-panel" role="tabpanel" aria-labelledby={`tab-${panel}`}>
        {panel === "chats" ? (
          <ChatsPanel />
        ) : panel === "inbox" ? (
          <div className="side-scroll">
            <InboxPanel key={site.site} site={site} />
          </div>
        ) : (
          <VisitorPanel panel={panel} site={site} />
        )}
      </div>
    </aside>
  );
}

function PanelTabs({ panel, site }: { panel: Panel; site: Site }) {
  const { t } = useTranslation();
  const { chats } = useDesk();
  const waiting = useWaiting().length;
  const inbox = useLive((state) => state.inbox[site.site]) ?? 0;
  const marks: Partial<Record<Panel, number>> = {
    chats: waiting + chats.filter((chat) => unreadOf(chat) > 0).length,
    inbox,
  };
  return (
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
          {(marks[one] ?? 0) > 0 && <span className="count-mark">{marks[one]}</span>}
        </button>
      ))}
    </div>
  );
}

/** A panel about the selected visitor. */
function VisitorPanel({ panel, site }: { panel: "navigation" | "history" | "timeline"; site: Site }) {
  const { t } = useTranslation();
  const row = useSelection((state) => state.row);
  const gone = useSelection((state) => state.gone);
  if (row === null) return <p className="panel-empty">{t("panel.pick")}</p>;
  return (
    <div className="side-scroll">
      <VisitorHead row={row} gone={gone} site={site} />
      <About panel={panel} site={site} row={row} gone={gone} />
    </div>
  );
}

interface AboutProps {
  panel: "navigation" | "history" | "timeline";
  site: Site;
  row: Row;
  gone: boolean;
}

function About({ panel, site, row, gone }: AboutProps) {
  switch (panel) {
    case "navigation":
      return <NavigationPanel key={row.visitor} site={site.site} row={row} gone={gone} />;
    case "history":
      return <HistoryPanel key={row.visitor} site={site} row={row} />;
    case "timeline":
      return <TimelinePanel key={row.visitor} site={site} row={row} />;
  }
}
