/** The chats as React sees them, and what follows the list by itself: rows, skills, joining an accepted invitation. */
import { useEffect, useSyncExternalStore } from "react";
import { command, desk, list, queues, useLive } from "../app/live";
import { useSession } from "../app/session";
import type { Waiting } from "../app/queues";
import type { DeskSnapshot } from "../chat/desk";
import { openPanel } from "../list/selection";
import type { Site } from "../wire";

export function useDesk(): DeskSnapshot {
  return useSyncExternalStore(desk.subscribe, desk.current);
}

export function useWaiting(): readonly Waiting[] {
  return useSyncExternalStore(queues.subscribe, queues.current);
}

/** Skills on a site, as far as the gateway has told. */
export function skillsOn(site: Site, fromMe: readonly Site[] | undefined): readonly string[] | null {
  const secondary = site.secondary_skills ?? fromMe?.find((one) => one.site === site.site)?.secondary_skills;
  return site.primary_skill && secondary ? [site.primary_skill, ...secondary] : null;
}

/** Keeps the small views on the sites of this operator, the shown one first. */
export function useQueues(shown: Site | null): void {
  const sites = useLive((state) => state.sites);
  const operator = useLive((state) => state.operator?.id) ?? "";
  const mine = useSession((state) => state.me?.sites);
  useEffect(() => {
    const ordered = [...sites].sort((a, b) => Number(b.site === shown?.site) - Number(a.site === shown?.site));
    queues.watch(
      operator,
      ordered.map((site) => ({ site: site.site, skills: skillsOn(site, mine) })),
    );
  }, [operator, sites, mine, shown?.site]);
}

/** An invitation that the visitor accepted is joined at once: the console is what was invited with. Once each. */
export function joinAccepted(): () => void {
  const asked = new Set<string>();
  return desk.subscribe(() => {
    const me = useLive.getState().operator?.id;
    for (const { chat, row, site, visitor, mine } of desk.current().chats) {
      if (!mine || row?.status !== "accepted" || row.operators[0]?.id !== me || asked.has(chat)) continue;
      asked.add(chat);
      void command("chat:accept", { site, visitor }).then((ack) => {
        if (!ack.ok) return;
        desk.show(chat);
        openPanel("chats");
      });
    }
  });
}

/** The list knows rows of chats that are over, too. */
export function followRows(): () => void {
  return list.subscribe(() => {
    const { window } = list.current();
    if (!window) return;
    for (const { chat, visitor, mine } of desk.current().chats) {
      const row = mine ? undefined : window.rows.find((one) => one.visitor === visitor);
      if (row) desk.refreshRow(chat, row);
    }
  });
}
