import { useState } from "react";
import { useTranslation } from "react-i18next";
import { useLive } from "../app/live";
import type { Chat } from "../chat/chat";
import { HistoryPanel } from "../panels/HistoryPanel";
import { NavigationPanel } from "../panels/NavigationPanel";
import { TimelinePanel } from "../panels/TimelinePanel";
import { VisitorHead } from "../panels/VisitorHead";
import type { Row } from "../wire";

const VIEWS = ["navigation", "history", "timeline"] as const;

/** The visitor beside the conversation, where there is room for it. */
export function Details({ chat, row }: { chat: Chat; row: Row }) {
  const { t } = useTranslation();
  const [view, setView] = useState<(typeof VIEWS)[number]>("navigation");
  const site = useLive((state) => state.sites).find((one) => one.site === chat.site);
  if (!site) return null;
  return (
    <section className="details" aria-label={t("chat.visitor")}>
      <VisitorHead row={row} gone={false} site={site} />
      <div className="details-tabs" role="group" aria-label={t("chat.visitor")}>
        {VIEWS.map((one) => (
          <button key={one} type="button" aria-pressed={view === one} onClick={() => setView(one)}>
            {t(`panel.${one}`)}
          </button>
        ))}
      </div>
      {view === "navigation" && <NavigationPanel key={row.visitor} site={chat.site} row={row} gone={false} />}
      {view === "history" && <HistoryPanel key={row.visitor} site={site} row={row} />}
      {view === "timeline" && <TimelinePanel key={row.visitor} site={site} row={row} />}
    </section>
  );
}
