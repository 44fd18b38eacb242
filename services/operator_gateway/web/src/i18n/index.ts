/** Language of the console. A further language is a catalogue with the same keys, added to `CATALOGUES`. */
import i18next from "i18next";
import { initReactI18next } from "react-i18next";
import { en } from "./en";

const CATALOGUES = { en: { translation: en } };

declare module "i18next" {
  interface CustomTypeOptions {
    resources: { translation: typeof en };
  }
}

export async function startLanguage(): Promise<void> {
  const wanted = navigator.languages.map((tag) => tag.split("-")[0] ?? "");
  const lng = wanted.find((tag) => tag in CATALOGUES) ?? "en";
  await i18next.use(initReactI18next).init({
    lng,
    fallbackLng: "en",
    resources: CATALOGUES,
    interpolation: { escapeValue: false }, // React escapes
    returnNull: false,
  });
  document.documentElement.lang = lng;
}
