import { useTranslation } from "react-i18next";
import { AccountMenu } from "./AccountMenu";
import { Colleagues } from "./Colleagues";
import { Freshness } from "./Freshness";
import { setState, useLive } from "./live";
import { SiteMenu } from "./SiteMenu";
import { toast } from "./toasts";
import { Hint } from "../ui/Hint";
import { Mark } from "../ui/Mark";
import { useErrorText } from "../ui/errors";
import type { Site } from "../wire";

export function Header({ site }: { site: Site | null }) {
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
      <Colleagues site={site} />
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
