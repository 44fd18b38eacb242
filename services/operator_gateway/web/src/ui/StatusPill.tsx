import { useTranslation } from "react-i18next";
import { useCause } from "../desk/wording";
import type { Activity, Status } from "../wire";

export function StatusPill({ status, reason }: { status: Status; reason?: string | null }) {
  const { t } = useTranslation();
  const cause = useCause();
  return (
    <span className={`pill pill-${status}`} title={reason ? `${t(`status.${status}`)}: ${cause(reason)}` : undefined}>
      {t(`status.${status}`)}
    </span>
  );
}

export function ActivityDot({ activity }: { activity: Activity }) {
  const { t } = useTranslation();
  return (
    <span
      className={`dot dot-${activity}`}
      role="img"
      aria-label={t(`activity.${activity}`)}
      title={t(`activity.${activity}`)}
    />
  );
}
