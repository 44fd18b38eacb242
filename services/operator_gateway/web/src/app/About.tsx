import type { RefObject } from "react";
import { useTranslation } from "react-i18next";
import { Mark } from "../ui/Mark";
import { useSession } from "./session";

export function About({ dialog }: { dialog: RefObject<HTMLDialogElement | null> }) {
  const { t } = useTranslation();
  return (
    <dialog ref={dialog} className="dialog about" aria-label={t("header.about")}>
      <Mark size={44} />
      <h2>{t("product")}</h2>
      <p>{t("about.text")}</p>
      <Attribution dated />
      <form method="dialog">
        <button type="submit" className="button">
          {t("about.close")}
        </button>
      </form>
    </dialog>
  );
}

/** The licence of the country data asks for it. */
export function Attribution({ dated = false }: { dated?: boolean }) {
  const { t } = useTranslation();
  const geoip = useSession((state) => state.me?.geoip);
  if (!geoip?.attribution) return null;
  return (
    <span className="attribution">
      {geoip.attribution.includes("DB-IP") ? (
        <a href="https://db-ip.com" target="_blank" rel="noopener noreferrer">
          {geoip.attribution}
        </a>
      ) : (
        geoip.attribution
      )}
      {dated && geoip.date ? ` · ${t("about.geoip_date", { date: geoip.date })}` : ""}
    </span>
  );
}
