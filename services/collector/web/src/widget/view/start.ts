/** Before a chat: name, e-mail if the site asks, question, topic. The same form says yes to an invitation. */
import type { State } from "../state";
import { MAX_EMAIL, MAX_NAME, MAX_TEXT } from "../wire";
import type { App, View } from "./app";
import { namesOf, problemText } from "./app";
import { button, h, phrase, say, set, show } from "./dom";
import type { Field } from "./fields";
import { alertLine, checked, field, follow } from "./fields";

interface Fields {
  name: Field;
  email: Field;
  text: Field;
  skill: Field;
}

function makeFields(app: App): Fields {
  const { texts } = app;
  const input = (type: string, autocomplete: string, maxlength: number): HTMLInputElement =>
    h("input", { type, autocomplete, maxlength });
  return {
    name: field(app, texts.name, input("text", "name", MAX_NAME), texts.needed),
    email: field(app, texts.email, input("email", "email", MAX_EMAIL), texts.needEmail),
    skill: field(app, texts.skill, h("select"), texts.choose),
    text: field(app, texts.question, h("textarea", { rows: 3, maxlength: MAX_TEXT }), texts.needed),
  };
}

/** Ties the fields to what was typed, which any form may need. */
function bind(app: App, fields: Partial<Fields>): void {
  for (const [name, { control }] of Object.entries(fields)) {
    control.addEventListener("input", () => { app.act({ do: "type", typed: { [name]: control.value } }); });
  }
}

function topics(app: App, { control }: Field, { settings }: State): number {
  const skills = settings.form?.skills ?? [];
  if (skills.length && control.childElementCount !== skills.length + 1) {
    control.replaceChildren(
      h("option", { value: "" }, app.texts.choose),
      ...skills.map(({ skill, name }) => h("option", { value: skill }, name)),
    );
  }
  return skills.length;
}

export function startForm(app: App): View {
  const { texts } = app;
  const fields = makeFields(app);
  const heading = h("h2", { tabindex: -1 });
  const words = h("blockquote", { dir: "auto", hidden: true });
  const problem = alertLine();
  const go = button(texts.accept, "main");
  const all = Object.values(fields) as Field[];
  const form = h("form", { novalidate: true, class: "form" }, heading, words, ...all.map(({ element }) => element), problem.element, go);
  bind(app, fields);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!go.matches("[aria-disabled]") && checked(all)) app.act({ do: "request" });
  });
  return {
    element: form,
    update: (state) => {
      const { settings, invitation, accepting, typed } = state;
      const asked = settings.form ?? {};
      const answering = accepting && invitation;
      if (answering) say(heading, ...phrase(texts.invites, { name: namesOf([answering.operator], texts) }));
      else say(heading, texts.welcome);
      show(words, !!answering && answering.text !== "");
      say(words, answering ? answering.text : "");
      fields.name.need(asked.name ?? "required");
      fields.email.need(asked.email ?? "off");
      fields.text.need(answering ? "off" : asked.question ?? "optional");
      fields.skill.need(topics(app, fields.skill, state) && !answering ? "required" : "off");
      for (const name of ["name", "email", "text", "skill"] as const) follow(fields[name], typed[name]);
      set(go, { "aria-disabled": state.waitingFor ? "true" : null });
      problem.tell(problemText(state.problem, texts));
    },
    focus: () => {
      (all.find(({ element, control }) => !element.hidden && !control.value)?.control ?? go).focus();
    },
  };
}

/** Nobody is there: a message instead of a chat, with what was typed already. */
export function offlineForm(app: App): View {
  const { texts } = app;
  const { name, email, text } = makeFields(app);
  const fields = [name, email, text];
  for (const one of fields) one.need("required");
  text.element.querySelector("label")?.replaceChildren(texts.message);
  const problem = alertLine();
  const go = button(texts.send, "main");
  const close = button(texts.close, "plain", () => { app.act({ do: "leaveForm" }); });
  const heading = h("h2", { tabindex: -1 }, texts.formText);
  const form = h("form", { novalidate: true, class: "form" }, heading, ...fields.map(({ element }) => element), problem.element, go, close);
  bind(app, { name, email, text });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!go.matches("[aria-disabled]") && checked(fields)) app.act({ do: "leaveMessage" });
  });
  return {
    element: form,
    update: (state) => {
      follow(name, state.typed.name);
      follow(email, state.typed.email);
      follow(text, state.typed.text);
      set(go, { "aria-disabled": state.waitingFor ? "true" : null });
      problem.tell(problemText(state.problem, texts));
    },
    focus: () => { heading.focus(); },
  };
}
