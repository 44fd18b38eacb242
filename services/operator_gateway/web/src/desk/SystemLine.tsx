import { Star } from "lucide-react";
import { useTranslation } from "react-i18next";
import type { ChatEvent } from "../chat/wire";
import { isKnownKey } from "../ui/words";
import type { Site } from "../wire";
import { clockTime } from "./Lines";

/** What happened, in a sentence: who, what, and why where it is known. */
export function SystemLine({ line, me, site }: { line: ChatEvent; me: string; site: Site | null }) {
  const { t, i18n } = useTranslation();
  if (line.type === "message") return null;
  const own = line.by.kind === "operator" && line.by.id === me;
  const name = own ? t("line.you") : line.by.name || t(line.by.kind === "system" ? "line.system" : "line.visitor");
  const skill = site?.skills.find((one) => one.skill === line.skill)?.name ?? line.skill;
  const to = line.operator ? (line.operator.id === me ? t("line.you_to") : line.operator.name) : (skill ?? "");
  const { type } = line;
  const automatic = line.by.kind === "system" && (type === "requested" || type === "redirected");
  const text: string = automatic ? t(`line.${type}_again`) : t(`line.${type}`, { name, to });
  const cause = line.reason ? (isKnownKey("cause", line.reason) ? t(`cause.${line.reason}`) : line.reason) : "";
  return (
    <div className={`system-line system-${line.type}`}>
      <span dir="auto">
        {text}
        {cause && `: ${cause}`}
        {line.score ? <Stars score={line.score} /> : null}
      </span>
      <time>{clockTime(line.at, i18n.language)}</time>
      {line.text && (
        <blockquote dir="auto" className="system-text">
          {line.text}
        </blockquote>
      )}
    </div>
  );
}

function Stars({ score }: { score: number }) {
  const { t } = useTranslation();
  return (
    <span className="stars" role="img" aria-label={t("line.stars", { count: score })}>
      {[1, 2, 3, 4, 5].map((one) => (
        <Star key={one} size={13} className={one <= score ? "star-on" : ""} />
      ))}
    </span>
  );
}
