import { describe, expect, test } from "vitest";
import { codePoints } from "../src/chat/chat";
import { matching, slashOf } from "../src/desk/canned";
import { withNewest, type InboxMessage } from "../src/desk/inbox";
import { pieces } from "../src/desk/LinkedText";

describe("links in messages", () => {
  const links = (text: string) => pieces(text).flatMap(({ link }) => (link === null ? [] : [link]));
  test("are only http and https", () => {
    expect(links("see https://a.example/x and http://b.example")).toEqual(["https://a.example/x", "http://b.example/"]);
    expect(links("javascript:alert(1) ftp://x data:text/html,hi www.a.example")).toEqual([]);
  });
  test("do not take the sentence's full stop, and lose no text", () => {
    const text = "Look (https://a.example/y). Good?";
    expect(links(text)).toEqual(["https://a.example/y"]);
    expect(
      pieces(text)
        .map((piece) => piece.text)
        .join(""),
    ).toBe(text);
  });
});

describe("canned replies", () => {
  const all = [
    { canned: "1", shortcut: "hello", text: "Hello!" },
    { canned: "2", shortcut: "bye", text: "Bye", title: "Farewell" },
  ];
  test("open with a slash at the beginning only", () => {
    expect([slashOf("/he"), slashOf("/"), slashOf("and/or"), slashOf("/he llo")]).toEqual(["he", "", null, null]);
  });
  test("are found by shortcut first, then by text", () => {
    expect(matching(all, "he").map(({ shortcut }) => shortcut)).toEqual(["hello"]);
    expect(matching(all, "by").map(({ text }) => text)).toEqual(["Bye"]);
    expect(matching(all, "farew").map(({ text }) => text)).toEqual(["Bye"]);
  });
});

describe("the inbox", () => {
  const message = (id: string): InboxMessage => ({
    message: id,
    at: 1,
    visitor: "v",
    name: "",
    email: "",
    text: id,
    done: false,
  });
  const shown = (known: string[], newest: string[], next: string | null) => {
    const loaded = withNewest({ items: known.map(message), next: "old" }, { items: newest.map(message), next });
    return [...loaded.items.map(({ text }) => text), loaded.next];
  };
  test("shows a new message above what was loaded, and each once", () => {
    expect(shown(["c", "b", "a"], ["d", "c", "b"], "b")).toEqual(["d", "c", "b", "a", "old"]);
  });
  test("forgets what was dealt with, and everything that is no longer there", () => {
    expect(shown(["c", "b", "a"], ["c", "a"], null)).toEqual(["c", "a", null]);
    expect(shown(["c", "b"], [], null)).toEqual([null]);
  });
  test("begins anew when more has come than a page holds", () => {
    expect(shown(["b", "a"], ["f", "e", "d"], "d")).toEqual(["f", "e", "d", "d"]);
  });
});

test("a length is counted in code points", () => expect(codePoints("a😀é")).toBe(3));
