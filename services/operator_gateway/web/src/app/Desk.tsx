import { useEffect } from "react";
import { SideArea } from "../panels/SideArea";
import { VisitorList } from "../list/VisitorList";
import { showSite } from "../list/query";
import { clearSelection, followList, openPanel } from "../list/selection";
import { Header } from "./Header";
import { LinkBanner } from "./LinkBanner";
import { hurry, start, stop, useLive } from "./live";
import { usePreferences } from "./preferences";

/** The signed-in console: header, the list, and beside it the side area (panels now, a chat desk later). */
export function Desk() {
  useConnection();
  const sites = useLive((state) => state.sites);
  const preferred = usePreferences((state) => state.site);
  const site = sites.find((one) => one.site === preferred) ?? sites[0] ?? null;
  const siteId = site?.site ?? null;
  useEffect(() => {
    clearSelection();
    showSite(siteId);
  }, [siteId]);
  return (
    <div className="shell">
      <Header site={site} />
      <LinkBanner />
      <main className="desk">
        <VisitorList site={site} />
        <SideArea site={site} />
      </main>
    </div>
  );
}

function useConnection(): void {
  useEffect(() => {
    start();
    const unfollow = followList();
    const onShow = () => document.visibilityState === "visible" && hurryIfLost();
    addEventListener("online", hurryIfLost);
    document.addEventListener("visibilitychange", onShow);
    return () => {
      removeEventListener("online", hurryIfLost);
      document.removeEventListener("visibilitychange", onShow);
      unfollow();
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
