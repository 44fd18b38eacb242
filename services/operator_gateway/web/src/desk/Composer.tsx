import { SendHorizontal } from "lucide-react";
import { useEffect, useRef, useState, type KeyboardEvent } from "react";
import { useTranslation } from "react-i18next";
import { desk } from "../app/live";
import { toast } from "../app/toasts";
import { codePoints, type Chat } from "../chat/chat";
import { LONGEST_MESSAGE } from "../chat/wire";
import { matching, slashOf, useCanned, type Canned } from "./canned";

const COUNT_FROM = LONGEST_MESSAGE - 400;

/** Where the operator writes: Enter sends, Shift and Enter begins a line, a slash finds a canned reply. */
export function Composer({ chat, site }: { chat: Chat; site: string }) {
  const { t } = useTranslation();
  const box = useRef<HTMLTextAreaElement>(null);
  const { draft } = chat;
  const [closedFor, setClosedFor] = useState<string | null>(null);
  const [marked, setMarked] = useState(0);
  const canned = useCanned(site);
  const typed = slashOf(draft);
  const found = typed === null || closedFor === draft ? [] : matching(canned, typed);
  const at = Math.min(marked, found.length - 1);
  const length = codePoints(draft.trim());
  const tooLong = length > LONGEST_MESSAGE;
  useEffect(() => box.current?.focus(), []);

  function send() {
    const text = draft.trim();
    if (text === "" || tooLong) return;
    if (!desk.say(chat.chat, text)) toast("error", t("chat.full"));
  }
  function choose(one: Canned) {
    desk.draft(chat.chat, one.text);
    box.current?.focus();
  }
  function pickerKeys(event: KeyboardEvent): boolean {
    const one = found[at];
    if (one === undefined) return false;
    if (event.key === "ArrowDown") setMarked((at + 1) % found.length);
    else if (event.key === "ArrowUp") setMarked((at + found.length - 1) % found.length);
    else if (event.key === "Enter" || event.key === "Tab") choose(one);
    else if (event.key === "Escape") setClosedFor(draft);
    else return false;
    return true;
  }
  function keys(event: KeyboardEvent<HTMLTextAreaElement>) {
    // While an input method composes, Enter chooses its word.
    if (event.nativeEvent.isComposing || event.altKey || event.ctrlKey || event.metaKey) return;
    if (pickerKeys(event)) event.preventDefault();
    else if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      send();
    }
  }

  return (
    <div className="composer">
      {found.length > 0 && <CannedList found={found} marked={at} onChoose={choose} />}
      <textarea
        ref={box}
        id="composer"
        rows={2}
        dir="auto"
        value={draft}
        placeholder={t("chat.write")}
        aria-label={t("chat.write_label")}
        aria-invalid={tooLong}
        aria-autocomplete="list"
        aria-controls={found.length > 0 ? "canned" : undefined}
        aria-activedescendant={found.length > 0 ? `canned-${found[at]?.canned ?? ""}` : undefined}
        onChange={({ target }) => {
          desk.draft(chat.chat, target.value);
          setMarked(0);
          setClosedFor(null);
        }}
        onKeyDown={keys}
      />
      <div className="composer-foot">
        {length > COUNT_FROM ? (
          <span className={tooLong ? "composer-count composer-over number" : "composer-count number"} role="status">
            {t("chat.count", { count: length, most: LONGEST_MESSAGE })}
          </span>
        ) : (
          <span className="composer-count">{t(canned.length > 0 ? "chat.hint_canned" : "chat.hint")}</span>
        )}
        <button type="button" className="button primary small" disabled={length === 0 || tooLong} onClick={send}>
          <SendHorizontal size={14} aria-hidden="true" />
          {t("chat.send")}
        </button>
      </div>
    </div>
  );
}

interface CannedListProps {
  found: readonly Canned[];
  marked: number;
  onChoose: (one: Canned) => void;
}

function CannedList({ found, marked, onChoose }: CannedListProps) {
  const { t } = useTranslation();
  return (
    <ul id="canned" className="canned" role="listbox" aria-label={t("chat.canned")}>
      {found.map((one, at) => (
        <li
          key={one.canned}
          id={`canned-${one.canned}`}
          role="option"
          aria-selected={at === marked}
          // The text field keeps the focus.
          onMouseDown={(event) => event.preventDefault()}
          onClick={() => onChoose(one)}
        >
          <kbd>/{one.shortcut}</kbd>
          <span dir="auto">
            {one.title && <b>{one.title} </b>}
            {one.text}
          </span>
        </li>
      ))}
    </ul>
  );
}
