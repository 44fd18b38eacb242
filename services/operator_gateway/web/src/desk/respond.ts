/** Answers to offers and waiting visitors, for the buttons and for the keyboard. */
import { useCallback, useMemo } from "react";
import { useTranslation } from "react-i18next";
import { command, desk } from "../app/live";
import { toast } from "../app/toasts";
import type { Offer } from "../chat/wire";
import { openPanel } from "../list/selection";
import { showChat } from "../toolbar/useCommand";
import { useErrorText } from "../ui/errors";
import type { Row } from "../wire";

export interface Respond {
  accept: (offer: Offer) => Promise<void>;
  decline: (offer: Offer) => Promise<void>;
  take: (site: string, row: Row) => Promise<void>;
}

export function useRespond(): Respond {
  const { t } = useTranslation();
  const errorText = useErrorText();
  const accept = useCallback(
    async ({ offer, chat, site, visitor }: Offer) => {
      const ack = await command("offer:accept", { offer });
      if (ack.ok || ack.error.code !== "disconnected") desk.dropOffer(offer);
      if (!ack.ok) {
        toast("error", t("action.failed", { action: t("offer.accept") }), errorText(ack.error));
        return;
      }
      desk.open(typeof ack.chat === "string" && ack.chat !== "" ? ack.chat : chat, site, visitor, null);
      openPanel("chats");
    },
    [t, errorText],
  );
  const decline = useCallback(
    async ({ offer }: Offer) => {
      const ack = await command("offer:decline", { offer });
      if (ack.ok || ack.error.code !== "disconnected") desk.dropOffer(offer);
      if (!ack.ok) toast("error", t("action.failed", { action: t("offer.decline") }), errorText(ack.error));
    },
    [t, errorText],
  );
  const take = useCallback(
    async (site: string, row: Row) => {
      const ack = await command("chat:accept", { site, visitor: row.visitor });
      if (!ack.ok) toast("error", t("action.failed", { action: t("offer.accept") }), errorText(ack.error));
      else showChat(typeof ack.chat === "string" && ack.chat !== "" ? ack.chat : (row.chat ?? ""), site, row);
    },
    [t, errorText],
  );
  return useMemo(() => ({ accept, decline, take }), [accept, decline, take]);
}
