// @vitest-environment jsdom
import { cleanup, render } from "@testing-library/react";
import { afterEach, beforeAll, expect, test } from "vitest";
import { Attribution } from "../src/app/About";
import { useSession } from "../src/app/session";
import { startLanguage } from "../src/i18n";
import type { Me } from "../src/wire";

beforeAll(() => startLanguage());
afterEach(cleanup);

function shown(geoip: Me["geoip"]): HTMLElement {
  useSession.setState({ me: { geoip } as Me });
  return render(<Attribution dated />).container;
}

test("country data is attributed as its licence asks, with the data's date", () => {
  const container = shown({ attribution: "IP Geolocation by DB-IP", date: "2026-06" });
  expect(container.textContent).toMatch(/^IP Geolocation by DB-IP · .*2026-06/);
  expect(container.querySelector("a")?.href).toBe("https://db-ip.com/");
});

test("a customer's own database is named without that link, and none is not mentioned", () => {
  expect(shown({ attribution: "GeoLite2 by MaxMind", date: "" }).innerHTML).not.toContain("<a");
  cleanup();
  expect(shown({ attribution: "", date: "" }).textContent).toBe("");
});
