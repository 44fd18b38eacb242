/** Invented visitors that move, wait, chat and leave: enough to see the console at work without the services. */
import type { Activity, NavigationPage, OperatorRef, Row, Status, Visit } from "../src/wire";

const COUNTRIES = [
  "DE",
  "FR",
  "US",
  "GB",
  "NL",
  "AT",
  "CH",
  "ES",
  "IT",
  "PL",
  "SE",
  "JP",
  "BR",
  "IN",
  "CA",
  "AU",
  "TR",
  "IL",
  "",
];
const SKILLS = ["sales", "billing", "german"];
const ARRIVALS: Pick<Row, "referrer" | "source">[] = [
  { source: { kind: "direct" } },
  { referrer: "https://www.google.com/", source: { kind: "search", name: "Google" } },
  { referrer: "https://chatgpt.com/", source: { kind: "ai", name: "ChatGPT" } },
  { referrer: "https://news.example/best-tents-2026", source: { kind: "referral", name: "news.example" } },
  { referrer: "javascript:alert(1)", source: { kind: "campaign", name: "autumn sale" } },
];
const PAGES: [string, string][] = [
  ["/", "Northwind Outdoor: tents, boots and everything between"],
  ["/tents", "Tents"],
  ["/tents/ridge-2", "Ridge 2, two-person tent (1.9 kg)"],
  ["/boots/alpine-gtx?size=43&colour=slate", "Alpine GTX hiking boots"],
  ["/cart", "Your cart"],
  ["/checkout/payment", "Payment"],
  ["/help/returns", "Returns and refunds"],
  [
    "/blog/how-to-choose-a-sleeping-bag-for-three-seasons",
    "How to choose a sleeping bag for three seasons, and why the label is not enough",
  ],
  ["/stores", "Our stores"],
];
const NAMES = [
  "Lena Vogt",
  "Marek",
  "A. Tanaka",
  "משה לוי",
  "Zoë",
  "José María",
  "Олена",
  "\u202Eevil.example",
  "<b>Bobby</b>",
];
const OPERATORS: OperatorRef[] = [
  { id: "o_ines", name: "Inès Durand" },
  { id: "o_tom", name: "Tom Baker" },
];
export const ME: OperatorRef = { id: "o_demo", name: "Dana Okafor" };
export const COLLEAGUES = OPERATORS;

const pick = <T>(from: readonly T[]): T => from[Math.floor(Math.random() * from.length)] as T;
const chance = (share: number): boolean => Math.random() < share;

export class Simulation {
  readonly rows = new Map<string, Row>();
  readonly navigation = new Map<string, NavigationPage[]>();
  private numbers = 1040;

  constructor(
    readonly site: string,
    private readonly wanted: number,
  ) {
    for (let i = 0; i < wanted; i++) this.arrive(Math.random() * 45 * 60_000);
    for (const row of this.rows.values())
      if (chance(0.22)) this.engage(row, pick(["requested", "chatting", "invited", "chat_end", "chatting"]));
  }

  /** One moment: about `share` of the visitors do something. */
  step(share: number): void {
    for (const row of [...this.rows.values()]) {
      // Chats of the operator at the screen change by what is done there.
      if (!chance(share) || (row.operators.some(({ id }) => id === ME.id) && row.chat)) continue;
      const dice = Math.random();
      if (dice < 0.62) this.browse(row);
      else if (dice < 0.8) this.change(row, { activity: pick<Activity>(["active", "active", "idle", "away"]) });
      else if (dice < 0.93) this.next(row);
      else this.leave(row);
    }
    while (this.rows.size < this.wanted) this.arrive(0);
  }

  change(row: Row, change: Partial<Row>): void {
    this.rows.set(row.visitor, { ...row, ...change, version: row.version + 1 });
  }

  private arrive(ago: number): void {
    this.numbers += 1;
    const visitor = crypto.randomUUID();
    const returning = chance(0.3);
    const named = chance(0.12);
    const [path, title] = pick(PAGES);
    const started = Math.floor(Date.now() - ago);
    const row: Row = {
      visitor,
      version: 1,
      number: this.numbers,
      nickname: named ? pick(NAMES) : `Visitor ${this.numbers}`,
      named,
      returning,
      visits: returning ? 2 + Math.floor(Math.random() * 6) : 1,
      country: pick(COUNTRIES),
      skill: pick(SKILLS),
      status: "navigating",
      reason: "",
      operators: [],
      activity: pick<Activity>(["active", "active", "active", "idle", "away"]),
      visit_started_at: started,
      page: { url: `https://www.northwind.example${path}`, title },
      pages: 1,
      device: {
        browser: pick(["Chrome 141", "Firefox 143", "Safari 19"]),
        os: pick(["Windows", "macOS", "Android", "iOS"]),
        kind: "desktop",
      },
      lang: pick(["de", "en-US", "fr", "ja"]),
      ...pick(ARRIVALS),
    };
    this.rows.set(visitor, row);
    this.navigation.set(visitor, [
      { page: crypto.randomUUID(), url: row.page?.url ?? "", title, started_at: started, engaged_ms: 0, current: true },
    ]);
  }

  private browse(row: Row): void {
    const [path, title] = pick(PAGES);
    const page = { url: `https://www.northwind.example${path}`, title };
    this.change(row, { page, pages: row.pages + 1, activity: "active" });
    const pages = (this.navigation.get(row.visitor) ?? []).map((one) => ({
      ...one,
      current: false,
      engaged_ms: one.current ? Date.now() - one.started_at : one.engaged_ms,
    }));
    pages.push({ page: crypto.randomUUID(), ...page, started_at: Date.now(), engaged_ms: 0, current: true });
    this.navigation.set(row.visitor, pages.slice(-200));
  }

  private next(row: Row): void {
    const after: Record<Status, Status> = {
      navigating: pick(["invited", "requested"]),
      invited: pick(["accepted", "chat_denied", "navigating"]),
      accepted: "chatting",
      chat_denied: "navigating",
      requested: pick(["chatting", "chatting", "redirected"]),
      chatting: pick(["chat_end", "conference", "forwarded", "chat_end", "kicked"]),
      conference: "chatting",
      forwarded: "chatting",
      kicked: "navigating",
      chat_end: "navigating",
      redirected: "navigating",
    };
    this.engage(row, after[row.status]);
  }

  engage(row: Row, status: Status, by?: OperatorRef): void {
    const now = Date.now();
    const one = row.operators[0] ?? by ?? pick(OPERATORS);
    const operators = {
      conference: [one, OPERATORS[0] === one ? (OPERATORS[1] ?? one) : (OPERATORS[0] ?? one)],
      navigating: [],
      requested: [],
      redirected: [],
      chat_denied: [],
      kicked: [],
      chat_end: [],
    } as Partial<Record<Status, OperatorRef[]>>;
    this.change(row, {
      status,
      operators: operators[status] ?? [one],
      reason: status === "kicked" ? "spam" : "",
      chat: `c_${row.number}`,
      ...(status === "requested" ? { requested_at: now - Math.floor(Math.random() * 90_000) } : {}),
      ...(status === "chatting" && (row.engaged_at ?? 0) <= (row.ended_at ?? 0) ? { engaged_at: now } : {}),
      ...(status === "chat_end" || status === "kicked" ? { ended_at: now } : {}),
    });
  }

  private leave(row: Row): void {
    this.rows.delete(row.visitor);
    this.navigation.delete(row.visitor);
  }

  visits(row: Row, before: number): { visits: Visit[]; next?: string } {
    const left = Math.max(0, row.visits - 1 - before);
    const visits = Array.from({ length: Math.min(3, left) }, (_, i): Visit => {
      const started = row.visit_started_at - (before + i + 1) * 86_400_000 * 1.7;
      const views = PAGES.slice(0, 2 + ((row.number + i) % 5)).map(([path, title], n) => ({
        page: `${row.visitor}-${before + i}-${n}`,
        url: `https://www.northwind.example${path}`,
        title,
        started_at: started + n * 48_000,
        engaged_ms: 31_000 + n * 4_000,
      }));
      return {
        visit: `${row.visitor}-${before + i}`,
        started_at: started,
        ended_at: started + views.length * 48_000,
        country: row.country,
        referrer: "https://www.google.com/",
        pages: views.length,
        engaged_ms: views.length * 31_000,
        page_views: views,
        device: row.device ?? null,
      };
    });
    return left > 3 ? { visits, next: String(before + 3) } : { visits };
  }
}
