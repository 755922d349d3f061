// The book as a ladder of prices that stand still: bids left, asks right, what adds up behind each, and our own orders.
export function render({model, el}) {
  const qf = window.qf;
  el.className = "ladder";
  el.innerHTML = `<div class="head"><span>mine</span><span>sum</span><span>bid</span><span>price</span><span>ask</span><span>sum</span></div>
    <div class="rows"></div><div class="foot"><span class="imb"></span><span class="spread"></span></div>`;
  const box = el.querySelector(".rows"), spread = el.querySelector(".spread"), imbalance = el.querySelector(".imb"), HEIGHT = 20;
  let rows = [], last = null, centre = null, group = 1, frame = 0;
  const make = () => {
    const n = Math.max(7, Math.floor(box.clientHeight / HEIGHT) | 1);
    if (n === rows.length) return;
    box.replaceChildren();
    rows = Array.from({length: n}, () => {
      const r = document.createElement("div"); r.className = "row";
      const cells = ["mine", "sum b", "qty b", "px", "qty a", "sum a"].map((c) => {
        const s = document.createElement("span"); s.className = c; r.append(s); return s;
      });
      r.addEventListener("click", (e) => {
        if (r.ticks == null || !last) return;
        const mid = (last.bid + last.ask) / 2, side = e.target.closest(".a") ? "sell" : e.target.closest(".b") ? "buy" : r.ticks <= mid ? "buy" : "sell";
        qf.emit("ticket", {instrument: last.key, side, price: r.ticks * last.tick});
      });
      box.append(r);
      return {r, cells, was: []};
    });
    soon();
  };
  const put = (row, k, text) => {
    if (row.was[k] === text) return;
    row.was[k] = text;
    row.cells[k].textContent = text;
  };
  const bar = (row, k, share) => {
    const v = Math.round(share * 100) / 100;
    if (row.was[k + 10] === v) return;
    row.was[k + 10] = v; row.cells[k].style.backgroundSize = `${100 * v}% 16px`;
  };
  function draw() {
    const n = rows.length, mid = (last.bid + last.ask) / 2, need = (last.reach * 2) / n;
    const wanted = [1, 2, 5, 10, 20, 25, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 1e5].find((u) => u >= need) || 1e6;
    if (wanted !== group && (wanted > group || need * 3 < group)) { group = wanted; centre = null; }
    const half = n >> 1;
    if (centre === null || Math.abs(mid / group - centre) > half - 4) centre = Math.round(mid / group);
    const bids = new Map(), asks = new Map(), own = new Map();
    let most = 1;
    const add = (levels, into, round) => {
      let sum = 0;
      for (const [p, q] of levels) {
        const at = round(p / group);
        sum += q;
        const there = into.get(at) || [0, 0];
        into.set(at, [there[0] + q, sum]);
        most = Math.max(most, there[0] + q);
      }
    };
    add(last.bids, bids, Math.floor); add(last.asks, asks, Math.ceil);
    for (const [p, side, q] of last.own) { const at = (side === 1 ? Math.floor : Math.ceil)(p / group), o = own.get(at) || [side, 0]; own.set(at, [side, o[1] + q]); }
    const bestBid = Math.floor(last.bid / group), bestAsk = Math.ceil(last.ask / group), lot = (q) => qf.num(q * last.lot, last.lots);
    for (let i = 0; i < n; i++) {
      const at = centre + half - i, row = rows[i], b = bids.get(at), a = asks.get(at), o = own.get(at);
      row.r.ticks = at * group;
      put(row, 0, o ? (o[0] === 1 ? "B " : "S ") + lot(o[1]) : "");
      put(row, 1, b ? lot(b[1]) : ""); put(row, 2, b ? lot(b[0]) : ""); bar(row, 2, b ? b[0] / most : 0);
      put(row, 3, at >= 0 ? qf.num(at * group * last.tick, last.digits) : "");
      put(row, 4, a ? lot(a[0]) : ""); bar(row, 4, a ? a[0] / most : 0); put(row, 5, a ? lot(a[1]) : "");
      const c = "row" + (o ? o[0] === 1 ? " ours-b" : " ours-a" : "") + (at === bestBid && last.bid > 0 ? " best-b" : "")
        + (at === bestAsk && last.ask > 0 ? " best-a" : "") + (last.trade > 0 && Math.floor(last.trade / group) === at ? " traded" : "");
      if (row.was[20] !== c) { row.was[20] = c; row.r.className = c; }
    }
    const one = last.bids.length && last.asks.length;
    const said = one ? `spread ${qf.num((last.ask - last.bid) * last.tick, last.digits)}` + (group > 1 ? `, ${group} ticks a row` : "") : last.status;
    if (spread.textContent !== said) spread.textContent = said;
    const sb = last.bids.slice(0, 5).reduce((s, l) => s + l[1], 0), sa = last.asks.slice(0, 5).reduce((s, l) => s + l[1], 0);
    const share = `${Math.round(sb + sa > 0 ? 100 * sb / (sb + sa) : 50)}% 100%`;
    if (imbalance.style.backgroundSize !== share) imbalance.style.backgroundSize = share;
    el.dataset.seq = last.seq;
  }
  // a frame after it was told, for the heat map is painted in the first: two short frames rather than a long one
  const soon = () => { frame ||= requestAnimationFrame(() => { frame = requestAnimationFrame(() => { frame = 0; if (last && rows.length) draw(); }); }); };
  const watch = new ResizeObserver(make); watch.observe(box);
  model.on("msg:custom", (m) => {
    const v = new Float64Array(qf.bytes(m.blob)), bids = [], asks = [];
    for (let i = 0; i < m.n; i++) bids.push([v[2 * i], v[2 * i + 1]]);
    for (let i = m.n; i < m.n + m.k; i++) asks.push([v[2 * i], v[2 * i + 1]]);
    if (!last || last.key !== m.key) { centre = null; group = 1; }
    const bid = bids.length ? bids[0][0] : asks.length ? asks[0][0] : m.trade, ask = asks.length ? asks[0][0] : bid;
    const far = (l) => l.length ? Math.abs(l[Math.min(l.length, 12) - 1][0] - (bid + ask) / 2) : 0;
    last = {...m, bids, asks, bid, ask, reach: Math.max(far(bids), far(asks), 4)};
    soon();
    window.__qf_ladder = {at: Date.now(), sent: m.sent, seq: m.seq};
  });
  model.on("remove", () => { cancelAnimationFrame(frame); watch.disconnect(); });
  model.send_msg({op: "ready"});
}
