import { useEffect } from "react";
import { useTranslation } from "react-i18next";
import { Provider as TooltipProvider } from "@radix-ui/react-tooltip";
import { LoginPage } from "../login/LoginPage";
import { Toasts } from "../ui/Toasts";
import { Desk } from "./Desk";
import { resume, useSession } from "./session";

const RETRY_MS = 5_000;

export function App() {
  const phase = useSession((state) => state.phase);
  useEffect(() => void resume(), []);
  return (
    <TooltipProvider delayDuration={350} skipDelayDuration={200}>
      {phase === "signed_in" ? <Desk /> : phase === "signed_out" ? <LoginPage /> : <Waiting away={phase === "away"} />}
      <Toasts />
    </TooltipProvider>
  );
}

/** Before it is known who is here: nothing at first, and the reason if the server cannot be reached. */
function Waiting({ away }: { away: boolean }) {
  const { t } = useTranslation();
  useEffect(() => {
    if (!away) return;
    const timer = setInterval(() => void resume(), RETRY_MS);
    return () => clearInterval(timer);
  }, [away]);
  return (
    <main className="waiting" aria-busy={!away}>
      {away ? (
        <>
          <h1>{t("start.away")}</h1>
          <p>{t("start.retrying")}</p>
          <button type="button" className="button" onClick={() => void resume()}>
            {t("start.retry")}
          </button>
        </>
      ) : (
        <span className="spinner" role="status" aria-label={t("start.checking")} />
      )}
    </main>
  );
}
