import { useEffect, useRef, type RefObject } from "react";
import { useTranslation } from "react-i18next";
import { desk, queues, setState, useLive } from "../app/live";
import { prefer, usePreferences } from "../app/preferences";
import { openPanel, useSelection } from "../list/selection";
import { neighbour } from "./ChatsPanel";
import { useRespond, type Respond } from "./respond";

/** With Alt, by the key's place: letters that the layout puts elsewhere stay where the hand expects them. */
const KEYS = {
  accept: "A",
  decline: "D",
  next: "↓",
  previous: "↑",
  choose: "1…9",
  write: "M",
  list: "L",
  chats: "C",
  inbox: "I",
  wide: "W",
  state: "S",
  sound: "N",
} as const;

function afterChatsShown(run: () => void): void {
  openPanel("chats");
  requestAnimationFrame(run);
}

function actionFor(code: string, { accept, decline, take }: Respond): (() => void) | null {
  const { offers, chats, active } = desk.current();
  const [offer] = offers;
  const [first] = queues.current();
  const step = (by: number) => () => {
    const next = neighbour(chats, active, by);
    if (next !== null) afterChatsShown(() => desk.show(next));
  };
  const digit = /^Digit([1-9])$/.exec(code)?.[1];
  if (digit !== undefined) {
    const chat = chats[Number(digit) - 1];
    return chat ? () => afterChatsShown(() => desk.show(chat.chat)) : null;
  }
  switch (code) {
    case "KeyA":
      if (offer) return () => void accept(offer);
      return first ? () => void take(first.site, first.row) : null;
    case "KeyD":
      return offer ? () => void decline(offer) : null;
    case "ArrowDown":
      return chats.length > 0 ? step(1) : null;
    case "ArrowUp":
      return chats.length > 0 ? step(-1) : null;
    case "KeyM":
      return () => afterChatsShown(() => document.getElementById("composer")?.focus());
    case "KeyL":
      return () => document.querySelector<HTMLElement>(".grid")?.focus();
    case "KeyC":
      return () => openPanel(useSelection.getState().panel === "chats" ? null : "chats");
    case "KeyI":
      return () => openPanel("inbox");
    case "KeyW":
      return () => prefer({ wide: !usePreferences.getState().wide });
    case "KeyS":
      return () => void setState(useLive.getState().state === "online" ? "away" : "online");
    case "KeyN":
      return () => prefer({ sound: !usePreferences.getState().sound });
    default:
      return null;
  }
}

function isText(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.matches("input, textarea, select, [contenteditable]");
}

/** Listens everywhere, except while a dialog is open. Gives what the help is shown with. */
export function useShortcuts(): RefObject<HTMLDialogElement | null> {
  const help = useRef<HTMLDialogElement>(null);
  const respond = useRespond();
  useEffect(() => {
    const listen = (event: KeyboardEvent) => {
      if (document.querySelector("dialog[open]")) return;
      if (event.key === "?" && !isText(event.target) && !event.ctrlKey && !event.metaKey) {
        event.preventDefault();
        help.current?.showModal();
        return;
      }
      // Ctrl and Alt together are AltGr, which writes letters.
      if (!event.altKey || event.ctrlKey || event.metaKey || event.shiftKey || event.repeat) return;
      const run = actionFor(event.code, respond);
      if (!run) return;
      event.preventDefault();
      run();
    };
    addEventListener("keydown", listen);
    return () => removeEventListener("keydown", listen);
  }, [respond]);
  return help;
}

export function ShortcutHelp({ dialog }: { dialog: RefObject<HTMLDialogElement | null> }) {
  const { t } = useTranslation();
  return (
    <dialog ref={dialog} className="dialog shortcuts" aria-labelledby="shortcuts-title">
      <h2 id="shortcuts-title">{t("shortcuts.title")}</h2>
      <dl>
        {Object.entries(KEYS).map(([name, key]) => (
          <div key={name}>
            <dt>{t(`shortcuts.${name as keyof typeof KEYS}`)}</dt>
            <dd>
              <kbd>Alt</kbd> <kbd>{key}</kbd>
            </dd>
          </div>
        ))}
        {(
          [
            ["canned", "/"],
            ["close_chat", "Delete"],
            ["rows", "↑ ↓"],
            ["escape", "Esc"],
            ["help", "?"],
          ] as const
        ).map(([name, key]) => (
          <div key={name}>
            <dt>{t(`shortcuts.${name}`)}</dt>
            <dd>
              <kbd>{key}</kbd>
            </dd>
          </div>
        ))}
      </dl>
      <form method="dialog" className="dialog-buttons">
        <button type="submit" className="button">
          {t("shortcuts.close")}
        </button>
      </form>
    </dialog>
  );
}
