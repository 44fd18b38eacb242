import { Search, X } from "lucide-react";
import { useEffect, useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import { useLive } from "../app/live";
import { allCountries } from "../format/names";
import { Country } from "../ui/Flag";
import type { Site } from "../wire";
import { ColumnMenu } from "./ColumnMenu";
import { FilterMenu, type Option } from "./FilterMenu";
import { clearFilter, filterBy, useQuery } from "./query";

const TYPING_PAUSE_MS = 250; // shorter than the pause between words, longer than between keys

export function FilterBar({ site }: { site: Site | null }) {
  const { t } = useTranslation();
  const filter = useQuery((query) => query.filter);
  const countries = useCountryOptions();
  const operators = useOperatorOptions();
  const skills = (site?.skills ?? []).map(({ skill, name }) => ({ value: skill, label: name }));
  const visits = [
    { value: "yes", label: t("list.returning_yes") },
    { value: "no", label: t("list.returning_no") },
  ];
  const returning = filter.returning === undefined ? [] : [filter.returning ? "yes" : "no"];
  return (
    <div className="filters" role="search">
      <SearchBox key={site?.site ?? ""} />
      <FilterMenu
        label={t("column.country")}
        options={countries}
        chosen={filter.country ?? []}
        onChoose={(country) => filterBy({ country })}
      />
      <FilterMenu
        label={t("column.skill")}
        options={skills}
        chosen={filter.skill ?? []}
        onChoose={(skill) => filterBy({ skill })}
      />
      <FilterMenu
        label={t("column.operator")}
        options={operators}
        chosen={filter.operator === undefined ? [] : [filter.operator]}
        single
        onChoose={([operator]) => filterBy({ operator })}
      />
      <FilterMenu
        label={t("list.returning")}
        options={visits}
        chosen={returning}
        single
        onChoose={([choice]) => filterBy({ returning: choice === undefined ? undefined : choice === "yes" })}
      />
      {Object.keys(filter).length > 0 && (
        <button type="button" className="button quiet small" onClick={clearFilter}>
          <X size={14} aria-hidden="true" />
          {t("list.clear")}
        </button>
      )}
      <span className="header-space" />
      <ColumnMenu />
    </div>
  );
}

function useCountryOptions(): Option[] {
  const { t, i18n } = useTranslation();
  return useMemo(() => {
    const known = allCountries(i18n.language).map(({ code, name }) => ({
      value: code,
      label: name,
      icon: <Country code={code} bare />,
    }));
    return [...known, { value: "", label: t("list.unknown"), icon: <Country code={null} bare /> }];
  }, [t, i18n.language]);
}

function useOperatorOptions(): Option[] {
  const { t } = useTranslation();
  const me = useLive((state) => state.operator);
  const colleagues = useLive((state) => state.colleagues);
  const others = Object.values(colleagues)
    .map(({ id, name }) => ({ value: id, label: name }))
    .sort((a, b) => a.label.localeCompare(b.label));
  return me ? [{ value: me.id, label: t("list.me", { name: me.name }) }, ...others] : others;
}

function SearchBox() {
  const { t } = useTranslation();
  const wanted = useQuery((query) => query.filter.text) ?? "";
  const [text, setText] = useState(wanted);
  const [seen, setSeen] = useState(wanted);
  if (seen !== wanted) {
    // Cleared from elsewhere (the button that clears all filters).
    setSeen(wanted);
    if (wanted === "") setText("");
  }
  useEffect(() => {
    const timer = setTimeout(() => filterText(text), TYPING_PAUSE_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return (
    <label className="search">
      <Search size={15} aria-hidden="true" />
      <input
        type="search"
        value={text}
        maxLength={100}
        placeholder={t("list.search")}
        aria-label={t("list.search")}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={(event) => event.key === "Escape" && setText("")}
      />
    </label>
  );
}

function filterText(text: string): void {
  const wanted = text.trim();
  if (wanted !== (useQuery.getState().filter.text ?? "")) filterBy({ text: wanted });
}
