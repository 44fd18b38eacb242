import { useEffect } from "react";
import { Offers } from "../desk/Offers";
import { ShortcutHelp, useShortcuts } from "../desk/Shortcuts";
import { followRows, joinAccepted, useQueues } from "../desk/useDesk";
import { SideArea } from "../panels/SideArea";
import { VisitorList } from "../list/VisitorList";
import { showSite } from "../list/query";
import { clearSelection, followList, openPanel, useSelection } from "../list/selection";
import { useAlerts } from "./alerts";
import { Header } from "./Header";
import { LinkBanner } from "./LinkBanner";
import { hurry, start, stop, useLive } from "./live";
import { usePreferences } from "./preferences";

/** The signed-in console: header, the list, and beside it the side area with the chats and panels. */
export function Desk() {
  useConnection();
  useAlerts();
  const help = useShortcuts();
  const sites = useLive((state) => state.sites);
  const preferred = usePreferences((state) => state.site);
  const site = sites.find((one) => one.site === preferred) ?? sites[0] ?? null;
  const siteId = site?.site ?? null;
  useEffect(() => {
    clearSelection();
    showSite(siteId);
  }, [siteId]);
  useQueues(site);
  const wide = usePreferences((state) => state.wide);
  const open = useSelection((state) => state.panel !== null);
  return (
    <div className="shell">
      <Header site={site} onHelp={() => help.current?.showModal()} />
      <LinkBanner />
      <main className="desk">
        {!(wide && open) && <VisitorList site={site} />}
        <SideArea site={site} />
      </main>
      <Offers />
      <ShortcutHelp dialog={help} />
    </div>
  );
}

function useConnection(): void {
  useEffect(() => {
    start();
    const ends = [followList(), followRows(), joinAccepted()];
    const onShow = () => document.visibilityState === "visible" && hurryIfLost();
    addEventListener("online", hurryIfLost);
    document.addEventListener("visibilitychange", onShow);
    return () => {
      removeEventListener("online", hurryIfLost);
      document.removeEventListener("visibilitychange", onShow);
      for (const end of ends) end();
      stop();
      clearSelection();
      openPanel(null);
      showSite(null);
    };
  }, []);
}

function hurryIfLost(): void {
  if (useLive.getState().link === "reconnecting") hurry();
}
