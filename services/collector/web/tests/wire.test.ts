import { expect, it } from "vitest";
import live from "../../../../docs/protocol/asyncapi-visitors.json";
import http from "../../../../docs/protocol/openapi-collector.json";
import type { Line, Message, Person, Settings, Status } from "../src/widget/wire";
import type { Answer, Batch, Sender, TrackerEvent } from "../src/wire";

// The documents are made from the collector's own types (shared/contracts), and tests there compare the two. Here the
// compiler compares them with ours: a field that was renamed on one side no longer compiles.
type Live = typeof live.components.schemas;
type Http = typeof http.components.schemas;
type Fields<Schema extends { properties: object }> = keyof Schema["properties"];
type Known<Ours, Theirs> = [Exclude<keyof Ours, Theirs>] extends [never] ? true : never;

/** What the widget may read of any frame: whatever one of these has. */
type Said =
  | Fields<Live["LiveOk"]>
  | Fields<Live["LiveError"]>
  | Fields<Live["Invite"]>
  | Fields<Live["InviteIsGone"]>
  | Fields<Live["StatusIs"]>
  | Fields<Live["ChatEventSaid"]>
  | Fields<Live["TypingMark"]>
  | Fields<Live["ReadMark"]>;

const compared: {
  TrackerEvent: Known<TrackerEvent, Fields<Live["Event"]>>;
  Batch: Known<Batch, Fields<Http["Batch"]> | "chat" | "after">;
  Sender: Known<Sender, Fields<Live["Hello"]>>;
  Answer: Known<Answer, Said | Fields<Http["BatchAnswer"]>>;
  Message: Known<Message, Said>;
  Line: Known<Line, Fields<Live["ChatEvent"]>>;
  Person: Known<Person, Fields<Live["Actor"]>>;
  Settings: Known<Settings, Fields<Http["PublicSite"]>>;
  Theme: Known<NonNullable<Settings["theme"]>, Fields<Http["Theme"]>>;
  Form: Known<NonNullable<Settings["form"]>, Fields<Http["Form"]>>;
} = {
  TrackerEvent: true,
  Batch: true,
  Sender: true,
  Answer: true,
  Message: true,
  Line: true,
  Person: true,
  Settings: true,
  Theme: true,
  Form: true,
};

it("compares what the documents name", () => {
  expect(Object.values(compared).every(Boolean)).toBe(true);
});

it("knows every status and no other", () => {
  const statuses: Record<Status, true> = {
    navigating: true,
    invited: true,
    accepted: true,
    chat_denied: true,
    requested: true,
    chatting: true,
    conference: true,
    forwarded: true,
    kicked: true,
    chat_end: true,
    redirected: true,
  };
  expect(Object.keys(statuses).sort()).toEqual([...live.components.schemas.StatusIs.properties.status.enum].sort());
});
