// The official JavaScript client, with its default options but for what a test needs, as a program of its own:
//   node stock_client.mjs URL PATH TOKEN SITE [msgpack]
// Opens a view, applies what comes as the contract says, and prints a line of JSON for each change of what it shows.
import { createRequire } from "node:module";

const [url, path, token, site, parser] = process.argv.slice(2);
const require = createRequire(`${process.cwd()}/package.json`);
const { io } = require("socket.io-client");
const options = { path, auth: { token } };
if (parser === "msgpack") Object.assign(options, { parser: require("socket.io-msgpack-parser"), transports: ["websocket"] });
const socket = io(url, options);
const state = { rows: [], total: 0, epoch: "", seq: 0 };

function show() {
  const names = state.rows.map((row) => row.nickname);
  const transport = socket.io.engine?.transport?.name;
  console.log(JSON.stringify({ names, total: state.total, resyncs: state.resyncs ?? 0, transport }));
}

function take(answer) {
  if (!answer.ok) throw new Error(answer.error.code);
  const known = new Map([...state.rows, ...answer.rows].map((row) => [row.visitor, row]));
  state.rows = answer.order ? answer.order.map((visitor) => known.get(visitor)) : answer.rows;
  Object.assign(state, { total: answer.total, epoch: answer.epoch, seq: answer.seq });
  show();
}

function patch(row, version, fields) {
  row.version = version;
  for (const [name, value] of Object.entries(fields)) {
    if (value === null) delete row[name];
    else row[name] = value;
  }
}

socket.on("ready", () => {
  const have = state.rows.map((row) => [row.visitor, row.version]);
  const wish = { view: "list", site, sort: { by: "number", dir: "asc" }, filter: {}, offset: 0, limit: 50 };
  if (state.epoch) Object.assign(wish, { have, epoch: state.epoch });
  socket.emit("view:open", wish, take);
});
socket.on("view:delta", (delta) => {
  if (delta.epoch !== state.epoch || delta.prev !== state.seq) {
    state.resyncs = (state.resyncs ?? 0) + 1;
    socket.emit("view:sync", { view: "list" }, take);
    return;
  }
  state.rows = state.rows.filter((row) => !(delta.remove ?? []).includes(row.visitor));
  for (const [position, row] of delta.insert ?? []) state.rows.splice(position, 0, row);
  for (const [visitor, version, fields] of delta.update ?? []) {
    patch(state.rows.find((row) => row.visitor === visitor), version, fields);
  }
  for (const [visitor, position] of delta.move ?? []) {
    const at = state.rows.findIndex((row) => row.visitor === visitor);
    state.rows.splice(position, 0, ...state.rows.splice(at, 1));
  }
  state.total = delta.total ?? state.total;
  state.seq = delta.seq;
  show();
});
socket.on("connect_error", (error) => console.log(JSON.stringify({ error: error.message, data: error.data })));
process.stdin.on("end", () => process.exit(0)).resume();
