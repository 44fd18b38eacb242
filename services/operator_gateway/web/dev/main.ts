/** `npm run dev -w @foyer/console [visitors] [port]`: builds nothing, serves what `npm run build` made. */
import { fileURLToPath } from "node:url";
import { FakeGateway } from "./gateway";

const [visitors = "200", port = "0", share = "0.03"] = process.argv.slice(2);
const gateway = new FakeGateway({
  staticDir: fileURLToPath(new URL("../../static", import.meta.url)),
  visitors: Number(visitors),
  share: Number(share),
  tickMs: 500,
  checkMs: 10_000,
});
console.log(await gateway.listen(Number(port)));
