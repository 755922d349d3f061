// Depth through time: what lay in the book at each price, the best prices, and where it traded.
// The right edge glides with the market's clock, so that four updates a second still move smoothly.
const SHORTEST = 20e3, GUTTER = 64, FOOT = 18, LEVELS = 20, KEPT = 7200, TRADES = 40000;
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
  const qf = window.qf, canvas = document.createElement("canvas"), tip = document.createElement("div");
  canvas.className = "map"; tip.className = "tip"; tip.hidden = true;
  el.className = "heat"; el.append(canvas, tip);
  const g = canvas.getContext("2d", {alpha: false}), grid = document.createElement("canvas"), gg = grid.getContext("2d");
  let lut = ramp(document.documentElement.dataset.theme), moments = [], trades = [], own = [], info = null;
  let wanted = 120e3, span = 120e3, right = 0, target = 0, arrived = 0, speed = 1, low = 0, high = 0, top = 1, dirty = true;
  let dots = new Map(), cell = 0, gathered = 0;  // of trades, those of a cell of time, price and side: one dot
  let gap = 0, drawn = 0, image = null, mouse = null, cross = null, built = null, lastRange = 0, w = 0, h = 0, dpr = 1, ink = {};

  const colors = () => { for (const c of ["tile", "line", "ink", "soft", "faint", "bid", "ask", "accent"]) ink[c] = qf.color(c); };
  colors();
  const off = [
    qf.on("theme", (t) => { lut = ramp(t); colors(); built = null; dirty = true; }),
    qf.on("span", (s) => { wanted = s; fit(); }),
    qf.on("cross", (c) => { if (c.from === "market-cross") { cross = c.t; dirty = true; } }),
  ];
  // no longer than what is known: the first picture is full, and grows to what was asked for
  const fit = () => {
    const known = moments.length ? right - moments[0].t : 0, s = Math.min(wanted, Math.max(SHORTEST, known));
    if (s !== span) { span = s; built = null; dirty = true; }
  };
  const size = () => {
    dpr = window.devicePixelRatio || 1;
    w = canvas.clientWidth; h = canvas.clientHeight;
    canvas.width = Math.max(1, Math.round(w * dpr)); canvas.height = Math.max(1, Math.round(h * dpr));
    built = null; dirty = true;
  };
  const watch = new ResizeObserver(size); watch.observe(canvas);

  function take(m) {
    if (m.full) { moments = []; trades = []; cell = 0; right = 0; low = high = 0; top = 1; }
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
    if (moments.length > KEPT) moments.splice(0, moments.length - KEPT);
    const surplus = trades.length - TRADES;
    if (surplus > 0) { trades.splice(0, surplus); gathered = Math.max(0, gathered - surplus); }
    const end = Math.max(moments.length ? moments[moments.length - 1].t : 0, trades.length ? trades[trades.length - 1].t : 0);
    const now = performance.now();
    fit();
    if (end > target && !m.full) {
      const wall = now - arrived;  // how fast the market's clock runs by ours: a replay may be faster
      if (wall > 5) speed = 0.8 * speed + 0.2 * Math.min(50, (end - target) / wall);
    }
    if (m.full || end - right > span) right = end;
    if (end !== target) { target = end; arrived = now; }
    built = null; dirty = true;
  }

  // The window of prices follows the best ones, and only jumps where they come near its border.
  function window_() {
    const m = moments[moments.length - 1];
    if (!m) return;
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
      low = Math.floor(mid - reach); high = Math.ceil(mid + reach); built = null;
    }
  }

  const first = (rows, t) => {  // the first row at or after t
    let a = 0, b = rows.length;
    while (a < b) { const c = a + b >> 1; if (rows[c].t < t) a = c + 1; else b = c; }
    return a;
  };

  // One cell a column of time and a row of price; a level holds until the next moment.
  function build(columns) {
    const step = span / columns, rows = Math.min(420, high - low + 1), group = (high - low + 1) / rows;
    const head = Math.ceil(right / step), key = head + ":" + low + ":" + high + ":" + columns + ":" + moments.length;
    if (built === key) return;
    built = key;
    if (!image || image.width !== columns || image.height !== rows) {
      grid.width = columns; grid.height = rows; image = gg.createImageData(columns, rows);
    }
    const cells = new Uint32Array(image.data.buffer), seen = [];
    cells.fill(lut[0]);
    const begin = head - columns;
    for (let i = Math.max(0, moments.length - 200); i < moments.length; i += 4) {
      for (let k = 0; k < 10; k++) seen.push(moments[i].q[k], moments[i].q[LEVELS + k]);
    }
    if (seen.length) { seen.sort((a, b) => a - b); const s = seen[Math.floor(0.96 * (seen.length - 1))]; top = Math.max(1e-9, top === 1 ? s : 0.9 * top + 0.1 * s); }
    const scale = 255 / Math.log1p(9);
    let at = Math.max(0, first(moments, begin * step) - 1);
    for (; at < moments.length; at++) {
      const m = moments[at], a = Math.max(0, Math.floor(m.t / step) - begin);
      const b = at + 1 < moments.length ? Math.min(columns, Math.floor(moments[at + 1].t / step) - begin) : columns;
      if (b <= a) continue;
      for (let k = 0; k < 2 * LEVELS; k++) {
        if (!(m.q[k] > 0)) continue;
        const row = Math.floor((high - m.px[k]) / group);
        if (row < 0 || row >= rows) continue;
        const c = lut[Math.min(255, 20 + Math.round(Math.log1p(9 * Math.min(1, m.q[k] / top)) * scale * 235 / 255))];
        const o = row * columns;
        for (let x = a; x < b; x++) cells[o + x] = c;
      }
    }
    gg.putImageData(image, 0, 0);
    grid.head = head; grid.step = step;
  }

  // Only what is new is added; all anew where the picture's width in time has changed by more than a step.
  function gather(W, from) {
    const wide = 1.3 ** Math.round(Math.log(7 / W * span) / Math.log(1.3));
    if (wide !== cell) { cell = wide; dots = new Map(); gathered = first(trades, from - cell); }
    for (; gathered < trades.length; gathered++) {
      const o = trades[gathered], key = Math.floor(o.t / cell) * 4 + o.s + ":" + o.p, d = dots.get(key);
      if (d) { d.t = (d.t * d.q + o.t * o.q) / (d.q + o.q); d.q += o.q; } else dots.set(key, {...o});
    }
    for (const [key, d] of dots) { if (d.t >= from - cell) break; dots.delete(key); }
  }

  const priceOf = (p) => qf.num((info.base + p) * info.tick, info.digits);

  function draw() {
    const W = w - GUTTER, H = h - FOOT;
    g.setTransform(dpr, 0, 0, dpr, 0, 0);
    g.fillStyle = ink.tile; g.fillRect(0, 0, w, h);
    if (!moments.length || !(high > low) || W < 20) {
      g.fillStyle = ink.faint; g.font = "13px sans-serif"; g.textAlign = "center";
      g.fillText(info ? "No depth of " + info.key + " has been told yet." : "Waiting for the first book…", w / 2, h / 2);
      return;
    }
    const columns = Math.max(60, Math.min(1200, Math.floor(W / 2)));
    build(columns);
    const from = right - span, X = (t) => (t - from) / span * W, Y = (p) => (high + 0.5 - p) / (high - low + 1) * H;
    g.save(); g.beginPath(); g.rect(0, 0, W, H); g.clip();
    g.imageSmoothingEnabled = false;
    g.drawImage(grid, X((grid.head - columns) * grid.step), 0, W, H);
    // prices and times
    const rows = Math.max(2, Math.floor(H / 34)), raw = (high - low) / rows;
    const unit = [1, 2, 5, 10, 20, 25, 50, 100, 200, 250, 500, 1e3, 2e3, 5e3, 1e4, 1e5, 1e6].find((u) => u >= raw) || raw;
    const ticks = [];
    for (let p = Math.ceil((low + info.base) / unit) * unit - info.base; p <= high; p += unit) ticks.push(p);
    g.strokeStyle = ink.line; g.lineWidth = 1; g.globalAlpha = .55;
    g.beginPath(); for (const p of ticks) { g.moveTo(0, Math.round(Y(p)) + .5); g.lineTo(W, Math.round(Y(p)) + .5); } g.stroke();
    g.globalAlpha = 1;
    // our own orders: a dashed line at their price
    g.setLineDash([6, 4]); g.lineWidth = 1.5;
    for (const o of own) { g.strokeStyle = o[1] === 1 ? ink.bid : ink.ask; g.beginPath(); g.moveTo(0, Y(o[0])); g.lineTo(W, Y(o[0])); g.stroke(); }
    g.setLineDash([]);
    // best prices
    const start = Math.max(0, first(moments, from) - 1);
    for (const [side, color] of [[0, ink.bid], [LEVELS, ink.ask]]) {
      g.strokeStyle = color; g.lineWidth = 1.6; g.beginPath();
      let pen = false, y = 0;
      for (let i = start; i < moments.length; i++) {
        const m = moments[i];
        if (!(m.q[side] > 0)) { pen = false; continue; }
        const x = X(m.t), next = Y(m.px[side]);
        if (pen) { g.lineTo(x, y); g.lineTo(x, next); } else g.moveTo(x, next);
        y = next; pen = true;
      }
      if (pen) g.lineTo(W, y);
      g.stroke();
    }
    // trades: area is quantity, colour the aggressor's side
    gather(W, from);
    let most = 1;
    for (const d of dots.values()) most = Math.max(most, d.q);
    g.lineWidth = 1; g.strokeStyle = ink.tile; g.globalAlpha = .92;
    for (const d of dots.values()) {
      g.fillStyle = d.s === 1 ? ink.bid : d.s === 2 ? ink.ask : ink.soft;
      g.beginPath(); g.arc(X(d.t), Y(d.p), 1 + 5.5 * Math.sqrt(d.q / most), 0, 6.2832); g.fill(); g.stroke();
    }
    g.globalAlpha = 1;
    g.restore();
    axis(ticks, X, Y, W, H, from);
    crosshair(X, Y, W, H, from);
    const r = qf.model("market-time");  // the price line below shows the same time
    const now = performance.now();
    if (r && now - lastRange > 180 + 6 * gap) { lastRange = now; r.setv({start: from, end: right}, {sync: false}); }
  }

  function label(text, x, y, fill, color) {
    g.fillStyle = fill; g.fillRect(x, y - 8, GUTTER, 16); g.fillStyle = color; g.fillText(text, x + 6, y + 4);
  }

  function axis(ticks, X, Y, W, H, from) {
    g.font = "11px " + "ui-monospace, 'DejaVu Sans Mono', monospace"; g.textAlign = "left"; g.fillStyle = ink.faint;
    for (const p of ticks) g.fillText(priceOf(p), W + 6, Y(p) + 4);
    const step = [5e3, 1e4, 15e3, 3e4, 6e4, 12e4, 3e5].find((s) => span / s <= W / 90) || 6e5;
    g.textAlign = "center";
    for (let t = Math.ceil(from / step) * step; t <= right; t += step) {
      const x = X(t);
      if (x > 28 && x < W - 28) g.fillText(qf.clock(t), x, H + 13);
    }
    g.textAlign = "left";
    const m = moments[moments.length - 1];
    for (const o of own) if (o[0] >= low && o[0] <= high) { g.fillStyle = o[1] === 1 ? ink.bid : ink.ask; g.fillRect(W - 5, Y(o[0]) - 2, 5, 4); }
    if (m.q[LEVELS] > 0) label(priceOf(m.px[LEVELS]), W, Math.min(Y(m.px[LEVELS]), Y(m.px[0]) - 16), ink.ask, ink.tile);
    if (m.q[0] > 0) label(priceOf(m.px[0]), W, Y(m.px[0]), ink.bid, ink.tile);
  }

  function crosshair(X, Y, W, H, from) {
    const t = mouse ? from + mouse.x / W * span : cross;
    if (t == null) { tip.hidden = true; return; }
    const x = X(t);
    g.strokeStyle = ink.soft; g.lineWidth = 1; g.setLineDash([3, 3]);
    g.beginPath(); g.moveTo(Math.round(x) + .5, 0); g.lineTo(Math.round(x) + .5, H);
    if (mouse) { g.moveTo(0, mouse.y); g.lineTo(W, mouse.y); }
    g.stroke(); g.setLineDash([]);
    if (!mouse) { tip.hidden = true; return; }
    const p = Math.round(high + 0.5 - mouse.y / H * (high - low + 1)), m = moments[Math.max(0, first(moments, t) - 1)];
    label(priceOf(p), W, mouse.y, ink.ink, ink.tile);
    let q = 0, side = "";
    for (let k = 0; k < 2 * LEVELS; k++) if (m.px[k] === p && m.q[k] > 0) { q = m.q[k]; side = k < LEVELS ? "bid" : "ask"; }
    tip.hidden = false;
    tip.innerHTML = `<b>${qf.clock(t, 12)}</b> ${priceOf(p)} ` + (q ? `<span class="${side === "bid" ? "buy" : "sell"}">${qf.num(q * info.lot, info.lots)} ${side}</span>` : "–");
    const left = mouse.x > W - 210 ? mouse.x - 200 : mouse.x + 14;
    tip.style.transform = `translate(${left}px, ${Math.max(4, mouse.y - 30)}px)`;
  }

  let frame = 0, before = performance.now(), visible = true;
  const see = new IntersectionObserver((e) => { visible = e[e.length - 1].isIntersecting; }); see.observe(canvas);
  const loop = (now) => {
    frame = requestAnimationFrame(loop);
    const dt = Math.min(200, now - before); before = now;
    if (!visible || !w) return;
    if (target) {
      const ahead = Math.min((now - arrived) * speed, Math.max(600, 2 * speed * 50));  // what the clock says meanwhile
      const goal = target + Math.min(ahead, 600 * Math.max(1, speed));
      const move = (goal - right) * Math.min(1, dt / 120);
      if (Math.abs(move) / span * w > 0.15) { right += move; dirty = true; }
    }
    fit();
    gap = dt > 22 ? Math.min(48, gap + 4) : Math.max(0, gap - 0.2);  // a slow machine draws less often and stays fluent
    if (dirty && now - drawn >= gap) { dirty = false; drawn = now; window_(); draw(); el.dataset.seq = info ? info.seq : ""; el.dataset.dots = dots.size; }
  };
  frame = requestAnimationFrame(loop);

  const place = (e) => { const b = canvas.getBoundingClientRect(); return {x: e.clientX - b.left, y: e.clientY - b.top}; };
  canvas.addEventListener("mousemove", (e) => {
    const at = place(e);
    mouse = at.x < w - GUTTER && at.y < h - FOOT ? at : null;
    cross = null; dirty = true;
    qf.emit("cross", {t: mouse ? right - span + mouse.x / (w - GUTTER) * span : null, from: "heat"});
  });
  canvas.addEventListener("mouseleave", () => { mouse = null; dirty = true; qf.emit("cross", {t: null, from: "heat"}); });
  canvas.addEventListener("wheel", (e) => { e.preventDefault(); qf.emit("zoom", e.deltaY > 0 ? 1 : -1); }, {passive: false});
  off.push(qf.on("cross", (c) => {  // the line's own cross-hair follows
    if (c.from !== "heat") return;
    const s = qf.model("market-cross");
    if (s) s.setv(c.t == null ? {visible: false} : {location: c.t, visible: true}, {sync: false});
  }));
  const told = (m) => { take(m); window.__qf_heat = {at: Date.now(), sent: m.sent, seq: m.seq, n: (window.__qf_heat?.n || 0) + 1}; };
  model.on("msg:custom", told);
  model.on("remove", () => { cancelAnimationFrame(frame); watch.disconnect(); see.disconnect(); off.forEach((f) => f()); });
  model.send_msg({op: "ready"});
}
