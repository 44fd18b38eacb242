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
      if (error.code === "taken" && error.taken_by) return t("error.taken_by", { name: error.taken_by });
      if (error.code !== "other" && isKnown(error.code)) return t(`error.${error.code}`);
      return error.message || t("error.other", { code: error.code });
    },
    [t],
  );
}
