import { Globe } from "lucide-react";
import { useTranslation } from "react-i18next";
import { countryName, flagAddress } from "../format/names";

/** Flag with the country's name; what cannot be told is said to be unknown. */
export function Country({ code, bare = false }: { code: string | null; bare?: boolean }) {
  const { t, i18n } = useTranslation();
  const flag = flagAddress(code);
  const name = code ? countryName(code, i18n.language) : t("list.unknown");
  return (
    <span className={code ? "country" : "country country-unknown"} title={name}>
      {flag ? (
        <img className="flag" src={flag} width={20} height={15} alt={bare ? name : ""} decoding="async" />
      ) : (
        <Globe className="flag-none" size={15} aria-hidden="true" />
      )}
      {!bare && <span className="country-name">{name}</span>}
    </span>
  );
}
