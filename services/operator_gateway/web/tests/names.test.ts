import { describe, expect, test } from "vitest";
import { allCountries, countryName, flagAddress, linkAddress, shortAddress } from "../src/format/names";
import { embedSnippet } from "../src/list/ListStates";
import { payloadOf } from "../src/toolbar/useCommand";
import { fieldsOf } from "../src/toolbar/CommandDialog";
import { makeRow } from "./rows";

describe("addresses from visitors", () => {
  test.each(["javascript:alert(1)", "data:text/html,x", "JaVaScRiPt:alert(1)", "file:///etc/passwd", "/relative", ""])(
    "%j is no link",
    (address) => expect(linkAddress(address)).toBeNull(),
  );
  test("http and https are links", () => {
    expect(linkAddress("https://shop.example/a?b#c")).toBe("https://shop.example/a?b#c");
    expect(linkAddress("http://shop.example")).toBe("http://shop.example/");
    expect(linkAddress(" https://x")).toBe("https://x/");
  });
  test("are shown without what they all begin with", () => {
    expect(shortAddress("https://www.shop.example/tents/")).toBe("shop.example/tents");
    expect(shortAddress("https://")).toBe("https://");
  });
});

describe("countries", () => {
  test("have a flag and a name", () => {
    expect(flagAddress("DE")).toMatch(/^\/assets\/flags-[\d.]+\/de\.svg$/);
    expect(countryName("DE", "en")).toBe("Germany");
    expect(allCountries("en").length).toBeGreaterThan(230);
  });
  test.each(["", null, undefined, "QX", "../x", "D"])("%j has no flag", (code) => expect(flagAddress(code)).toBeNull());
  test("a code that is none is shown as it is", () => expect(countryName("1?", "en")).toBe("1?"));
});

test("the snippet names collector and site", () => {
  expect(embedSnippet("https://c.example/", "s_1")).toBe(
    '<script async src="https://c.example/t/v1.js" data-site="s_1"></script>',
  );
});

describe("commands", () => {
  const row = makeRow("v1", { chat: "c_1" });
  test("about a visitor name the visitor, those about a chat the chat", () => {
    expect(payloadOf("chat:invite", row, "s_1", { text: "Hi" })).toEqual({
      site: "s_1",
      visitor: "v1",
      text: "Hi",
    });
    expect(payloadOf("chat:end", row, "s_1", {})).toEqual({ chat: "c_1" });
  });
  test("carry what the form asked for", () => {
    const form = (entries: Record<string, string>): FormData => {
      const data = new FormData();
      for (const [name, value] of Object.entries(entries)) data.set(name, value);
      return data;
    };
    expect(fieldsOf("invite", form({ text: "  " }))).toEqual({});
    expect(fieldsOf("kick", form({ reason: " spam " }))).toEqual({ reason: "spam" });
    expect(fieldsOf("forward", form({ to: "skill billing", note: "x" }))).toEqual({
      to: { skill: "billing" },
      note: "x",
    });
    expect(fieldsOf("forward", form({ to: "operator o_1", note: "" }))).toEqual({ to: { operator: "o_1" } });
    expect(fieldsOf("conference", form({ to: "operator o_1" }))).toEqual({ operator: "o_1" });
  });
});
