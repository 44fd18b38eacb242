import { useTranslation } from "react-i18next";
import { useErrorText } from "../ui/errors";
import type { WireError } from "../wire";

export function PanelState({ error, again }: { error: WireError | null; again: () => void }) {
  const { t } = useTranslation();
  const errorText = useErrorText();
  if (!error) {
    return (
      <div className="panel-bones" role="status" aria-label={t("panel.loading")}>
        {[70, 45, 60, 40].map((width) => (
          <span key={width} className="bone" style={{ width: `${width}%` }} />
        ))}
      </div>
    );
  }
  return (
    <div className="panel-empty" role="alert">
      <p>{t("panel.failed")}</p>
      <p className="menu-note">{errorText(error)}</p>
      <button type="button" className="button small" onClick={again}>
        {t("panel.retry")}
      </button>
    </div>
  );
}
