import {
  CheckboxItem,
  Content,
  ItemIndicator,
  Label,
  Portal,
  RadioGroup,
  RadioItem,
  Root,
  Separator,
  Trigger,
} from "@radix-ui/react-dropdown-menu";
import { Check, Columns3 } from "lucide-react";
import { useTranslation } from "react-i18next";
import { COLUMNS, prefer, usePreferences, type Column, type Density } from "../app/preferences";

export function ColumnMenu() {
  const { t } = useTranslation();
  const hidden = usePreferences((state) => state.hidden);
  const density = usePreferences((state) => state.density);
  const toggle = (column: Column, on: boolean) =>
    prefer({ hidden: on ? hidden.filter((one) => one !== column) : [...hidden, column] });
  return (
    <Root modal={false}>
      <Trigger className="filter" aria-label={t("list.columns")}>
        <Columns3 size={15} aria-hidden="true" />
        {t("list.columns")}
      </Trigger>
      <Portal>
        <Content className="menu" align="end" sideOffset={6}>
          <Label className="menu-label">{t("list.columns")}</Label>
          {COLUMNS.filter((column) => column !== "nickname").map((column) => (
            <CheckboxItem
              key={column}
              className="menu-item"
              checked={!hidden.includes(column)}
              onCheckedChange={(on) => toggle(column, on)}
              onSelect={(event) => event.preventDefault()}
            >
              <span className="menu-check">
                <ItemIndicator>
                  <Check size={14} />
                </ItemIndicator>
              </span>
              {t(`column.${column}`)}
            </CheckboxItem>
          ))}
          <Separator className="menu-line" />
          <Label className="menu-label">{t("list.density")}</Label>
          <RadioGroup value={density} onValueChange={(value) => prefer({ density: value as Density })}>
            {(["comfortable", "compact"] as const).map((value) => (
              <RadioItem key={value} value={value} className="menu-item">
                <span className="menu-check">
                  <ItemIndicator>
                    <Check size={14} />
                  </ItemIndicator>
                </span>
                {t(`list.${value}`)}
              </RadioItem>
            ))}
          </RadioGroup>
        </Content>
      </Portal>
    </Root>
  );
}
