import { Eye, EyeOff, TriangleAlert } from "lucide-react";
import { useEffect, useId, useRef, useState, type SubmitEvent } from "react";
import { useTranslation } from "react-i18next";
import { ApiError } from "../net/api";
import { login, useSession } from "../app/session";
import { duration } from "../format/times";
import { Mark } from "../ui/Mark";

/** `until`: performance.now() at which the lock-out is over. */
type Trouble =
  | { kind: "wrong" | "away" | "invalid" | "locked_unknown" }
  | { kind: "locked"; until: number }
  | { kind: "refused"; code: string };

function troubleOf(error: unknown): Trouble {
  if (!(error instanceof ApiError)) return { kind: "away" };
  if (error.status === 429 || error.status === 423 || error.retryAfterS !== null) {
    if (error.status >= 500) return { kind: "away" };
    if (error.retryAfterS === null) return { kind: "locked_unknown" };
    return { kind: "locked", until: performance.now() + error.retryAfterS * 1_000 };
  }
  if (error.status === 401) return { kind: "wrong" };
  if (error.status === 400 || error.status === 422) return { kind: "invalid" };
  return error.code === "away" ? { kind: "away" } : { kind: "refused", code: error.code };
}

export function LoginPage() {
  const { t } = useTranslation();
  const notice = useSession((state) => state.notice);
  const [trouble, setTrouble] = useState<Trouble | null>(null);
  const [busy, setBusy] = useState(false);
  const [shown, setShown] = useState(false);
  const email = useRef<HTMLInputElement>(null);
  const password = useRef<HTMLInputElement>(null);
  const messageId = useId();
  const passwordId = useId();

  async function submit(event: SubmitEvent<HTMLFormElement>) {
    event.preventDefault();
    if (busy) return;
    const [mail, secret] = [email.current?.value.trim() ?? "", password.current?.value ?? ""];
    if (mail === "" || secret === "") {
      setTrouble({ kind: "invalid" });
      return;
    }
    setBusy(true);
    try {
      await login(mail, secret);
    } catch (error) {
      setTrouble(troubleOf(error));
      setBusy(false);
      password.current?.select();
    }
  }

  return (
    <main className="login">
      <form className="login-card" onSubmit={(event) => void submit(event)} noValidate>
        <Mark size={40} />
        <h1>{t("login.title")}</h1>
        <p className="login-lead">{t("login.lead")}</p>
        <div className="login-message" id={messageId} role="alert">
          {trouble ? (
            <TroubleText trouble={trouble} over={() => setTrouble(null)} />
          ) : (
            notice && <p className="login-note">{t(`login.${notice}`)}</p>
          )}
        </div>
        <label className="field">
          <span>{t("login.email")}</span>
          <input
            ref={email}
            type="email"
            name="email"
            autoComplete="username"
            autoFocus
            required
            maxLength={254}
            aria-describedby={messageId}
          />
        </label>
        <div className="field">
          <label htmlFor={passwordId}>{t("login.password")}</label>
          <span className="field-with-button">
            <input
              ref={password}
              id={passwordId}
              type={shown ? "text" : "password"}
              name="password"
              autoComplete="current-password"
              required
              maxLength={1024}
            />
            <button
              type="button"
              className="icon-button"
              aria-pressed={shown}
              aria-label={t(shown ? "login.hide" : "login.show")}
              onClick={() => setShown(!shown)}
            >
              {shown ? <EyeOff size={16} /> : <Eye size={16} />}
            </button>
          </span>
        </div>
        <button type="submit" className="button primary wide" disabled={busy || trouble?.kind === "locked"}>
          {t(busy ? "login.busy" : "login.submit")}
        </button>
      </form>
    </main>
  );
}

function TroubleText({ trouble, over }: { trouble: Trouble; over: () => void }) {
  const { t } = useTranslation();
  return (
    <p className="login-trouble">
      <TriangleAlert size={16} aria-hidden="true" />
      <span>
        {trouble.kind === "locked" ? (
          <Countdown until={trouble.until} over={over} />
        ) : trouble.kind === "refused" ? (
          t("login.refused", { code: trouble.code })
        ) : (
          t(`login.${trouble.kind}`)
        )}
      </span>
    </p>
  );
}

function Countdown({ until, over }: { until: number; over: () => void }) {
  const { t } = useTranslation();
  const [left, setLeft] = useState(() => until - performance.now());
  useEffect(() => {
    const timer = setInterval(() => {
      const rest = until - performance.now();
      if (rest <= 0) over();
      else setLeft(rest);
    }, 500);
    return () => clearInterval(timer);
  }, [until, over]);
  return <>{t("login.locked", { time: duration(left + 999) })}</>;
}
