import { beforeEach, describe, expect, test } from "vitest";
import { login, logout, resume, socketToken, useSession } from "../src/app/session";
import { ApiError, type Api } from "../src/net/api";

const operator = { id: "o_1", name: "Dana" };
const me = { operator, csrf: "c", collector_url: "https://c.example" };
const refuse =
  (status: number, code = "x") =>
  () =>
    Promise.reject(new ApiError(code, status, null));

function fake(change: Partial<Api> = {}): Api {
  return {
    login: () => Promise.resolve({ token: "login-token", expires_at: 0, operator, csrf: "c" }),
    me: () => Promise.resolve(me),
    logout: () => Promise.resolve({}),
    ...change,
  };
}

beforeEach(async () => {
  await logout(fake());
  useSession.setState({ phase: "checking", me: null, notice: null });
});

describe("the session", () => {
  test("after signing in the socket opens with the login's token, every time", async () => {
    await login("a", "b", fake());
    expect(useSession.getState()).toMatchObject({ phase: "signed_in", me: { collector_url: "https://c.example" } });
    expect([await socketToken(fake()), await socketToken(fake())]).toEqual(["login-token", "login-token"]);
  });

  test("after a reload each socket opens with a ticket of its own", async () => {
    let given = 0;
    const api = fake({ me: () => Promise.resolve({ ...me, token: `ticket-${++given}` }) });
    await resume(api);
    expect([await socketToken(api), await socketToken(api)]).toEqual(["ticket-1", "ticket-2"]);
  });

  test("without a session the login is shown, and why if there was one", async () => {
    expect(await resume(fake({ me: refuse(401) }))).toBe(false);
    expect(useSession.getState()).toMatchObject({ phase: "signed_out", notice: null });
    await login("a", "b", fake());
    expect(await resume(fake({ me: refuse(401) }))).toBe(false);
    expect(useSession.getState()).toMatchObject({ phase: "signed_out", notice: "ended", me: null });
    expect(await socketToken(fake({ me: refuse(401) }))).toBe("");
  });

  test("a server that is away ends nothing", async () => {
    expect(await resume(fake({ me: refuse(0, "away") }))).toBeNull();
    expect(useSession.getState().phase).toBe("away");
    await login("a", "b", fake());
    expect(await resume(fake({ me: refuse(503, "away") }))).toBeNull();
    expect(useSession.getState().phase).toBe("signed_in");
  });

  test("signing in works without /me", async () => {
    await login("a", "b", fake({ me: refuse(0, "away") }));
    expect(useSession.getState()).toMatchObject({ phase: "signed_in", me: { csrf: "c" } });
  });

  test("who could not be signed out is not told so", async () => {
    await login("a", "b", fake());
    await expect(logout(fake({ logout: refuse(0, "away") }))).rejects.toThrow("away");
    expect(useSession.getState().phase).toBe("signed_in");
    await logout(fake({ logout: refuse(401) }));
    expect(useSession.getState()).toMatchObject({ phase: "signed_out", notice: "signed_out" });
  });
});
