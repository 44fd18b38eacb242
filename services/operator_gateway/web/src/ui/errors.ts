import { useCallback } from "react";
import { useTranslation } from "react-i18next";
import { en } from "../i18n/en";
import type { WireError } from "../wire";

type KnownCode = keyof typeof en.error;

function isKnown(code: string): code is KnownCode {
  return Object.hasOwn(en.error, code);
}

/** What a refusal means, in the operator's words; the gateway's own message where the code is new. */
export function useErrorText(): (error: WireError) => string {
  const { t } = useTranslation();
  return useCallback(
    (error: WireError) => {
      const faster = error.code === "taken" ? fasterOne(error) : "";
      if (faster) return t("error.taken_by", { name: faster });
      if (error.code !== "other" && isKnown(error.code)) return t(`error.${error.code}`);
      return error.message || t("error.other", { code: error.code });
    },
    [t],
  );
}

/** Who took it, if the refusal says so. */
function fasterOne({ by, current }: WireError): string {
  for (const said of [by, current]) {
    if (typeof said === "object" && said !== null && "name" in said && typeof said.name === "string") return said.name;
  }
  return typeof by === "string" ? by : "";
}
