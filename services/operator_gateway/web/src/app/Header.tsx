import { Keyboard, MessagesSquare, Volume2, VolumeX } from "lucide-react";
import { useTranslation } from "react-i18next";
import { AccountMenu } from "./AccountMenu";
import { Colleagues } from "./Colleagues";
import { Freshness } from "./Freshness";
import { setState, useLive } from "./live";
import { prefer, usePreferences } from "./preferences";
import { SiteMenu } from "./SiteMenu";
import { toast } from "./toasts";
import { unreadOf } from "../chat/chat";
import { useDesk, useWaiting } from "../desk/useDesk";
import { openPanel, useSelection } from "../list/selection";
import { Hint } from "../ui/Hint";
import { Mark } from "../ui/Mark";
import { useErrorText } from "../ui/errors";
import type { Site } from "../wire";

export function Header({ site, onHelp }: { site: Site | null; onHelp: () => void }) {
  const { t } = useTranslation();
  return (
    <header className="header">
      <span className="brand">
        <Mark size={26} />
        <h1 className="brand-name">{t("product")}</h1>
      </span>
      <SiteMenu site={site} />
      <Freshness />
      <span className="header-space" />
      <ChatsButton />
      <Colleagues site={site} />
      <SoundSwitch />
      <Hint text={`${t("header.shortcuts")} (?)`}>
        <button type="button" className="icon-button" aria-label={t("header.shortcuts")} onClick={onHelp}>
          <Keyboard size={17} />
        </button>
      </Hint>
      <StateSwitch />
      <AccountMenu />
    </header>
  );
}

function StateSwitch() {
  const { t } = useTranslation();
  const errorText = useErrorText();
  const state = useLive((live) => live.state);
  const link = useLive((live) => live.link);
  const online = state === "online";
  async function toggle() {
    const ack = await setState(online ? "away" : "online");
    if (!ack.ok) toast("error", errorText(ack.error));
  }
  return (
    <Hint text={t("header.state_hint")}>
      <button
        type="button"
        role="switch"
        aria-checked={online}
        className="state-switch"
        disabled={link !== "live"}
        onClick={() => void toggle()}
      >
        <span className="state-track" aria-hidden="true" />
        {t(online ? "state.online" : "state.away")}
      </button>
    </Hint>
  );
}

/** Opens the chats; says how many there are and whether something waits in them. */
function ChatsButton() {
  const { t } = useTranslation();
  const { chats } = useDesk();
  const waiting = useWaiting().length;
  const open = useSelection((state) => state.panel === "chats");
  const calls = waiting + chats.filter((chat) => unreadOf(chat) > 0).length;
  return (
    <button type="button" className="button quiet" aria-pressed={open} onClick={() => openPanel(open ? null : "chats")}>
      <MessagesSquare size={16} aria-hidden="true" />
      {t("panel.chats")}
      {calls > 0 && <span className="count-mark">{calls}</span>}
    </button>
  );
}

function SoundSwitch() {
  const { t } = useTranslation();
  const sound = usePreferences((state) => state.sound);
  const text = t(sound ? "header.sound_on" : "header.sound_off");
  return (
    <Hint text={text}>
      <button
        type="button"
        className="icon-button"
        aria-label={t("header.sound_on")}
        aria-pressed={sound}
        onClick={() => prefer({ sound: !sound })}
      >
        {sound ? <Volume2 size={17} /> : <VolumeX size={17} />}
      </button>
    </Hint>
  );
}
