/** Offline messages as the gateway's collection gives them; what is not usable is left out. */
import { listOf } from "./canned";

export interface InboxMessage {
  id: string;
  at: number;
  name: string;
  email: string;
  text: string;
  done: boolean;
}

export function readInbox(answer: unknown): InboxMessage[] {
  const text = (value: unknown): string => (typeof value === "string" ? value : "");
  return listOf(answer)
    .flatMap((item) => {
      const id = text(item.message) || text(item.id);
      const at = item.at ?? item.at_ms;
      if (id === "" || typeof at !== "number") return [];
      const { name, email } = item;
      return [{ id, at, name: text(name), email: text(email), text: text(item.text), done: !!item.done }];
    })
    .sort((a, b) => b.at - a.at);
}
