/** How it ended: the end of a chat with its rating, thrown out, or a message left. */
import type { App, View } from "./app";
import { problemText } from "./app";
import { button, h, icon, say, show } from "./dom";
import { alertLine } from "./fields";
import { fill } from "../language";

const SCORES = [1, 2, 3, 4, 5];

function stars(app: App): { element: HTMLElement; score: () => number; disable: () => void } {
  const inputs = SCORES.map((score) =>
    h("input", { type: "radio", name: "score", value: score, "aria-label": fill(app.texts.star, { n: score }) }),
  );
  const element = h(
    "fieldset",
    { class: "stars" },
    h("legend", {}, app.texts.rate),
    ...inputs.map((input) => h("label", { class: "star" }, input, icon("star"))),
  );
  const paint = (): void => {
    const score = Number(inputs.find(({ checked }) => checked)?.value ?? 0);
    element.querySelectorAll("label").forEach((label, i) => label.classList.toggle("on", i < score));
  };
  element.addEventListener("change", paint);
  return {
    element,
    score: () => Number(inputs.find(({ checked }) => checked)?.value ?? 0),
    disable: () => {
      inputs.forEach((input) => { input.checked = false; });
      paint();
    },
  };
}

export function overPage(app: App): View {
  const { texts } = app;
  const heading = h("h2", { tabindex: -1 }, texts.ended);
  const rating = stars(app);
  const comment = h("textarea", { rows: 3, maxlength: 500, "aria-label": texts.comment, placeholder: texts.comment, dir: "auto" });
  const problem = alertLine();
  const go = button(texts.send, "main");
  const form = h("form", { class: "form" }, rating.element, comment, problem.element, go);
  const thanks = h("p", { role: "status", class: "thanks" });
  const again = button(texts.again, "plain", () => {
    rating.disable();
    comment.value = "";
    app.act({ do: "again" });
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (rating.score()) app.act({ do: "rate", score: rating.score(), comment: comment.value });
  });
  return {
    element: h("div", { class: "page" }, heading, form, thanks, again),
    update: ({ rated, settings, lines, problem: code }) => {
      // Only who spoke with somebody has something to rate.
      const talked = lines.some(({ type }) => type === "started" || type === "joined");
      show(form, !rated && talked && settings.rating !== false);
      say(thanks, rated ? texts.thanks : "");
      problem.tell(problemText(code, texts));
    },
    focus: () => { heading.focus(); },
  };
}

export function kickedPage(app: App): View {
  const heading = h("h2", { tabindex: -1 }, app.texts.kicked);
  const why = h("blockquote", { dir: "auto" });
  const close = button(app.texts.close, "plain", () => { app.act({ do: "leaveForm" }); });
  return {
    element: h("div", { class: "page" }, heading, why, close),
    update: ({ reason }) => {
      show(why, reason !== "");
      say(why, reason);
    },
    focus: () => { heading.focus(); },
  };
}

export function sentPage(app: App): View {
  const heading = h("h2", { tabindex: -1 }, app.texts.sent);
  const close = button(app.texts.close, "plain", () => { app.act({ do: "leaveForm" }); });
  return {
    element: h("div", { class: "page" }, h("div", { class: "done" }, icon("check")), heading, close),
    update: () => {},
    focus: () => { heading.focus(); },
  };
}
