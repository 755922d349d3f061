// Lines through time. Pictures of one clock show the same time and one cross-hair.
const GUTTER = 64, FOOT = 18, GAP = 6;

export function render({model, el}) {
  const qf = window.qf, {clock, digits = null, base = null, room = 0.1, kept = 6000, follows = false} = model.picture;
  const made = (tag, name, into) => { const e = document.createElement(tag); e.className = name; into.append(e); return e; };
  el.className = "chart";
  const key = made("div", "key", el), plot = made("div", "plot", el), glide = qf.glide(paint, follows ? 256 : 32);
  plot.append(glide.box);
  const side = made("canvas", "side", plot), upright = made("i", "v", plot), tip = made("div", "tip", plot), sg = side.getContext("2d", {alpha: false});
  upright.hidden = tip.hidden = true;
  const rows = model.columns.map(() => []), time = rows[0], of = (k) => rows[model.columns.indexOf(k)];
  let w = 0, h = 0, low = 0, high = 0, right = 0, span = 0, mouse = null, cross = null, frame = 0, ink = {}, labels = "", places = 0;

  const colors = () => { for (const c of ["tile", "line", "faint", "bid", "ask", "accent", "bad"]) ink[c] = qf.color(c); };
  colors();
  for (const s of model.series.filter((s) => s.label)) {
    const one = document.createElement("span"), mark = document.createElement("i");
    mark.style.borderColor = `var(--${s.color})`; mark.style.borderTopStyle = s.dash ? "dashed" : "solid";
    one.append(mark, s.label); key.append(one);
  }
  key.hidden = !model.picture.legend;
  const ask = () => { if (!frame) frame = requestAnimationFrame(show); };
  const anew = () => { glide.all(); labels = ""; ask(); };
  const size = () => {
    const dpr = window.devicePixelRatio || 1;
    w = plot.clientWidth - GUTTER; h = plot.clientHeight;
    side.width = Math.round(GUTTER * dpr); side.height = Math.max(1, Math.round(h * dpr));
    side.style.width = GUTTER + "px"; side.style.height = h + "px";
    sg.setTransform(dpr, 0, 0, dpr, 0, 0);
    glide.size(w, h); anew();
  };
  const watch = new ResizeObserver(size); watch.observe(plot);
  const off = [
    qf.on("theme", () => { colors(); anew(); }),
    qf.on("cross", (c) => { if (c.clock === clock && c.from !== model.id) { cross = c.t; show(); } }),
  ];
  if (follows) off.push(qf.on(clock + "-time", (c) => { ({right, span} = c); show(); }));

  const first = (t) => qf.first(time.length, (i) => time[i], t);
  const Y = (v) => GAP + (high - v) / (high - low) * (h - FOOT - 2 * GAP);

  // The scale makes room for all that is seen, and stays while that fills most of it.
  function fit() {
    let lo = base ?? Infinity, hi = base ?? -Infinity;
    for (const s of model.series) {
      const column = of(s.k);
      for (let i = Math.max(0, first(right - span) - 1); i < time.length; i++) {
        if (column[i] < lo) lo = column[i];
        if (column[i] > hi) hi = column[i];
      }
    }
    if (!(hi >= lo)) return;
    const least = Math.max(hi - lo, 1e-6 * Math.abs(hi), 1e-9), pad = room * least;
    if (high > low && lo >= low && hi <= high && hi - lo > 0.6 * (high - low) / (1 + 2 * room)) return;
    low = base !== null && lo >= base ? base : lo - pad; high = hi + pad;
    glide.all();
  }

  const ticks = () => {
    const raw = (high - low) / Math.max(2, Math.min(5, h / 34)), tens = 10 ** Math.floor(Math.log10(raw));
    const unit = tens * [1, 2, 5, 10].find((u) => u * tens >= raw), out = [];
    for (let v = Math.ceil(low / unit) * unit; v <= high; v += unit) out.push(v);
    places = digits ?? Math.min(12, Math.max(0, -Math.floor(Math.log10(unit) + 1e-9)));
    return out;
  };

  // A column through a part; of many points in one pixel the least, the most and the last.
  function trace(p, column, step) {
    const {g, X} = p;
    let at = NaN, least = 0, most = 0, y = 0, pen = false, begun = null, end = 0;
    const flush = () => { if (most > least) { g.lineTo(at, least); g.lineTo(at, most); g.lineTo(at, y); } least = most; };
    for (let i = Math.max(0, first(p.t0) - 1); i < time.length; i++) {
      if (!Number.isFinite(column[i])) { flush(); pen = false; continue; }
      const x = end = X(time[i]), next = Y(column[i]);
      if (pen && Math.floor(x) === at) { least = Math.min(least, next); most = Math.max(most, next); y = next; continue; }
      flush();
      if (!pen) g.moveTo(x, next); else { if (step) g.lineTo(x, y); g.lineTo(x, next); }
      pen = true; at = Math.floor(x); least = most = y = next; begun ??= x;
    }
    flush();
    return [begun, end];
  }

  const draw = {
    line: (p, s) => { p.g.beginPath(); trace(p, of(s.k), false); p.g.stroke(); },
    step: (p, s) => { p.g.beginPath(); trace(p, of(s.k), true); p.g.stroke(); },
    area: (p, s) => {
      const {g} = p;
      g.beginPath(); const [a, b] = trace(p, of(s.k), false); g.lineTo(b, Y(0)); g.lineTo(a, Y(0)); g.globalAlpha = 0.14; g.fill(); g.globalAlpha = 1;
    },
    stem: (p, s) => {  // from zero, with a dot: large and in another colour where it is marked
      const {g, X} = p, column = of(s.k), marked = of(s.mark);
      for (let i = Math.max(0, first(p.t0) - 1); i < time.length; i++) {
        const x = X(time[i]), y = Y(column[i]);
        g.strokeStyle = g.fillStyle = marked[i] ? ink.bad : ink[s.color];
        g.globalAlpha = 0.7; g.beginPath(); g.moveTo(x, Y(0)); g.lineTo(x, y); g.stroke();
        g.globalAlpha = 1; g.beginPath(); g.arc(x, y, marked[i] ? 4.5 : 2.5, 0, 6.2832); g.fill();
      }
    },
  };

  function paint(p) {
    const {g, x0, x1} = p;
    g.fillStyle = ink.tile; g.fillRect(x0, 0, x1 - x0, h);
    if (!(high > low)) return;
    qf.times(p, span, w, h - 5, ink.faint, ...(follows ? [] : [52, w - 10]));
    g.strokeStyle = ink.line; g.lineWidth = 1;
    g.beginPath(); for (const v of ticks()) { g.moveTo(x0, Math.round(Y(v)) + .5); g.lineTo(x1, Math.round(Y(v)) + .5); } g.stroke();
    if (low < 0 && high > 0) { g.strokeStyle = ink.faint; g.beginPath(); g.moveTo(x0, Math.round(Y(0)) + .5); g.lineTo(x1, Math.round(Y(0)) + .5); g.stroke(); }
    for (const s of model.series) {
      g.strokeStyle = g.fillStyle = ink[s.color]; g.lineWidth = s.width ?? 1.8; g.lineJoin = "round"; g.setLineDash(s.dash || []);
      draw[s.form](p, s);
    }
    g.setLineDash([]);
  }

  function scale() {
    const told = [low, high, h].join();
    if (told === labels || !(high > low)) return;
    labels = told;
    sg.fillStyle = ink.tile; sg.fillRect(0, 0, GUTTER, h);
    sg.font = "11px ui-monospace, 'DejaVu Sans Mono', monospace"; sg.fillStyle = ink.faint;
    for (const v of ticks()) sg.fillText(qf.num(v, places), 6, Y(v) + 4);
  }

  function crosshair() {
    const t = mouse === null ? cross : glide.time(mouse), x = t == null ? 0 : Math.round(glide.x(t));
    upright.hidden = t == null || x < 0 || x > w; tip.hidden = mouse === null || !time.length;
    if (!upright.hidden) upright.style.transform = `translateX(${x}px)`;
    if ((el.dataset.cross || "") !== String(t ?? "")) el.dataset.cross = t ?? "";
    if (tip.hidden) return;
    const b = first(t), i = b > 0 && (b === time.length || t - time[b - 1] < time[b] - t) ? b - 1 : b;
    const text = [qf.clock(time[i]), ...model.series.filter((s) => s.told).map((s) => `${s.told} ${qf.num(of(s.k)[i], digits ?? (places && places + 2))}`)].join("\n");
    if (tip.textContent !== text) tip.textContent = text;
    tip.style.transform = `translate(${x > w - 130 ? x - 140 : x + 12}px, 6px)`;
  }

  function show() {
    cancelAnimationFrame(frame); frame = 0;
    if (!(w > 0 && h > 0 && span > 0)) return;
    if (glide.to(right, span)) { scale(); Object.assign(el.dataset, {start: right - span, end: right, low, high}); }
    if (mouse !== null) tell();  // time has gone on under it
    crosshair();
  }

  const tell = () => qf.emit("cross", {t: mouse === null ? null : glide.time(mouse), clock, from: model.id});
  const at = (x) => { mouse = x; cross = null; tell(); ask(); };
  plot.addEventListener("mousemove", (e) => { const x = e.clientX - plot.getBoundingClientRect().left; at(x <= w ? x : null); });
  plot.addEventListener("mouseleave", () => at(null));
  model.on("msg:custom", (m) => {
    if (m.full) { for (const column of rows) column.length = 0; high = low = 0; glide.all(); }
    else if (m.n) glide.stale(time.length ? time[time.length - 1] : 0);
    const v = new Float64Array(qf.bytes(m.blob));
    rows.forEach((column, k) => { for (let i = 0; i < m.n; i++) column.push(v[k * m.n + i]); });
    if (time.length > kept) for (const column of rows) column.splice(0, column.length - kept);
    if (m.end) { right = m.end; span = m.end - m.start; }
    fit(); ask();
  });
  model.on("remove", () => { cancelAnimationFrame(frame); watch.disconnect(); off.forEach((f) => f()); });
  model.send_msg({op: "ready"});
}
