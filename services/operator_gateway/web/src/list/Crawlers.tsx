import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { count } from "../format/names";
import { api } from "../net/api";
import { Hint } from "../ui/Hint";
import type { BotCount } from "../wire";

/** Collectors tell their counts once a minute. */
const ASK_EVERY_MS = 60_000;

/** What crawlers asked for today: they are not among the visitors, but the site's people may know who comes. */
export function Crawlers({ site }: { site: string }) {
  const { t, i18n } = useTranslation();
  const bots = useCrawlers(site);
  if (bots === null) return null;
  const requests = bots.reduce((sum, bot) => sum + bot.requests, 0);
  if (requests === 0) return <span className="crawlers">{t("crawlers.none")}</span>;
  const total = t("crawlers.today", { count: requests }).replace(String(requests), count(requests, i18n.language));
  return (
    <Hint text={<CrawlerNames bots={bots} />}>
      <button type="button" className="crawlers">
        {total}
        <bdi>{bots.slice(0, 3).map(({ name }) => ` · ${nameOf(name, t("crawlers.others"))}`)}</bdi>
      </button>
    </Hint>
  );
}

/** Today's crawlers, the busiest first; null until they are known. While the server is away the last ones stay. */
function useCrawlers(site: string): BotCount[] | null {
  const [bots, setBots] = useState<BotCount[] | null>(null);
  useEffect(() => {
    let over = false;
    const ask = () => {
      api.bots(site, 1).then(
        ({ days }) => over || setBots(days[0]?.bots ?? []),
        () => undefined,
      );
    };
    ask();
    const timer = setInterval(ask, ASK_EVERY_MS);
    return () => {
      over = true;
      clearInterval(timer);
    };
  }, [site]);
  return bots;
}

function CrawlerNames({ bots }: { bots: BotCount[] }) {
  const { t, i18n } = useTranslation();
  return (
    <>
      <dl className="crawler-names">
        {bots.map(({ name, requests }) => (
          <div key={name}>
            <dt>
              <bdi>{nameOf(name, t("crawlers.others"))}</bdi>
            </dt>
            <dd>{count(requests, i18n.language)}</dd>
          </div>
        ))}
      </dl>
      <p className="crawler-note">{t("crawlers.hint")}</p>
    </>
  );
}

/** What had no name of its own, or no room for one, is counted as `other`. */
function nameOf(name: string, others: string): string {
  return name === "other" ? others : name;
}
