import type { Row } from "../src/wire";

export function makeRow(visitor: string, change: Partial<Row> = {}): Row {
  return {
    visitor,
    version: 1,
    number: 1,
    nickname: "Visitor 1",
    named: false,
    returning: false,
    visits: 1,
    country: "DE",
    skill: "sales",
    status: "navigating",
    reason: null,
    operators: [],
    activity: "active",
    visit_started_at: 0,
    page: { url: "https://shop.example/", title: "Shop" },
    pages: 1,
    ...change,
  };
}
