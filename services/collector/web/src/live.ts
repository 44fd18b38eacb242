/**
 * The live channel: one WebSocket per tab. Opened when the page is first visible, kept while it is hidden, closed when
 * the page goes (an open one would keep the page out of the back/forward cache, and its end is the sign of leaving).
 */
import { ANSWER_MS, BLOCKED_MS, RETURN_MS, backoff } from "./cadence";
import { base, channelLost, received, refused } from "./delivery";
import { guard, later } from "./guard";
import { adopt, sender } from "./identity";
import { attached, detached, gone } from "./page";
import type { Answer } from "./wire";

let socket: WebSocket | null;
let worked = false;
let failures = 0;
/** While opening: until it is too late. Else: until the next try; as long as it is not 0, nobody else tries. */
let timer = 0;

/** Whether events can be sent now. */
export let ready = false;

/** Without a frame it only tells whether one could be sent. */
export function send(frame?: object): boolean {
  if (ready && frame) (socket as WebSocket).send(JSON.stringify(frame));
  return ready;
}

/** With `then` = 1 it stays closed: no timer will end that. */
export function close(then = 0): void {
  clearTimeout(timer);
  timer = then;
  ready = false;
  if (socket) {
    socket.close();
    socket = socket.onclose = socket.onmessage = null;
  }
}

export function lost(): void {
  if (ready) detached();
  close();
  timer = later(reopen, backoff(failures++, worked ? RETURN_MS : BLOCKED_MS));
  channelLost();
}

function receive(message: Answer): void {
  if (message.id === "hello" && message.type === "ok") {
    clearTimeout(timer);
    timer = failures = 0;
    ready = true;
    adopt(message);
    attached(worked);
    worked = true;
  }
  received(message); // a greeting that was refused is followed by the close, whose code says what to do
}

export function open(): void {
  if (socket || timer || gone) return;
  timer = later(lost, ANSWER_MS);
  socket = new WebSocket(base.replace("http", "ws") + "/v1/live");
  socket.onopen = guard(() => { (socket as WebSocket).send(JSON.stringify({ type: "hello", id: "hello", ...sender })); });
  socket.onmessage = guard(({ data }: MessageEvent<string>) => { receive(JSON.parse(data) as Answer); });
  socket.onclose = guard(({ code }: CloseEvent) => {
    if (code < 4500) lost();
    else refused();
  });
}

/** It is time, or the network is back: the next try is now. */
export function reopen(): void {
  if (socket) return;
  clearTimeout(timer);
  timer = 0;
  open();
}
