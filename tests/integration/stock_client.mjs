// The official JavaScript client, with its default options but for what a test needs, as a program of its own:
//   node stock_client.mjs URL PATH TOKEN SITE [msgpack|polling]
// Prints a line of JSON for each change of what it shows and for each event of chats; takes lines ["move", {...}] and
// ["ask", event, {...}].
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { follow } from "./stock_view.mjs";

const [url, path, token, site, way] = process.argv.slice(2);
const require = createRequire(`${process.cwd()}/package.json`);
const { io } = require("socket.io-client");
const options = { path, auth: { token } };
if (way === "msgpack") Object.assign(options, { parser: require("socket.io-msgpack-parser"), transports: ["websocket"] });
if (way === "polling") Object.assign(options, { transports: ["polling"] });
const wish = { site, sort: { by: "number", dir: "asc" }, filter: {}, offset: 0, limit: 50 };
const view = follow(io(url, options), wish, (line) => console.log(JSON.stringify(line)));

const lines = createInterface({ input: process.stdin });
lines.on("line", (line) => {
  const [what, ...rest] = JSON.parse(line);
  view[what](...rest);
});
lines.on("close", () => process.exit(0));
