import {
  Content,
  Item,
  ItemIndicator,
  Label,
  Portal,
  RadioGroup,
  RadioItem,
  Root,
  Trigger,
} from "@radix-ui/react-dropdown-menu";
import { Check, ChevronDown, Globe } from "lucide-react";
import { useTranslation } from "react-i18next";
import type { Site } from "../wire";
import { useLive } from "./live";
import { prefer } from "./preferences";

/** Which site the list shows. Menus are not modal: a modal one would need an inline style, which the CSP forbids. */
export function SiteMenu({ site }: { site: Site | null }) {
  const { t } = useTranslation();
  const sites = useLive((state) => state.sites);
  if (!site) return null;
  return (
    <Root modal={false}>
      <Trigger className="site-button" aria-label={`${t("header.site")}: ${site.name}`}>
        <Globe size={15} aria-hidden="true" />
        <bdi>{site.name}</bdi>
        <ChevronDown size={14} aria-hidden="true" />
      </Trigger>
      <Portal>
        <Content className="menu" align="start" sideOffset={6}>
          <Label className="menu-label">{t("header.sites")}</Label>
          <RadioGroup value={site.site} onValueChange={(chosen) => prefer({ site: chosen })}>
            {sites.map((one) => (
              <RadioItem key={one.site} value={one.site} className="menu-item">
                <span className="menu-check">
                  <ItemIndicator>
                    <Check size={14} />
                  </ItemIndicator>
                </span>
                <bdi>{one.name}</bdi>
                <span className="menu-note">{one.site}</span>
              </RadioItem>
            ))}
          </RadioGroup>
          {sites.length === 0 && <Item disabled>{t("list.no_site_title")}</Item>}
        </Content>
      </Portal>
    </Root>
  );
}
