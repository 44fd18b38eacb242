import { useTranslation } from "react-i18next";
import { useServerNow } from "../format/ticker";
import { duration } from "../format/times";
import { useListSnapshot } from "../list/useWindow";
import { Hint } from "../ui/Hint";
import type { Slowness } from "../view/client";
import { freshness } from "./fresh";
import { useLive } from "./live";

/** How old the picture is: a mark that is green only while the gateway is heard, at the pace that it keeps. */
export function Freshness() {
  const { t } = useTranslation();
  const link = useLive((state) => state.link);
  const { heardAt, slowed } = useListSnapshot();
  const now = useServerNow();
  const age = heardAt === null ? null : Math.max(0, now - heardAt);
  const state = freshness(link, age, slowed);
  return (
    <Hint text={useHint(age, slowed)}>
      <button type="button" className={`freshness freshness-${state}`}>
        <span className="freshness-dot" aria-hidden="true" />
        <span aria-live="polite">{t(`link.${state}`)}</span>
        {state === "slowed" && slowed && (
          <span className="freshness-note">{t("link.every", { seconds: slowed.everyMs / 1_000 })}</span>
        )}
        {state !== "live" && state !== "slowed" && age !== null && (
          <span className="freshness-note" aria-hidden="true">
            {t("link.ago", { age: duration(age) })}
          </span>
        )}
      </button>
    </Hint>
  );
}

/** How old the list is, and what is late in it. */
function useHint(age: number | null, slowed: Slowness | null): string {
  const { t } = useTranslation();
  const heard = age === null ? t("link.never") : t("link.age", { age: duration(age) });
  if (!slowed) return heard;
  const late = slowed.putOff.map((what) => t(`link.late_${what}`));
  return [heard, t("link.busy", { seconds: slowed.everyMs / 1_000 }), ...late, t("link.not_late")].join(" ");
}
