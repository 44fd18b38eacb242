/** The open chat: a header that says with whom, and one page below it. It is no modal dialog: the website stays usable. */
import type { Screen, State } from "../state";
import { isTalking } from "../state";
import type { App, View } from "./app";
import { namesOf } from "./app";
import { h, icon, iconButton, initials, say, set, show } from "./dom";
import { kickedPage, overPage, sentPage } from "./over";
import { offlineForm, startForm } from "./start";
import type { Talk } from "./talk";
import { talkPage } from "./talk";

export interface Panel extends View {
  talk: Talk;
  focus: () => void;
}

interface Header extends View {
  sound: HTMLButtonElement;
}

function header(app: App, toggleSound: () => boolean): Header {
  const { texts } = app;
  const face = h("span", { class: "face", "aria-hidden": "true" });
  const title = h("h1", { id: "title" });
  const subtitle = h("p", {});
  const sound = iconButton("sound", texts.sound, () => { set(sound, { "aria-pressed": String(toggleSound()) }); });
  const down = iconButton("down", texts.minimise, () => { app.act({ do: "minimise" }); });
  return {
    sound,
    element: h("header", {}, face, h("div", { class: "who" }, title, subtitle), sound, down),
    update: ({ status, operators, settings, screen }) => {
      const off = settings.online === false || screen === "offline";
      const talking = isTalking(status) && status !== "requested" && operators.length > 0;
      const names = namesOf(operators, texts);
      say(title, talking ? h("bdi", {}, names) : texts.title);
      const pictured = talking ? initials(operators[0]?.name ?? "") : "";
      if (face.textContent !== pictured || !face.firstChild) face.replaceChildren(pictured || icon("chat"));
      say(subtitle, off && !talking ? texts.offline : texts.online);
      set(subtitle, { class: off && !talking ? "off" : "on" });
      show(sound, settings.sound === true);
    },
  };
}

function swapPages(body: HTMLElement, pages: Record<Screen, View>): (state: State, hadFocus: boolean) => void {
  let now: Screen | undefined;
  return (state, hadFocus) => {
    const page = pages[state.screen];
    page.update(state);
    if (now === state.screen) return;
    body.replaceChildren(page.element);
    // The element that had the focus is gone with its page: go on in the new one, and only then.
    if (now && hadFocus) page.focus?.();
    now = state.screen;
    page.update(state);
  };
}

export function panel(app: App, root: ShadowRoot, toggleSound: () => boolean): Panel {
  const talk = talkPage(app);
  const pages: Record<Screen, View> = {
    form: startForm(app),
    chat: talk,
    over: overPage(app),
    kicked: kickedPage(app),
    offline: offlineForm(app),
    sent: sentPage(app),
  };
  const head = header(app, toggleSound);
  const banner = h("p", { class: "banner", role: "status" });
  const body = h("div", { class: "body" });
  const swap = swapPages(body, pages);
  const element = h("section", { class: "panel", role: "dialog", "aria-labelledby": "title", hidden: true }, head.element, banner, body);
  let screen: Screen = "form";
  return {
    element,
    talk,
    update: (state) => {
      const hadFocus = element.contains(root.activeElement);
      screen = state.screen;
      show(element, state.open);
      head.update(state);
      say(banner, state.connected ? "" : app.texts.reconnecting);
      swap(state, hadFocus && state.open);
    },
    focus: () => { pages[screen].focus?.(); },
  };
}
