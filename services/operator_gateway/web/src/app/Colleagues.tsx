import { Content, Portal, Root, Trigger } from "@radix-ui/react-popover";
import { Users } from "lucide-react";
import { useTranslation } from "react-i18next";
import type { Site } from "../wire";
import { useLive, type Colleague, type LiveState } from "./live";

export function colleaguesOn(site: Site | null, colleagues: LiveState["colleagues"]): Colleague[] {
  const order = { online: 0, away: 1, offline: 2 };
  return Object.values(colleagues)
    .filter(({ sites, state }) => state !== "offline" && (site === null || sites.includes(site.site)))
    .sort((a, b) => order[a.state] - order[b.state] || a.name.localeCompare(b.name));
}

export function Colleagues({ site }: { site: Site | null }) {
  const { t } = useTranslation();
  const people = colleaguesOn(
    site,
    useLive((state) => state.colleagues),
  );
  return (
    <Root>
      <Trigger className="button quiet" aria-label={`${t("header.colleagues")}: ${people.length}`}>
        <Users size={16} aria-hidden="true" />
        <span className="number">{people.length}</span>
      </Trigger>
      <Portal>
        <Content className="popover colleagues" aria-label={t("header.colleagues")} align="end" sideOffset={6}>
          <h2 className="menu-label">{t("header.colleagues")}</h2>
          {people.length === 0 && <p className="popover-empty">{t("header.no_colleagues")}</p>}
          <ul>
            {people.map((one) => (
              <li key={one.id}>
                <span className={`presence presence-${one.state}`} aria-hidden="true" />
                <bdi>{one.name}</bdi>
                <span className="menu-note">
                  {t(`state.${one.state}`)} · {t("header.chats", { count: one.chats })}
                </span>
              </li>
            ))}
          </ul>
        </Content>
      </Portal>
    </Root>
  );
}
