import {
  Content,
  Item,
  ItemIndicator,
  Label,
  Portal,
  RadioGroup,
  RadioItem,
  Root,
  Separator,
  Trigger,
} from "@radix-ui/react-dropdown-menu";
import { Check, Info, LogOut, Monitor, Moon, Sun } from "lucide-react";
import { useRef } from "react";
import { useTranslation } from "react-i18next";
import { About } from "./About";
import { useLive } from "./live";
import { prefer, usePreferences, type Theme } from "./preferences";
import { logout, useSession } from "./session";
import { toast } from "./toasts";

const THEMES = [
  ["system", Monitor],
  ["light", Sun],
  ["dark", Moon],
] as const;

export function AccountMenu() {
  const { t } = useTranslation();
  const about = useRef<HTMLDialogElement>(null);
  const theme = usePreferences((state) => state.theme);
  const fromMe = useSession((state) => state.me?.operator);
  const operator = useLive((state) => state.operator) ?? fromMe;
  const name = operator?.name ?? "";
  return (
    <>
      <Root modal={false}>
        <Trigger className="avatar" aria-label={`${initials(name)}: ${t("header.account")}`}>
          <span dir="auto" aria-hidden="true">
            {initials(name)}
          </span>
        </Trigger>
        <Portal>
          <Content className="menu" align="end" sideOffset={6}>
            <Label className="menu-person">
              <bdi className="menu-person-name">{name}</bdi>
              <bdi className="menu-note">{fromMe?.email ?? ""}</bdi>
            </Label>
            <Separator className="menu-line" />
            <Label className="menu-label">{t("header.theme")}</Label>
            <RadioGroup value={theme} onValueChange={(value) => prefer({ theme: value as Theme })}>
              {THEMES.map(([value, Icon]) => (
                <RadioItem key={value} value={value} className="menu-item">
                  <Icon size={15} aria-hidden="true" />
                  {t(`header.theme_${value}`)}
                  <ItemIndicator className="menu-end">
                    <Check size={14} />
                  </ItemIndicator>
                </RadioItem>
              ))}
            </RadioGroup>
            <Separator className="menu-line" />
            <Item className="menu-item" onSelect={() => about.current?.showModal()}>
              <Info size={15} aria-hidden="true" />
              {t("header.about")}
            </Item>
            <Item
              className="menu-item"
              onSelect={() => void logout().catch(() => toast("error", t("header.logout_failed"), t("start.away")))}
            >
              <LogOut size={15} aria-hidden="true" />
              {t("header.logout")}
            </Item>
          </Content>
        </Portal>
      </Root>
      <About dialog={about} />
    </>
  );
}

function initials(name: string): string {
  const words = name.trim().split(/\s+/).filter(Boolean);
  const picked = words.length > 1 ? [words[0], words.at(-1)] : words;
  return (
    picked
      .map((word = "") => String.fromCodePoint(word.codePointAt(0) ?? 0x3f))
      .join("")
      .toUpperCase() || "?"
  );
}
