// @vitest-environment jsdom
import { cleanup, render, screen } from "@testing-library/react";
import { Provider } from "@radix-ui/react-tooltip";
import { afterEach, beforeAll, expect, test, vi } from "vitest";
import { startLanguage } from "../src/i18n";
import { Crawlers } from "../src/list/Crawlers";
import { CameFrom } from "../src/panels/CameFrom";

beforeAll(() => startLanguage());
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

function answering(bots: object[]): void {
  const reply = () => Promise.resolve(new Response(JSON.stringify({ days: [{ day: "2026-01-31", bots }] })));
  vi.stubGlobal("fetch", vi.fn(reply));
}

test("crawlers of today are told by number and name", async () => {
  answering([
    { name: "Googlebot", requests: 1200 },
    { name: "other", requests: 34 },
  ]);
  render(
    <Provider>
      <Crawlers site="s_1" />
    </Provider>,
  );
  const line = await screen.findByRole("button");
  expect(line.textContent).toBe("1,234 requests by crawlers today · Googlebot · others");
  expect(vi.mocked(fetch).mock.calls[0]?.[0]).toBe("/api/v1/sites/s_1/bots?days=1");
});

test("a day without crawlers says so", async () => {
  answering([]);
  render(<Crawlers site="s_1" />);
  expect((await screen.findByText("No crawlers today")).tagName).toBe("SPAN");
});

test("where a visit came from is told in words, with its address only if that is a web page", () => {
  const { container } = render(
    <dl>
      <CameFrom of={{ source: { kind: "ai", name: "ChatGPT" }, referrer: "https://chatgpt.com/" }} />
      <CameFrom of={{ source: { kind: "campaign", name: "<b>sale</b>" }, referrer: "javascript:alert(1)" }} />
      <CameFrom of={{}} />
    </dl>,
  );
  const texts = [...container.querySelectorAll("bdi")].map(({ textContent }) => textContent);
  expect(texts).toContain("AI assistant · ChatGPT");
  expect(texts).toContain("Campaign · <b>sale</b>");
  expect(texts).toContain("Direct");
  expect([...container.querySelectorAll("a")].map(({ href }) => href)).toEqual(["https://chatgpt.com/"]);
});
