import { Check, CornerUpRight, MessageSquareText, Users, X, type LucideIcon } from "lucide-react";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { clock, desk, useLive } from "../app/live";
import { remaining } from "../chat/offers";
import type { Offer, OfferKind } from "../chat/wire";
import { useServerNow } from "../format/ticker";
import { useVisitorRow } from "../panels/useAnswer";
import { Country } from "../ui/Flag";
import { isKnownKey } from "../ui/words";
import { useRespond } from "./respond";
import { useDesk } from "./useDesk";

const ICONS: Record<OfferKind, LucideIcon> = { request: MessageSquareText, forward: CornerUpRight, conference: Users };
const MOST_SHOWN = 3;
const GONE_SHOWN_MS = 6_000;

/** What waits for this operator's yes or no, over everything else and on every tab. */
export function Offers() {
  const { t } = useTranslation();
  const { offers } = useDesk();
  const hidden = offers.length - MOST_SHOWN;
  return (
    <section className="offers" aria-label={t("offer.title")} aria-live="assertive">
      <GoneNotes />
      {hidden > 0 && <p className="offers-more">{t("offer.more", { count: hidden })}</p>}
      {offers.slice(0, MOST_SHOWN).map((offer, index) => (
        <OfferCard key={offer.offer} offer={offer} first={index === 0} />
      ))}
    </section>
  );
}

function OfferCard({ offer, first }: { offer: Offer; first: boolean }) {
  const { t } = useTranslation();
  const { accept, decline } = useRespond();
  const [busy, setBusy] = useState(false);
  const row = useVisitorRow(offer.site, offer.visitor);
  const skills = useLive((state) => state.sites).find(({ site }) => site === offer.site)?.skills;
  const skill = skills?.find((one) => one.skill === row?.skill)?.name;
  const Icon = ICONS[offer.kind];
  const from = offer.from?.name ?? "";
  const answer = (run: (offer: Offer) => Promise<void>) => {
    setBusy(true);
    void run(offer).finally(() => setBusy(false));
  };
  return (
    <article className="offer" data-kind={offer.kind}>
      <Countdown offer={offer} />
      <header>
        <Icon size={16} aria-hidden="true" />
        <span>{t(`offer.${offer.kind}`, { name: from })}</span>
      </header>
      <p className="offer-who">
        <Country code={row?.country ?? null} bare />
        <bdi>{row?.nickname ?? t("offer.somebody")}</bdi>
        {skill && <span className="tag">{skill}</span>}
      </p>
      {offer.note && (
        <blockquote className="offer-note" dir="auto">
          {offer.note}
        </blockquote>
      )}
      {row?.page && (
        <p className="offer-page">
          <bdi title={row.page.url}>{row.page.title || row.page.url}</bdi>
        </p>
      )}
      {offer.why && isKnownKey("why", offer.why) && <p className="offer-why">{t(`why.${offer.why}`)}</p>}
      <div className="offer-buttons">
        <button type="button" className="button primary" disabled={busy} onClick={() => answer(accept)}>
          <Check size={15} aria-hidden="true" />
          {t("offer.accept")}
          {first && <kbd>Alt A</kbd>}
        </button>
        <button type="button" className="button" disabled={busy} onClick={() => answer(decline)}>
          <X size={15} aria-hidden="true" />
          {t("offer.decline")}
          {first && <kbd>Alt D</kbd>}
        </button>
      </div>
    </article>
  );
}

/** Runs to the gateway's own end of the offer; a little after it the card goes even if nobody says so. */
function Countdown({ offer }: { offer: Offer }) {
  const { t } = useTranslation();
  const now = useServerNow();
  const [seenAt] = useState(() => clock.now());
  const left = Math.max(0, Math.ceil((offer.expires_at - now) / 1_000));
  useEffect(() => {
    if (now > offer.expires_at + 2_000) desk.dropOffer(offer.offer);
  }, [now, offer]);
  return (
    <div className="countdown">
      <progress value={remaining(offer, seenAt, now)} max={1} aria-label={t("offer.left", { count: left })} />
      <span className="countdown-left number" aria-hidden="true">
        {t("offer.seconds", { count: left })}
      </span>
    </div>
  );
}

function GoneNotes() {
  const { t } = useTranslation();
  const { gone } = useDesk();
  const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set());
  const shown = gone.filter(({ offer }) => !hidden.has(offer.offer));
  const ids = shown.map(({ offer }) => offer.offer).join(" ");
  useEffect(() => {
    if (ids === "") return;
    const timer = setTimeout(() => setHidden((known) => new Set([...known, ...ids.split(" ")])), GONE_SHOWN_MS);
    return () => clearTimeout(timer);
  }, [ids]);
  return shown.map(({ offer, reason, by }) => (
    <p key={offer.offer} className="offer-gone">
      {by?.name
        ? t("offer.taken_by", { name: by.name })
        : t("offer.gone", { reason: isKnownKey("gone", reason) ? t(`gone.${reason}`) : reason })}
    </p>
  ));
}
