/** What is there while the chat is minimised: the bubble, and the card of an invitation. */
import { fill } from "../language";
import type { State } from "../state";
import { unread } from "../state";
import type { App, View } from "./app";
import { namesOf } from "./app";
import { button, h, icon, initials, phrase, say, set, show } from "./dom";

export function launcher(app: App, wanted: (state: State) => boolean): View {
  const { texts } = app;
  const badge = h("span", { class: "badge", hidden: true });
  const dot = h("span", { class: "dot" });
  const element = h("button", { type: "button", class: "launcher", "aria-expanded": "false", click: () => { app.act({ do: "open" }); } }, icon("chat"), badge, dot);
  return {
    element,
    update: (state) => {
      const count = unread(state);
      show(element, !state.open && wanted(state));
      show(badge, count > 0);
      say(badge, count > 99 ? "99+" : String(count));
      show(dot, count === 0 && state.settings.online !== undefined);
      set(dot, { class: state.settings.online ? "dot on" : "dot" });
      const standing = count ? fill(texts.unread, { n: count }) : state.settings.online === false ? texts.offline : "";
      set(element, { "aria-label": [texts.open, standing].filter(Boolean).join(", ") });
    },
    focus: () => { element.focus(); },
  };
}

export function invitationCard(app: App): View {
  const { texts } = app;
  const face = h("span", { class: "face", "aria-hidden": "true" });
  const who = h("p", { class: "by" });
  const words = h("p", { dir: "auto", class: "words" });
  const accept = button(texts.accept, "main", () => { app.act({ do: "accept" }); });
  const decline = button(texts.decline, "plain", () => { app.act({ do: "decline" }); });
  const card = h("section", { class: "card" }, face, h("div", {}, who, words), h("div", { class: "choice" }, accept, decline));
  // The region is there before the card: only then is what appears in it spoken. The focus stays where it was.
  const element = h("div", { class: "cards", role: "status" });
  return {
    element,
    update: ({ invitation, open, accepting }) => {
      if (!invitation || open || accepting) {
        if (card.isConnected) card.remove();
        return;
      }
      const name = namesOf([invitation.operator], texts);
      say(face, initials(name));
      say(who, ...phrase(texts.invites, { name }));
      say(words, invitation.text);
      if (!card.isConnected) element.append(card);
    },
  };
}
