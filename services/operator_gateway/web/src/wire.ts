/**
 * The wire between console and gateway, with the names of the protocol. Times are milliseconds since the epoch by the
 * server's clock. Nothing here has behaviour; `view/` applies these messages, `net/` carries them.
 */

export const STATUSES = [
  "navigating",
  "invited",
  "accepted",
  "chat_denied",
  "requested",
  "chatting",
  "conference",
  "forwarded",
  "kicked",
  "chat_end",
  "redirected",
] as const;
export type Status = (typeof STATUSES)[number];

export type Activity = "active" | "idle" | "away";
export type OperatorState = "online" | "away" | "offline";
export type Role = "operator" | "supervisor" | "admin";

export interface OperatorRef {
  id: string;
  name: string;
}

export interface PageRef {
  url: string;
  title: string;
}

export interface Device {
  browser?: string | null;
  os?: string | null;
  kind?: string | null;
}

export const SOURCE_KINDS = ["direct", "internal", "search", "social", "ai", "campaign", "referral"] as const;

/** Where a visit came from; `name` is the engine, network, assistant, campaign or host. */
export interface Source {
  kind?: (typeof SOURCE_KINDS)[number];
  name?: string;
}

export interface Row {
  visitor: string;
  version: number;
  number: number;
  nickname: string;
  named: boolean;
  returning: boolean;
  visits: number;
  /** ISO 3166-1 alpha-2; empty or null where it cannot be told. */
  country: string | null;
  /** Skill id; the site's list has its name. */
  skill: string | null;
  status: Status;
  reason: string | null;
  operators: OperatorRef[];
  chat?: string | null;
  activity: Activity;
  visit_started_at: number;
  requested_at?: number | null;
  engaged_at?: number | null;
  ended_at?: number | null;
  page: PageRef | null;
  pages: number;
  referrer?: string | null;
  source?: Source | null;
  device?: Device | null;
  lang?: string | null;
}

export const SORT_KEYS = [
  "returning",
  "nickname",
  "country",
  "skill",
  "status",
  "operator",
  "visit_started_at",
  "chat_time",
  "wait_time",
  "page",
  "pages",
] as const;
export type SortKey = (typeof SORT_KEYS)[number];

export interface Sort {
  by: SortKey;
  dir: "asc" | "desc";
}

export interface Filter {
  status?: Status[];
  skill?: string[];
  country?: string[];
  operator?: string;
  returning?: boolean;
  text?: string;
}

export type Have = [visitor: string, version: number][];
export type Counts = Partial<Record<Status, number>>;

export interface ViewOpen {
  view: string;
  site: string;
  sort: Sort;
  filter: Filter;
  offset: number;
  limit: number;
  have?: Have;
  /** The epoch that `have` came from. */
  epoch?: string;
}

/** Answer to `view:open`, `view:move` and `view:sync`. With `order`, rows the client has are left out of `rows`. */
export interface ViewState {
  epoch: string;
  seq: number;
  total: number;
  counts: Counts;
  rows: Row[];
  order?: string[] | null;
  server_time?: number;
  /** The site is still being read: what is there follows as deltas. */
  loading?: boolean;
}

/** What a gateway with too much to do puts off beside making updates rarer. */
export type PutOff = "pages" | "idle";

export interface ViewDelta {
  view: string;
  epoch: string;
  prev: number;
  seq: number;
  total?: number | null;
  counts?: Counts | null;
  remove?: string[] | null;
  insert?: [pos: number, row: Row][] | null;
  update?: [visitor: string, version: number, changed: Partial<Row>][] | null;
  move?: [visitor: string, pos: number][] | null;
  /** Updates come only every so many milliseconds; absent while all is well. */
  slowed?: number;
  put_off?: PutOff[];
}

export interface ViewCheck {
  view: string;
  seq: number;
  checksum: number;
  slowed?: number;
  put_off?: PutOff[];
}

export interface ViewReset {
  view: string;
  reason: string;
}

export interface WireError {
  code: string;
  message: string;
  /** The visitor's status. */
  current?: unknown;
  /** Who was faster, with `taken`. */
  taken_by?: string;
}

export type Ack<T> = ({ ok: true } & T) | { ok: false; error: WireError };

export interface Skill {
  skill: string;
  name: string;
}

export interface Site {
  site: string;
  name: string;
  skills: Skill[];
  role?: Role;
  primary_skill?: string | null;
  secondary_skills?: string[];
  max_chats?: number;
}

export interface Operator {
  id: string;
  name: string;
  email?: string;
  state?: OperatorState;
}

export interface Ready {
  operator: Operator;
  sites: Site[];
  server_time: number;
}

export interface OperatorChanged {
  operator: string | OperatorRef;
  name?: string;
  state: OperatorState;
  chats: number;
  sites: string[];
}

export interface NavigationPage {
  page: string;
  url: string;
  title: string;
  started_at: number;
  /** Left out when zero, as all defaults of a page view are. */
  engaged_ms?: number;
  current?: boolean;
}

export interface Visit {
  visit: string;
  started_at: number;
  ended_at: number | null;
  country: string | null;
  referrer?: string | null;
  pages: number;
  engaged_ms: number;
  page_views: NavigationPage[];
  source?: Source | null;
  device?: Device | null;
}

export interface HistoryPage {
  visits: Visit[];
  /** Goes back as `before`. */
  next?: string | number | null;
}

/** `POST /api/v1/session`. */
export interface SessionAnswer {
  token: string;
  expires_at: number;
  operator: Operator;
  csrf: string;
}

/** `GET /api/v1/me`. */
export interface Me {
  operator: Operator;
  csrf: string;
  /** Opens one socket. */
  token?: string;
  sites?: Site[];
  collector_url?: string;
  geoip?: { attribution: string; date?: string | null } | null;
}

/** A crawler by the name that it gives itself, and its requests. */
export interface BotCount {
  name: string;
  requests: number;
}

/** Crawlers of one day (UTC), the busiest first. */
export interface BotDay {
  day: string;
  bots: BotCount[];
}

export interface BotReport {
  days: BotDay[];
}
