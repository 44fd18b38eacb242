import { describe, expect, test } from "vitest";
import { codePoints } from "../src/chat/chat";
import { matching, readCanned, slashOf } from "../src/desk/canned";
import { readInbox } from "../src/desk/inbox";
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
  const all = readCanned({
    items: [{ shortcut: "/hello", text: "Hello!" }, { shortcut: "bye", text: "Bye" }, { text: 1 }],
  });
  test("take what is usable", () => expect(all.map(({ shortcut }) => shortcut)).toEqual(["hello", "bye"]));
  test("open with a slash at the beginning only", () => {
    expect([slashOf("/he"), slashOf("/"), slashOf("and/or"), slashOf("/he llo")]).toEqual(["he", "", null, null]);
  });
  test("are found by shortcut first, then by text", () => {
    expect(matching(all, "he").map(({ shortcut }) => shortcut)).toEqual(["hello"]);
    expect(matching(all, "by").map(({ text }) => text)).toEqual(["Bye"]);
  });
});

test("the inbox has the newest first and leaves out what has no id", () => {
  const answer = { items: [{ id: "a", at: 1, text: "x" }, { at: 5 }, { message: "b", at: 2, done: true }] };
  expect(readInbox(answer).map(({ id, done }) => [id, done])).toEqual([
    ["b", true],
    ["a", false],
  ]);
});

test("a length is counted in code points", () => expect(codePoints("a😀é")).toBe(3));
