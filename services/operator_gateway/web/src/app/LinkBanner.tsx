import { RefreshCw, WifiOff } from "lucide-react";
import { useTranslation } from "react-i18next";
import { hurry, useLive } from "./live";

/** Says that the picture may be old, and why; the list stays readable below it. */
export function LinkBanner() {
  const { t } = useTranslation();
  const link = useLive((state) => state.link);
  const unreachable = useLive((state) => state.unreachable);
  if (link === "live" || (link === "connecting" && !unreachable)) return null;
  const text = link === "blocked" ? "link.banner_blocked" : unreachable ? "link.banner_away" : "link.banner";
  return (
    <div className={`banner banner-${link}`} role="alert">
      <WifiOff size={16} aria-hidden="true" />
      <span>{t(text)}</span>
      <button type="button" className="button small" onClick={hurry}>
        <RefreshCw size={14} aria-hidden="true" />
        {t("link.now")}
      </button>
    </div>
  );
}
