// What the official client shows, kept as the protocol says: the same for a program and for a browser's page.
// follow(socket, say) opens the view when `ready` comes, resumes it after a reconnect with what it still shows, and
// calls say({...}) with each change. ask(event, fields) sends anything else and gives the answer.

function patch(row, version, fields) {
  row.version = version;
  for (const [name, value] of Object.entries(fields)) {
    if (value === null) delete row[name];
    else row[name] = value;
  }
}

function place(rows, delta) {
  for (const [visitor, version, fields] of delta.update ?? []) {
    patch(rows.find((row) => row.visitor === visitor), version, fields);
  }
  for (const [visitor, position] of delta.move ?? []) {
    const at = rows.findIndex((row) => row.visitor === visitor);
    rows.splice(position, 0, ...rows.splice(at, 1));
  }
}

export function follow(socket, wish, say) {
  const seen = { rows: [], total: 0, counts: {}, epoch: "", seq: 0, resyncs: 0, sent: 0, moves: 0 };

  function show() {
    const names = seen.rows.map((row) => row.nickname);
    const { total, counts, resyncs, sent, moves, seq, epoch } = seen;
    const transport = socket.io.engine?.transport?.name;
    say({ names, total, counts, resyncs, sent, moves, seq, epoch, transport });
  }
  function take(answer) {
    if (!answer.ok) return say({ refused: answer.error.code });
    const known = new Map([...seen.rows, ...answer.rows].map((row) => [row.visitor, row]));
    seen.rows = answer.order ? answer.order.map((visitor) => known.get(visitor)) : answer.rows;
    const { total, counts, epoch, seq } = answer;
    Object.assign(seen, { total, counts, epoch, seq, sent: answer.rows.length });
    show();
  }
  function held() {
    return seen.epoch ? { have: seen.rows.map((row) => [row.visitor, row.version]), epoch: seen.epoch } : {};
  }
  function sync() {
    seen.resyncs += 1;
    socket.emit("view:sync", { view: "list", ...held() }, take);
  }

  socket.on("ready", () => socket.emit("view:open", { view: "list", ...wish, ...held() }, take));
  socket.on("view:reset", () => socket.emit("view:open", { view: "list", ...wish, ...held() }, take));
  socket.on("view:delta", (delta) => {
    if (delta.epoch !== seen.epoch || delta.prev !== seen.seq) return sync();
    seen.rows = seen.rows.filter((row) => !(delta.remove ?? []).includes(row.visitor));
    for (const [position, row] of delta.insert ?? []) seen.rows.splice(position, 0, row);
    place(seen.rows, delta);
    seen.moves += (delta.move ?? []).length;
    seen.total = delta.total ?? seen.total;
    seen.counts = delta.counts ?? seen.counts;
    seen.seq = delta.seq;
    show();
  });
  for (const event of ["offer", "offer:gone", "chat:event", "chat:typing", "chat:read"]) {
    socket.on(event, (payload) => say({ event, payload }));
  }
  socket.on("connect_error", (error) => say({ error: error.message, data: error.data }));
  return {
    move(change) {
      Object.assign(wish, change);
      socket.emit("view:move", { view: "list", ...wish, ...held() }, take);
    },
    ask(event, fields) {
      socket.emit(event, fields, (answer) => say({ answer, to: event }));
    },
  };
}
