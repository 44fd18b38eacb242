import type { TFunction } from "i18next";
import { useTranslation } from "react-i18next";
import { SafeLink } from "../ui/SafeLink";
import { SOURCE_KINDS, type Source } from "../wire";

interface Origin {
  source?: Source | null;
  referrer?: string | null;
}

/** Where a visit came from, in words, and the address if there was one. */
export function CameFrom({ of: { source, referrer } }: { of: Origin }) {
  const { t } = useTranslation();
  return (
    <dd className="came-from">
      <bdi>{sourceText(source, t)}</bdi>
      {referrer && <SafeLink address={referrer} />}
    </dd>
  );
}

/** The kind in words and its name, as "Search engine · Bing". */
export function sourceText(source: Source | null | undefined, t: TFunction): string {
  const kind = SOURCE_KINDS.find((one) => one === source?.kind) ?? "direct";
  return [t(`source.${kind}`), source?.name].filter(Boolean).join(" · ");
}
