import { Content, Portal, Root, Trigger } from "@radix-ui/react-popover";
import { ChevronDown, Search } from "lucide-react";
import { useId, useState, type ReactNode } from "react";
import { useTranslation } from "react-i18next";

export interface Option {
  value: string;
  label: string;
  icon?: ReactNode;
}

interface FilterMenuProps {
  label: string;
  options: Option[];
  chosen: string[];
  /** One choice only; choosing it again takes it back. */
  single?: boolean;
  onChoose: (values: string[]) => void;
}

const SEARCH_FROM = 10; // fewer options are found by looking

export function FilterMenu({ label, options, chosen, single = false, onChoose }: FilterMenuProps) {
  const { t } = useTranslation();
  const [text, setText] = useState("");
  const group = useId();
  const wanted = text.trim().toLocaleLowerCase();
  const shown = options.filter((option) => option.label.toLocaleLowerCase().includes(wanted));
  const names = options.filter(({ value }) => chosen.includes(value)).map((option) => option.label);
  const summary =
    names.length === 0 ? null : names.length === 1 ? names[0] : t("list.selected", { count: names.length });

  function choose(value: string, on: boolean) {
    if (single) onChoose(on ? [value] : []);
    else onChoose(on ? [...chosen, value] : chosen.filter((one) => one !== value));
  }

  return (
    <Root onOpenChange={(open) => !open && setText("")}>
      <Trigger className={summary ? "filter filter-on" : "filter"}>
        <span>{label}</span>
        {summary && <bdi className="filter-value">{summary}</bdi>}
        <ChevronDown size={14} aria-hidden="true" />
      </Trigger>
      <Portal>
        <Content className="popover filter-menu" aria-label={label} align="start" sideOffset={6}>
          {options.length >= SEARCH_FROM && (
            <label className="search search-small">
              <Search size={14} aria-hidden="true" />
              <input
                type="search"
                value={text}
                placeholder={t("list.find")}
                aria-label={t("list.find")}
                onChange={(event) => setText(event.target.value)}
              />
            </label>
          )}
          <div className="filter-options" role="group" aria-label={label}>
            {shown.map((option) => (
              <label key={option.value} className="filter-option">
                <input
                  type="checkbox"
                  name={group}
                  checked={chosen.includes(option.value)}
                  onChange={(event) => choose(option.value, event.target.checked)}
                />
                {option.icon}
                <bdi>{option.label}</bdi>
              </label>
            ))}
            {shown.length === 0 && <p className="popover-empty">–</p>}
          </div>
        </Content>
      </Portal>
    </Root>
  );
}
