import { useTranslation } from "react-i18next";
import { useServerNow } from "../format/ticker";
import { duration } from "../format/times";
import { useListSnapshot } from "../list/useWindow";
import { Hint } from "../ui/Hint";
import { useLive } from "./live";

// The gateway proves every 10 s that both sides are equal; half of that again may be the way and a busy moment.
const SLOWED_AFTER_MS = 15_000;

/** How old the picture is: a mark that is green only while the gateway is heard. */
export function Freshness() {
  const { t } = useTranslation();
  const link = useLive((state) => state.link);
  const { heardAt } = useListSnapshot();
  const age = useAge(heardAt);
  const state = link !== "live" ? link : age !== null && age > SLOWED_AFTER_MS ? "slowed" : "live";
  return (
    <Hint text={age === null ? t("link.never") : t("link.age", { age: duration(age) })}>
      <button type="button" className={`freshness freshness-${state}`} aria-live="polite">
        <span className="freshness-dot" aria-hidden="true" />
        {t(`link.${state}`)}
      </button>
    </Hint>
  );
}

function useAge(heardAt: number | null): number | null {
  const now = useServerNow();
  return heardAt === null ? null : Math.max(0, now - heardAt);
}
