import { useTranslation } from "react-i18next";
import { useLive } from "../app/live";
import { Stars } from "../desk/SystemLine";
import { useCause, useLineText, useWhy } from "../desk/wording";
import { timeOfDay } from "../format/names";
import { isKnownKey } from "../ui/words";
import type { Row, Site } from "../wire";
import { happenings, type Asked, type ChatSummary, type Moment, type VisitorAnswer } from "./moments";
import { PanelState } from "./PanelState";
import { useAnswer } from "./useAnswer";

/** Who did what with this visitor, when and why, and who was asked; newest first. */
export function TimelinePanel({ site, row }: { site: Site; row: Row }) {
  const { t } = useTranslation();
  const answer = useAnswer<VisitorAnswer>("visitor:get", site.site, row.visitor, String(row.version));
  if (!answer.value) return <PanelState error={answer.error} again={answer.again} />;
  const { chats = [] } = answer.value;
  const found = happenings(answer.value);
  if (found.length === 0) return <p className="panel-empty">{t("timeline.none")}</p>;
  return (
    <ol className="timeline">
      {found.map((one, at) =>
        "moment" in one ? (
          <MomentItem key={`${one.moment.chat} ${one.moment.seq}`} moment={one.moment} chats={chats} site={site} />
        ) : (
          <AskedItem key={`${one.at} ${at}`} asked={one.asked} />
        ),
      )}
    </ol>
  );
}

function MomentItem({ moment, chats, site }: { moment: Moment; chats: ChatSummary[]; site: Site }) {
  const me = useLive((state) => state.operator?.id) ?? "";
  const text = useLineText(site, me)(moment);
  return (
    <Item at={moment.at} text={text}>
      {moment.score ? <Stars score={moment.score} /> : null}
      <SkillWhy moment={moment} chat={chats.find(({ chat }) => chat === moment.chat)} site={site} />
    </Item>
  );
}

/** With the beginning of a chat: the skill that was needed then, and why. */
function SkillWhy({ moment, chat, site }: { moment: Moment; chat: ChatSummary | undefined; site: Site }) {
  const { t } = useTranslation();
  const whyText = useWhy();
  const begins = moment.seq === 1 && (moment.type === "requested" || moment.type === "invited");
  const skill = moment.skill || (moment.type === "invited" ? chat?.skill : "");
  if (!begins || !skill || !chat?.why) return null;
  const name = site.skills.find((one) => one.skill === skill)?.name ?? skill;
  return <span dir="auto">{t("timeline.skill", { skill: name, why: whyText(chat.why) })}</span>;
}

function AskedItem({ asked }: { asked: Asked }) {
  const { t } = useTranslation();
  const cause = useCause();
  const me = useLive((state) => state.operator?.id);
  const { operator, kind, why = "", answer = "" } = asked;
  const name = operator.id === me ? t("line.you_to") : operator.name;
  const reason = isKnownKey("asked_why", why) ? t(`asked_why.${why}`) : "";
  const came = isKnownKey("answer", answer) ? t(`answer.${answer}`) : cause(answer);
  return (
    <Item at={asked.at} text={t(`asked.${kind}`, { name })}>
      <span dir="auto">{[reason, answer === "" ? t("asked.waiting") : came].filter(Boolean).join(" · ")}</span>
    </Item>
  );
}

function Item({ at, text, children }: { at: number; text: string; children: React.ReactNode }) {
  const { i18n } = useTranslation();
  return (
    <li className="timeline-item">
      <div className="timeline-head">
        <span className="timeline-what" dir="auto">
          {text}
        </span>
        <time className="timeline-time">{timeOfDay(at, i18n.language)}</time>
      </div>
      <div className="timeline-foot">{children}</div>
    </li>
  );
}
