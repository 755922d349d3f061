// Depth through time: what lay in the book at each price, the best prices, and where it traded.
// The right edge glides with the market's clock, so that four updates a second still move smoothly.
const SHORTEST = 20e3, GUTTER = 64, FOOT = 18, LEVELS = 20, KEPT = 7200, TRADES = 40000, COLUMN = 2;
const UNITS = [1, 2, 5, 10, 20, 25, 50, 100, 200, 250, 500, 1e3, 2e3, 5e3, 1e4, 1e5, 1e6];
const RAMPS = {
  dark: [[16, 20, 28], [29, 36, 68], [62, 63, 125], [124, 90, 152], [204, 138, 142], [248, 226, 172]],
  light: [[255, 255, 255], [236, 233, 245], [199, 190, 223], [146, 130, 194], [92, 70, 150], [44, 27, 92]],
};
const ramp = (theme) => {
  const stops = RAMPS[theme === "dark" ? "dark" : "light"], out = new Uint32Array(256);
  for (let i = 0; i < 256; i++) {
    const at = i / 255 * (stops.length - 1), k = Math.min(stops.length - 2, Math.floor(at)), f = at - k;
    const [r, g, b] = stops[k].map((v, c) => Math.round(v + (stops[k + 1][c] - v) * f));
    out[i] = 0xff000000 | b << 16 | g << 8 | r;
  }
  return out;
};

export function render({model, el}) {
  const qf = window.qf, made = (tag, name) => { const e = document.createElement(tag); e.className = name; e.hidden = tag !== "canvas"; return e; };
  const side = made("canvas", "side"), tip = made("div", "tip"), across = made("i", "h"), upright = made("i", "v"), none = made("div", "empty");
  const glide = qf.glide(paint), sg = side.getContext("2d", {alpha: false}), grid = document.createElement("canvas"), gg = grid.getContext("2d");
  el.className = "heat"; el.append(glide.box, side, across, upright, tip, none);
  let lut = ramp(document.documentElement.dataset.theme), moments = [], trades = [], own = [], info = null;
  let wanted = 120e3, span = 120e3, right = 0, target = 0, arrived = 0, speed = 1, low = 0, high = 0, told = false, fresh = false;
  let dots = new Map(), cell = 0, gathered = 0;  // of trades, those of a cell of time, price and side: one dot
  let top = 0, most = 0, weighed = 0;  // the quantities that the colours and the dots are of
  let image = null, mouse = null, cross = null, labels = "", w = 0, h = 0, ink = {};

  const colors = () => { for (const c of ["tile", "line", "ink", "soft", "faint", "bid", "ask"]) ink[c] = qf.color(c); };
  colors();
  const anew = () => { glide.all(); labels = ""; told = true; };
  const off = [
    qf.on("theme", (t) => { lut = ramp(t); colors(); anew(); }),
    qf.on("span", (s) => { wanted = s; told = true; }),
    qf.on("cross", (c) => { if (c.clock === "market" && c.from !== "heat") cross = c.t; }),
  ];
  const size = () => {
    const dpr = window.devicePixelRatio || 1;
    w = el.clientWidth; h = el.clientHeight;
    side.width = Math.round(GUTTER * dpr); side.height = Math.max(1, Math.round(h * dpr));
    side.style.width = GUTTER + "px"; side.style.height = h + "px";
    sg.setTransform(dpr, 0, 0, dpr, 0, 0);
    glide.size(w - GUTTER, h); anew();
  };
  const watch = new ResizeObserver(size); watch.observe(el);

  function take(m) {
    if (m.full) { moments = []; trades = []; cell = 0; right = 0; low = high = 0; top = most = weighed = 0; glide.all(); }
    if (JSON.stringify(own) !== JSON.stringify(m.own)) glide.all();
    info = m; own = m.own;
    const buf = qf.bytes(m.blob), n = m.n, k = m.k, t = new Float64Array(buf, 0, n), tt = new Float64Array(buf, 8 * n, k);
    let at = 8 * (n + k);
    const px = new Int32Array(buf, at, 2 * LEVELS * n); at += 8 * LEVELS * n;
    const q = new Float32Array(buf, at, 2 * LEVELS * n); at += 8 * LEVELS * n;
    const tp = new Int32Array(buf, at, k); at += 4 * k;
    const tq = new Float32Array(buf, at, k); at += 4 * k;
    const ts = new Uint8Array(buf, at, k);
    for (let i = 0; i < n; i++) {
      const a = 2 * LEVELS * i;
      moments.push({t: t[i], px: px.slice(a, a + 2 * LEVELS), q: q.slice(a, a + 2 * LEVELS)});
    }
    for (let i = 0; i < k; i++) trades.push({t: tt[i], p: tp[i], q: tq[i], s: ts[i]});
    if (n) glide.stale(t[0]);
    if (moments.length > KEPT) moments.splice(0, moments.length - KEPT);
    const surplus = trades.length - TRADES;
    if (surplus > 0) { trades.splice(0, surplus); gathered = Math.max(0, gathered - surplus); }
    const end = Math.max(moments.length ? moments[moments.length - 1].t : 0, trades.length ? trades[trades.length - 1].t : 0);
    const now = performance.now();
    if (end > target && !m.full) {
      const wall = now - arrived;  // how fast the market's clock runs by ours: a replay may be faster
      if (wall > 5) speed = 0.8 * speed + 0.2 * Math.min(50, (end - target) / wall);
    }
    if (m.full || end - right > span) right = end;
    if (end !== target) { target = end; arrived = now; }
    told = fresh = true;
  }

  // No longer than what is known: the first picture is full, and grows in steps to what was asked for.
  function fit() {
    const known = right - moments[0].t;
    let s = SHORTEST;
    while (s * 1.15 <= known) s *= 1.15;
    span = known < wanted ? Math.min(s, wanted) : wanted;
  }

  // The window of prices follows the best ones, and only jumps where they come near its border.
  function window_() {
    const m = moments[moments.length - 1];
    const bid = m.q[0] > 0 ? m.px[0] : m.px[LEVELS], ask = m.q[LEVELS] > 0 ? m.px[LEVELS] : bid, mid = (bid + ask) / 2;
    let reach = 8;
    const from = right - span;
    for (let i = Math.max(0, moments.length - 400); i < moments.length; i += 5) {
      const o = moments[i];
      if (o.t < from) continue;
      for (const side of [0, LEVELS]) {
        let k = side + 8;
        while (k > side && !(o.q[k] > 0)) k--;
        if (o.q[k] > 0) reach = Math.max(reach, Math.abs(o.px[k] - mid));
      }
    }
    reach = Math.ceil(reach * 1.15) + 2;
    const half = (high - low) / 2, centre = (high + low) / 2;
    if (!half || Math.abs(mid - centre) > 0.45 * half || reach > half * 1.5 || reach < half * 0.4) {
      low = Math.floor(mid - reach); high = Math.ceil(mid + reach); glide.all();
    }
  }

  const first = (rows, t) => qf.first(rows.length, (i) => rows[i].t, t);

  // Only what is new is added; all anew where the picture's width in time has changed by more than a step.
  function gather() {
    const from = right - span, wide = 1.3 ** Math.round(Math.log(7 / (w - GUTTER) * span) / Math.log(1.3));
    if (wide !== cell) { cell = wide; dots = new Map(); gathered = first(trades, from - cell); glide.all(); }
    for (; gathered < trades.length; gathered++) {
      const o = trades[gathered], begin = Math.floor(o.t / cell), key = begin * 4 + o.s + ":" + o.p, d = dots.get(key);
      if (d) { d.t = (d.t * d.q + o.t * o.q) / (d.q + o.q); d.q += o.q; } else dots.set(key, {...o});
      glide.stale(begin * cell);
    }
    for (const [key, d] of dots) { if (d.t >= from - cell) break; dots.delete(key); }
  }

  // What full colour and the largest dot are of: kept, for all that is painted rests on them, until far off.
  function weigh(now) {
    let largest = 1;
    for (const d of dots.values()) largest = Math.max(largest, d.q);
    if (largest > most * 1.2 || largest < most * 0.6) { most = largest; glide.all(); }
    if (top && now - weighed < 1_000) return;
    const seen = [];
    for (let i = Math.max(0, moments.length - 200); i < moments.length; i += 4) {
      for (let k = 0; k < 10; k++) seen.push(moments[i].q[k], moments[i].q[LEVELS + k]);
    }
    seen.sort((a, b) => a - b);
    const s = Math.max(1e-9, seen[Math.floor(0.96 * (seen.length - 1))]);
    weighed = now;
    if (!(Math.abs(s / top - 1) < 0.2)) { top = s; glide.all(); }
  }

  // One cell a column of time and a row of price; a level holds until the next moment.
  function cells(p, H) {
    const rows = Math.min(420, high - low + 1), group = (high - low + 1) / rows, c0 = p.x0 / COLUMN, c1 = p.x1 / COLUMN;
    if (!image || image.width !== c1 || image.height !== rows) { grid.width = c1; grid.height = rows; image = gg.createImageData(c1, rows); }
    const into = new Uint32Array(image.data.buffer), scale = 235 / Math.log1p(9), column = (t) => Math.floor(p.X(t) / COLUMN);
    for (let r = 0; r < rows; r++) into.fill(lut[0], r * c1 + c0, r * c1 + c1);
    for (let at = Math.max(0, first(moments, p.t0) - 1); at < moments.length; at++) {
      const m = moments[at], a = Math.max(c0, column(m.t)), b = at + 1 < moments.length ? Math.min(c1, column(moments[at + 1].t)) : c1;
      if (a >= c1) break;
      if (b <= a) continue;
      for (let k = 0; k < 2 * LEVELS; k++) {
        if (!(m.q[k] > 0)) continue;
        const row = Math.floor((high - m.px[k]) / group);
        if (row < 0 || row >= rows) continue;
        into.fill(lut[Math.min(255, 20 + Math.round(Math.log1p(9 * Math.min(1, m.q[k] / top)) * scale))], row * c1 + a, row * c1 + b);
      }
    }
    gg.putImageData(image, 0, 0, c0, 0, c1 - c0, rows);
    p.g.imageSmoothingEnabled = false;
    p.g.drawImage(grid, c0, 0, c1 - c0, rows, p.x0, 0, p.x1 - p.x0, H);
  }

  const priceOf = (p) => qf.num((info.base + p) * info.tick, info.digits);
  const Y = (p) => (high + 0.5 - p) / (high - low + 1) * (h - FOOT);
  const ticks = () => {
    const raw = (high - low) / Math.max(2, Math.floor((h - FOOT) / 34)), unit = UNITS.find((u) => u >= raw) || raw, out = [];
    for (let p = Math.ceil((low + info.base) / unit) * unit - info.base; p <= high; p += unit) out.push(p);
    return out;
  };

  function paint(p) {
    const {g, X, x0, x1} = p, H = h - FOOT;
    g.fillStyle = ink.tile; g.fillRect(x0, H, x1 - x0, FOOT);
    qf.times(p, span, w - GUTTER, H + 13, ink.faint);
    g.beginPath(); g.rect(x0, 0, x1 - x0, H); g.clip();
    cells(p, H);
    g.strokeStyle = ink.line; g.lineWidth = 1; g.globalAlpha = .55;
    g.beginPath(); for (const t of ticks()) { g.moveTo(x0, Math.round(Y(t)) + .5); g.lineTo(x1, Math.round(Y(t)) + .5); } g.stroke();
    g.globalAlpha = 1;
    // our own orders: a dashed line at their price
    g.setLineDash([6, 4]); g.lineDashOffset = (x0 - X(0)) % 10; g.lineWidth = 1.5;
    for (const o of own) { g.strokeStyle = o[1] === 1 ? ink.bid : ink.ask; g.beginPath(); g.moveTo(x0, Y(o[0])); g.lineTo(x1, Y(o[0])); g.stroke(); }
    g.setLineDash([]);
    // best prices
    const start = Math.max(0, first(moments, p.t0) - 1);
    for (const [side, color] of [[0, ink.bid], [LEVELS, ink.ask]]) {
      g.strokeStyle = color; g.lineWidth = 1.6; g.beginPath();
      let pen = false, y = 0;
      for (let i = start; i < moments.length; i++) {
        const m = moments[i];
        if (!(m.q[side] > 0)) { if (pen) g.lineTo(X(m.t), y); pen = false; continue; }
        const x = X(m.t), next = Y(m.px[side]);
        if (!pen) g.moveTo(x, next);
        else if (next !== y) { g.lineTo(x, y); g.lineTo(x, next); }
        y = next; pen = true;
      }
      if (pen) g.lineTo(x1, y);
      g.stroke();
    }
    // trades: area is quantity, colour the aggressor's side
    g.lineWidth = 1; g.strokeStyle = ink.tile; g.globalAlpha = .92;
    for (const d of dots.values()) {
      const x = X(d.t);
      if (x < x0 - 8) continue;
      g.fillStyle = d.s === 1 ? ink.bid : d.s === 2 ? ink.ask : ink.soft;
      g.beginPath(); g.arc(x, Y(d.p), 1 + 5.5 * Math.sqrt(Math.min(1, d.q / most)), 0, 6.2832); g.fill(); g.stroke();
    }
    g.globalAlpha = 1;
  }

  function label(text, y, fill) {
    sg.fillStyle = fill; sg.fillRect(0, y - 8, GUTTER, 16); sg.fillStyle = ink.tile; sg.fillText(text, 6, y + 4);
  }

  // The prices on the right; painted where one of them has changed.
  function prices() {
    const m = moments[moments.length - 1], bid = m.q[0] > 0, ask = m.q[LEVELS] > 0;
    const at = mouse ? Math.round(high + 0.5 - mouse.y / (h - FOOT) * (high - low + 1)) : null;
    const key = [low, high, info.base, bid && m.px[0], ask && m.px[LEVELS], at, mouse?.y, ...own.flat()].join();
    if (key === labels) return;
    labels = key;
    sg.fillStyle = ink.tile; sg.fillRect(0, 0, GUTTER, h);
    sg.font = "11px ui-monospace, 'DejaVu Sans Mono', monospace"; sg.fillStyle = ink.faint;
    for (const p of ticks()) sg.fillText(priceOf(p), 6, Y(p) + 4);
    for (const o of own) if (o[0] >= low && o[0] <= high) { sg.fillStyle = o[1] === 1 ? ink.bid : ink.ask; sg.fillRect(0, Y(o[0]) - 2, 5, 4); }
    if (ask) label(priceOf(m.px[LEVELS]), Math.min(Y(m.px[LEVELS]), Y(m.px[0]) - 16), ink.ask);
    if (bid) label(priceOf(m.px[0]), Y(m.px[0]), ink.bid);
    if (mouse) label(priceOf(at), mouse.y, ink.ink);
  }

  const shift = (e, x, y) => { const to = `translate(${Math.round(x)}px, ${Math.round(y)}px)`; if (e.style.transform !== to) e.style.transform = to; };
  function crosshair() {
    const t = mouse ? glide.time(mouse.x) : cross;
    upright.hidden = t == null || glide.x(t) < 0; across.hidden = tip.hidden = !mouse;
    if (!upright.hidden) shift(upright, glide.x(t), 0);
    if (!mouse) return;
    const p = Math.round(high + 0.5 - mouse.y / (h - FOOT) * (high - low + 1)), m = moments[Math.max(0, first(moments, t) - 1)];
    let q = 0, side = "";
    for (let k = 0; k < 2 * LEVELS; k++) if (m.px[k] === p && m.q[k] > 0) { q = m.q[k]; side = k < LEVELS ? "bid" : "ask"; }
    const text = `<b>${qf.clock(t, 12)}</b> ${priceOf(p)} ` + (q ? `<span class="${side === "bid" ? "buy" : "sell"}">${qf.num(q * info.lot, info.lots)} ${side}</span>` : "–");
    if (tip.innerHTML !== text) tip.innerHTML = text;
    shift(across, 0, mouse.y);
    shift(tip, mouse.x > w - GUTTER - 210 ? mouse.x - 200 : mouse.x + 14, Math.max(4, mouse.y - 30));
    qf.emit("cross", {t, clock: "market", from: "heat"});
  }

  let frame = 0, before = performance.now(), visible = true;
  const see = new IntersectionObserver((e) => { visible = e[e.length - 1].isIntersecting; }); see.observe(el);
  const loop = (now) => {
    frame = requestAnimationFrame(loop);
    const dt = Math.min(200, now - before); before = now;
    if (!visible || w <= GUTTER) return;
    none.hidden = moments.length > 0;
    if (none.hidden === glide.box.hidden) glide.box.hidden = side.hidden = !none.hidden;
    if (!none.hidden) { none.textContent = info ? `No depth of ${info.key} has been told yet.` : "Waiting for the first book…"; return; }
    const ahead = Math.min((now - arrived) * speed, Math.max(600, 2 * speed * 50));  // what the clock says meanwhile
    const goal = target + Math.min(ahead, 600 * Math.max(1, speed));
    right += (goal - right) * Math.min(1, dt / 120);
    if (told) { told = false; fit(); window_(); gather(); if (fresh) weigh(now); fresh = false; prices(); }
    if (glide.to(right, span)) { el.dataset.seq = info.seq; el.dataset.dots = dots.size; }
    qf.emit("market-time", {right, span});  // the price below shows the same time
    crosshair();
  };
  frame = requestAnimationFrame(loop);

  const at = (to) => {
    mouse = to; cross = null; told = true;
    if (!to) qf.emit("cross", {t: null, clock: "market", from: "heat"});
  };
  glide.box.addEventListener("mousemove", (e) => {
    const b = glide.box.getBoundingClientRect(), y = e.clientY - b.top;
    at(y < h - FOOT ? {x: e.clientX - b.left, y} : null);
  });
  glide.box.addEventListener("mouseleave", () => at(null));
  el.addEventListener("wheel", (e) => { e.preventDefault(); qf.emit("zoom", e.deltaY > 0 ? 1 : -1); }, {passive: false});
  model.on("msg:custom", (m) => { take(m); window.__qf_heat = {at: Date.now(), sent: m.sent, seq: m.seq, n: (window.__qf_heat?.n || 0) + 1}; });
  model.on("remove", () => { cancelAnimationFrame(frame); watch.disconnect(); see.disconnect(); off.forEach((f) => f()); });
  model.send_msg({op: "ready"});
}
