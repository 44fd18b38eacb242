/** Labelled fields with their own error messages, for the forms. */
import type { Need } from "../wire";
import type { App } from "./app";
import { freshId, h, say, set, show } from "./dom";

type Control = HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement;

export interface Field {
  element: HTMLElement;
  control: Control;
  need: (need: Need) => void;
  /** Shows what is wrong; true if nothing is. */
  check: () => boolean;
}

const PLAUSIBLE_EMAIL = /^[^\s@]+@[^\s@]+\.[^\s@]+$/;

export function field(app: App, label: string, control: Control, complaint: string): Field {
  const [id, errorId] = [freshId(), freshId()];
  const optional = h("span", { class: "hint" }, app.texts.optional);
  const error = h("p", { id: errorId, class: "error", hidden: true }, complaint);
  set(control, { id, dir: control.tagName === "SELECT" ? null : "auto" });
  const element = h("div", { class: "field" }, h("label", { for: id }, label, " ", optional), control, error);
  let need: Need = "required";
  const fine = (): boolean => {
    const value = control.value.trim();
    if (need === "off" || (!value && need === "optional")) return true;
    return control.type === "email" ? PLAUSIBLE_EMAIL.test(value) : value !== "";
  };
  const mark = (): boolean => {
    const ok = fine();
    show(error, !ok);
    set(control, { "aria-invalid": ok ? null : "true", "aria-describedby": ok ? null : errorId });
    return ok;
  };
  control.addEventListener("input", () => {
    if (!error.hidden) mark();
  });
  return {
    element,
    control,
    need: (wish) => {
      need = wish;
      show(element, wish !== "off");
      show(optional, wish === "optional");
      set(control, { "aria-required": wish === "required" ? "true" : null });
    },
    check: mark,
  };
}

/** Checks all of them; the first that is wrong gets the focus. */
export function checked(fields: Field[]): boolean {
  const wrong = fields.filter((one) => !one.check());
  wrong[0]?.control.focus();
  return !wrong[0];
}

/** Takes over what the state holds, without disturbing the one being typed into. */
export function follow({ control }: Field, value: string): void {
  if (control.value !== value && !control.matches(":focus")) control.value = value;
}

/** A line that speaks: why the last try did not work. */
export function alertLine(): { element: HTMLElement; tell: (text: string) => void } {
  const element = h("p", { class: "error", role: "alert" });
  return { element, tell: (text) => { say(element, text); show(element, text !== ""); } };
}
