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
gateway.chats.begin(Number(visitors) > 10 ? 3 : 0);
console.log(await gateway.listen(Number(port)));

// Every half minute somebody asks for this operator.
setInterval(() => {
  const free = [...(gateway.simulations[0]?.rows.values() ?? [])].find(({ status }) => status === "navigating");
  if (free) gateway.chats.offer(free, Math.random() < 0.6 ? "request" : "forward", 25_000);
}, 30_000);
