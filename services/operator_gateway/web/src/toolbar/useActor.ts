import { useLive } from "../app/live";
import { useSession } from "../app/session";
import type { Site } from "../wire";
import type { Actor } from "./actions";

/** This operator, as far as the gateway has told about rights, skills and limits on the site. */
export function useActor(site: Site | null): Actor {
  const signedIn = useSession((state) => state.me?.operator.id);
  const operator = useLive((live) => live.operator?.id) ?? signedIn ?? "";
  const state = useLive((live) => live.state);
  const chats = useLive((live) => live.chats);
  const primary = site?.primary_skill;
  const mine = useSession((session) => session.me?.sites)?.find((one) => one.site === site?.site);
  const secondary = site?.secondary_skills ?? mine?.secondary_skills;
  return {
    operator,
    state,
    chats,
    role: site?.role ?? null,
    skills: primary && secondary ? [primary, ...secondary] : null,
    chatLimit: site?.max_chats ?? null,
  };
}
