import { Star } from "lucide-react";
import { useTranslation } from "react-i18next";
import type { ChatEvent } from "../chat/wire";
import type { Site } from "../wire";
import { clockTime } from "./Lines";
import { useLineText } from "./wording";

/** What happened, in a sentence. */
export function SystemLine({ line, me, site }: { line: ChatEvent; me: string; site: Site | null }) {
  const { i18n } = useTranslation();
  const text = useLineText(site, me)(line);
  if (line.type === "message") return null;
  return (
    <div className={`system-line system-${line.type}`}>
      <span dir="auto">
        {text}
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

export function Stars({ score }: { score: number }) {
  const { t } = useTranslation();
  return (
    <span className="stars" role="img" aria-label={t("line.stars", { count: score })}>
      {[1, 2, 3, 4, 5].map((one) => (
        <Star key={one} size={13} className={one <= score ? "star-on" : ""} />
      ))}
    </span>
  );
}
