import { Copy, Lock, SearchX, Store, UserRoundSearch } from "lucide-react";
import { useRef, useState, type ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { useSession } from "../app/session";
import type { Site } from "../wire";
import { clearFilter } from "./query";

function State({
  icon,
  title,
  text,
  children,
}: {
  icon: ReactNode;
  title: string;
  text: string;
  children?: ReactNode;
}) {
  return (
    <div className="list-state" role="status">
      <span className="list-state-icon" aria-hidden="true">
        {icon}
      </span>
      <h2 dir="auto">{title}</h2>
      <p>{text}</p>
      {children}
    </div>
  );
}

export function NoSite() {
  const { t } = useTranslation();
  return <State icon={<Store size={28} />} title={t("list.no_site_title")} text={t("list.no_site_text")} />;
}

export function Refused({ code }: { code: string }) {
  const { t } = useTranslation();
  return <State icon={<Lock size={28} />} title={t("list.refused_title")} text={t("list.refused_text", { code })} />;
}

export function NothingMatches() {
  const { t } = useTranslation();
  return (
    <State icon={<SearchX size={28} />} title={t("list.none_filter_title")} text={t("list.none_filter_text")}>
      <button type="button" className="button" onClick={clearFilter}>
        {t("list.clear")}
      </button>
    </State>
  );
}

export function NoVisitors({ site }: { site: Site }) {
  const { t } = useTranslation();
  const collector = useSession((state) => state.me?.collector_url);
  return (
    <State
      icon={<UserRoundSearch size={28} />}
      title={t("list.none_title", { site: site.name })}
      text={t("list.none_text")}
    >
      {collector && <Snippet text={embedSnippet(collector, site.site)} />}
    </State>
  );
}

export function embedSnippet(collector: string, site: string): string {
  const host = collector.replace(/\/+$/, "");
  return `<script async src="${host}/t/v1.js" data-site="${site}"></script>`;
}

function Snippet({ text }: { text: string }) {
  const { t } = useTranslation();
  const [copied, setCopied] = useState(false);
  const code = useRef<HTMLElement>(null);
  // Without TLS there is no clipboard to write to: the text is selected then, ready to be copied by hand.
  async function copy() {
    try {
      await navigator.clipboard.writeText(text);
      setCopied(true);
    } catch {
      if (code.current) getSelection()?.selectAllChildren(code.current);
    }
  }
  return (
    <div className="snippet">
      <p>{t("list.snippet")}</p>
      <div className="snippet-box">
        <code ref={code} dir="ltr">
          {text}
        </code>
        <button type="button" className="button small" onClick={() => void copy()}>
          <Copy size={14} aria-hidden="true" />
          {t(copied ? "list.copied" : "list.copy")}
        </button>
      </div>
    </div>
  );
}
