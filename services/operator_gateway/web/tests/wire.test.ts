import { expect, test } from "vitest";
import document from "../../../../docs/protocol/asyncapi-operators.json";
import http from "../../../../docs/protocol/openapi-gateway.json";
import {
  EVENT_TYPES,
  OFFER_KINDS,
  type Actor,
  type ChatEvent,
  type ChatOpened,
  type ChatRead,
  type ChatTyping,
  type DeskState,
  type InboxChanged,
  type Offer,
  type OfferGone,
  type Sent,
} from "../src/chat/wire";
import type { Canned } from "../src/desk/canned";
import type { InboxMessage, InboxPage } from "../src/desk/inbox";
import type { Asked, ChatSummary, VisitorAnswer } from "../src/panels/moments";
import { SOURCE_KINDS, STATUSES } from "../src/wire";
import type {
  Device,
  Filter,
  HistoryPage,
  NavigationPage,
  OperatorChanged,
  BotCount,
  BotDay,
  BotReport,
  OperatorRef,
  PageRef,
  Row,
  Skill,
  Sort,
  Source,
  ViewCheck,
  ViewDelta,
  ViewOpen,
  ViewState,
  Visit,
  WireError,
} from "../src/wire";

// The document is made from the server's own types (shared/contracts), and a test there compares the two. Here the
// compiler compares it with ours: a field that was renamed on one side no longer compiles.
type Schemas = typeof document.components.schemas;
type HttpSchemas = typeof http.components.schemas;
type Known<Ours, Theirs extends { properties: object }> = [Exclude<keyof Ours, keyof Theirs["properties"]>] extends [
  never,
]
  ? true
  : never;

const compared: {
  Row: Known<Row, Schemas["Row"]>;
  Page: Known<PageRef, Schemas["Page"]>;
  Device: Known<Device, Schemas["Device"]>;
  Source: Known<Source, Schemas["Source"]>;
  OperatorRef: Known<OperatorRef, Schemas["OperatorRef"]>;
  Sort: Known<Sort, Schemas["Sort"]>;
  Filter: Known<Filter, Schemas["Filter"]>;
  ViewOpen: Known<ViewOpen, Schemas["ViewOpen"]>;
  ViewState: Known<ViewState, Schemas["ViewState"]>;
  ViewDelta: Known<ViewDelta, Schemas["ViewDelta"]>;
  ViewCheck: Known<ViewCheck, Schemas["ViewCheck"]>;
  PageView: Known<NavigationPage, Schemas["PageView"]>;
  Visit: Known<Visit, Schemas["Visit"]>;
  HistoryState: Known<HistoryPage, Schemas["HistoryState"]>;
  SkillCard: Known<Skill, Schemas["SkillCard"]>;
  OperatorStateChanged: Known<OperatorChanged, Schemas["OperatorStateChanged"]>;
  ErrorBody: Known<WireError, Schemas["ErrorBody"]>;
  VisitorState: Known<VisitorAnswer, Schemas["VisitorState"]>;
  Actor: Known<Actor, Schemas["Actor"]>;
  ChatEvent: Known<ChatEvent, Schemas["ChatEvent"]>;
  ChatSummary: Known<ChatSummary, Schemas["ChatSummary"]>;
  Asked: Known<Asked, Schemas["Asked"]>;
  Offered: Known<Offer, Schemas["Offered"]>;
  OfferWithdrawn: Known<OfferGone, Schemas["OfferWithdrawn"]>;
  TypingMark: Known<ChatTyping, Schemas["TypingMark"]>;
  ReadMark: Known<ChatRead, Schemas["ReadMark"]>;
  TranscriptPart: Known<ChatOpened, Schemas["TranscriptPart"]>;
  CommandAck: Known<Sent, Schemas["CommandAck"]>;
  Desk: Known<DeskState, Schemas["Desk"]>;
  DeskChat: Known<DeskState["chats"][number], Schemas["DeskChat"]>;
  InboxCount: Known<InboxChanged, Schemas["InboxCount"]>;
} = {
  Row: true,
  Page: true,
  Device: true,
  Source: true,
  OperatorRef: true,
  Sort: true,
  Filter: true,
  ViewOpen: true,
  ViewState: true,
  ViewDelta: true,
  ViewCheck: true,
  PageView: true,
  Visit: true,
  HistoryState: true,
  SkillCard: true,
  OperatorStateChanged: true,
  ErrorBody: true,
  VisitorState: true,
  Actor: true,
  ChatEvent: true,
  ChatSummary: true,
  Asked: true,
  Offered: true,
  OfferWithdrawn: true,
  TypingMark: true,
  ReadMark: true,
  TranscriptPart: true,
  CommandAck: true,
  Desk: true,
  DeskChat: true,
  InboxCount: true,
};
const comparedHttp: {
  InboxItem: Known<InboxMessage, HttpSchemas["InboxItem"]>;
  InboxPage: Known<InboxPage, HttpSchemas["InboxPage"]>;
  CannedReply: Known<Canned, HttpSchemas["CannedReply"]>;
  BotCount: Known<BotCount, HttpSchemas["BotCount"]>;
  BotDay: Known<BotDay, HttpSchemas["BotDay"]>;
  BotReport: Known<BotReport, HttpSchemas["BotReport"]>;
} = { InboxItem: true, InboxPage: true, CannedReply: true, BotCount: true, BotDay: true, BotReport: true };

test("every type that the compiler compares is in the documents", () => {
  expect(Object.keys(document.components.schemas)).toEqual(expect.arrayContaining(Object.keys(compared)));
  expect(Object.keys(http.components.schemas)).toEqual(expect.arrayContaining(Object.keys(comparedHttp)));
});

test("the console knows every status, kind of line and kind of offer, and no other", () => {
  const { ChatEvent, Offered, Row } = document.components.schemas;
  expect([...EVENT_TYPES].sort()).toEqual([...ChatEvent.properties.type.enum].sort());
  expect([...OFFER_KINDS].sort()).toEqual([...Offered.properties.kind.enum].sort());
  expect([...STATUSES].sort()).toEqual([...Row.properties.status.enum].sort());
  expect([...SOURCE_KINDS].sort()).toEqual([...document.components.schemas.Source.properties.kind.enum].sort());
});
