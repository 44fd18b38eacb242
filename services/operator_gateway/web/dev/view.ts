/** One view on the simulation, the way a gateway answers it; simple and slow, which is enough for development. */
import { checksumOf } from "../src/view/window";
import {
  STATUSES,
  type Filter,
  type Row,
  type ViewCheck,
  type ViewDelta,
  type ViewOpen,
  type ViewState,
} from "../src/wire";

type Key = string | number;

function keyOf(row: Row, by: ViewOpen["sort"]["by"]): Key {
  switch (by) {
    case "returning":
      return Number(row.returning);
    case "operator":
      return row.operators
        .map(({ name }) => name)
        .join(", ")
        .toLowerCase();
    case "chat_time":
      return row.engaged_at ? (row.ended_at ?? Date.now()) - row.engaged_at : -1;
    case "wait_time":
      return row.requested_at ? (row.engaged_at ?? Date.now()) - row.requested_at : -1;
    case "page":
      return row.page?.title.toLowerCase() ?? "";
    case "visit_started_at":
      return row.visit_started_at;
    case "pages":
      return row.pages;
    default:
      return (row[by] ?? "").toLowerCase();
  }
}

const natural = new Intl.Collator("en", { numeric: true });

function matches(row: Row, filter: Filter, status = true): boolean {
  const text = filter.text?.toLowerCase();
  return (
    (!status || !filter.status || filter.status.includes(row.status)) &&
    (!filter.skill || filter.skill.includes(row.skill ?? "")) &&
    (!filter.country || filter.country.includes(row.country ?? "")) &&
    (!filter.operator || row.operators.some(({ id }) => id === filter.operator)) &&
    (filter.returning === undefined || row.returning === filter.returning) &&
    (!text || `${row.nickname} ${row.page?.title ?? ""} ${row.page?.url ?? ""}`.toLowerCase().includes(text))
  );
}

export class SimulatedView {
  private seq = 0;
  private shown: Row[] = [];
  private total = 0;

  constructor(public wish: ViewOpen) {}

  private look(rows: Iterable<Row>): { list: Row[]; counts: ViewState["counts"] } {
    const { filter, sort } = this.wish;
    const counts: ViewState["counts"] = Object.fromEntries(STATUSES.map((status) => [status, 0]));
    const list: Row[] = [];
    for (const row of rows) {
      if (matches(row, filter, false)) counts[row.status] = (counts[row.status] ?? 0) + 1;
      if (matches(row, filter)) list.push(row);
    }
    const turn = sort.dir === "asc" ? 1 : -1;
    list.sort((a, b) => {
      const [one, other] = [keyOf(a, sort.by), keyOf(b, sort.by)];
      const order =
        typeof one === "number" && typeof other === "number"
          ? one - other
          : natural.compare(String(one), String(other));
      return turn * order || a.number - b.number;
    });
    return { list, counts };
  }

  state(rows: Iterable<Row>, have: ViewOpen["have"]): ViewState {
    const { list, counts } = this.look(rows);
    const known = new Map(have ?? []);
    this.shown = list.slice(this.wish.offset, this.wish.offset + this.wish.limit);
    this.total = list.length;
    this.seq += 1;
    return {
      epoch: "1",
      seq: this.seq,
      total: list.length,
      counts,
      rows: this.shown.filter((row) => known.get(row.visitor) !== row.version),
      order: this.shown.map(({ visitor }) => visitor),
      server_time: Date.now(),
    };
  }

  delta(rows: Iterable<Row>): ViewDelta | null {
    const { list, counts } = this.look(rows);
    const after = list.slice(this.wish.offset, this.wish.offset + this.wish.limit);
    const delta = difference(this.shown, after);
    if (!delta && list.length === this.total) return null;
    this.shown = after;
    this.total = list.length;
    this.seq += 1;
    return {
      view: this.wish.view,
      epoch: "1",
      prev: this.seq - 1,
      seq: this.seq,
      total: list.length,
      counts,
      ...delta,
    };
  }

  check(): ViewCheck {
    return { view: this.wish.view, seq: this.seq, checksum: checksumOf(this.shown) };
  }
}

function difference(before: Row[], after: Row[]): Pick<ViewDelta, "remove" | "insert" | "update" | "move"> | null {
  const had = new Map(before.map((row) => [row.visitor, row]));
  const kept = new Set(after.map(({ visitor }) => visitor));
  const order = before.map(({ visitor }) => visitor).filter((id) => kept.has(id));
  const remove = before.map(({ visitor }) => visitor).filter((id) => !kept.has(id));
  const insert: [number, Row][] = [];
  const update: [string, number, Partial<Row>][] = [];
  const move: [string, number][] = [];
  for (const [index, row] of after.entries()) {
    const old = had.get(row.visitor);
    if (!old) {
      const pos = Math.min(index, order.length);
      insert.push([pos, row]);
      order.splice(pos, 0, row.visitor);
    } else if (old.version !== row.version) update.push([row.visitor, row.version, { ...row }]);
  }
  for (const [index, { visitor }] of after.entries()) {
    if (order[index] === visitor) continue;
    order.splice(order.indexOf(visitor), 1);
    order.splice(index, 0, visitor);
    move.push([visitor, index]);
  }
  return remove.length + insert.length + update.length + move.length > 0 ? { remove, insert, update, move } : null;
}
