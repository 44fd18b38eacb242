/**
 * The chat widget, loaded by the tracker when it shows. `start` is called for each reason to show it; the first one
 * puts everything together. What is pure: `state`, `step`, `act`, `outbox`, `language`, `colour`, `links`.
 */
import { Session } from "./session";
import type { Link } from "./wire";

let session: Session | undefined;

export function start(link: Link, wanted?: boolean): void {
  session ??= new Session(link);
  if (wanted) session.open();
}
