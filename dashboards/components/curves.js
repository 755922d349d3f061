// Curves over an axis of numbers. It is told once a second at most, and painted whole.
const GUTTER = 58, FOOT = 20, GAP = 10, LEFT = 12;

export function render({model, el}) {
  const qf = window.qf;
  const made = (tag, name, into) => { const e = document.createElement(tag); e.className = name; into.append(e); return e; };
  el.className = "curves";
  const key = made("div", "key", el), plot = made("div", "plot", el), canvas = made("canvas", "", plot), g = canvas.getContext("2d", {alpha: false});
  const upright = made("i", "v", plot), tip = made("div", "tip", plot), none = made("div", "empty", plot);
  upright.hidden = tip.hidden = true; none.textContent = "Being fitted…";
  let told = null, w = 0, h = 0, mouse = null, scale = null, ink = {};

  const colors = () => { for (const c of ["tile", "line", "ink", "soft", "faint", "bid", "ask", "accent", "bad"]) ink[c] = qf.color(c); };
  colors();
  const size = () => {
    const dpr = window.devicePixelRatio || 1;
    w = plot.clientWidth; h = plot.clientHeight;
    canvas.width = Math.max(1, Math.round(w * dpr)); canvas.height = Math.max(1, Math.round(h * dpr));
    canvas.style.width = w + "px"; canvas.style.height = h + "px";
    g.setTransform(dpr, 0, 0, dpr, 0, 0);
    paint();
  };
  const watch = new ResizeObserver(size); watch.observe(plot);
  const off = qf.on("theme", () => { colors(); paint(); });

  const steps = (low, high, n) => {
    const raw = (high - low) / Math.max(2, n), tens = 10 ** Math.floor(Math.log10(raw)), out = [];
    const unit = tens * [1, 2, 2.5, 5, 10].find((u) => u * tens >= raw);
    for (let v = Math.ceil(low / unit - 1e-9) * unit; v <= high + 1e-9 * unit; v += unit) out.push(v);
    return [out, Math.max(0, Math.min(6, -Math.floor(Math.log10(unit) + 1e-9) + (/^2\.5/.test((unit / tens).toFixed(1)) ? 1 : 0)))];
  };
  const reach = (values, room, least = 0) => {
    let low = Infinity, high = -Infinity;
    for (const v of values) if (qf.isNum(v)) { if (v < low) low = v; if (v > high) high = v; }
    if (!(high >= low)) return null;
    const narrow = Math.max(0, least - (high - low)) / 2, pad = narrow + room * Math.max(high - low, 1e-3 * Math.abs(high), 1e-9);
    return [low - pad, high + pad];
  };

  function paint() {
    g.fillStyle = ink.tile; g.fillRect(0, 0, w, h);
    none.hidden = !!(told && !told.text);
    scale = null;
    if (!told || told.text || !(w > GUTTER + 40 && h > FOOT + 40)) return;
    const own = told.series.filter((s) => !s.aside);
    const xs = reach(own.flatMap((s) => s.x), own.some((s) => s.x.length > 1) ? 0.02 : 0.5);
    const ys = reach(own.flatMap((s) => [...s.y, ...(s.lo || []), ...(s.hi || [])]), 0.08, told.y.least);
    if (!xs || !ys) return;
    const X = (v) => LEFT + (v - xs[0]) / (xs[1] - xs[0]) * (w - GUTTER - LEFT), Y = (v) => GAP + (ys[1] - v) / (ys[1] - ys[0]) * (h - FOOT - 2 * GAP);
    scale = {X, Y};
    const [yt, yd] = steps(...ys, Math.min(6, h / 40)), [xt, xd] = steps(...xs, Math.min(8, (w - GUTTER) / 80));
    g.font = "11px ui-monospace, 'DejaVu Sans Mono', monospace"; g.lineWidth = 1; g.textAlign = "left";
    g.strokeStyle = ink.line; g.fillStyle = ink.faint;
    g.beginPath(); for (const v of yt) { const y = Math.round(Y(v)) + .5; g.moveTo(0, y); g.lineTo(w - GUTTER, y); } g.stroke();
    for (const v of yt) g.fillText(qf.num(v, yd) + (told.y.unit || ""), w - GUTTER + 6, Y(v) + 4);
    g.textAlign = "center";
    for (const v of xt) { const x = X(v), half = 24; if (x > half && x < w - GUTTER - half) g.fillText(qf.num(v, xd), x, h - 5); }
    if (told.x.unit) { g.textAlign = "left"; g.fillText(told.x.unit, w - GUTTER + 6, h - 5); }
    for (const m of told.marks || []) {
      const x = Math.round(X(m.x)) + .5;
      g.strokeStyle = ink.faint; g.setLineDash([3, 4]); g.beginPath(); g.moveTo(x, 0); g.lineTo(x, h - FOOT); g.stroke(); g.setLineDash([]);
      g.fillStyle = ink.soft; g.textAlign = x > w - GUTTER - 120 ? "right" : "left"; g.fillText(m.label, x + (g.textAlign === "left" ? 6 : -6), 12);
    }
    g.save(); g.beginPath(); g.rect(0, 0, w - GUTTER, h - FOOT); g.clip();
    for (const s of told.series) {
      g.globalAlpha = s.alpha ?? 1; g.strokeStyle = g.fillStyle = ink[s.color]; g.lineWidth = s.width ?? 2; g.lineJoin = "round"; g.setLineDash(s.dash || []);
      forms[s.form](s, X, Y);
      g.setLineDash([]);
      const last = s.x.length - 1;
      if (s.label && last >= 0) { g.textAlign = "right"; g.fillText(s.label, X(s.x[last]), Math.max(10, Y(s.y[last]) - 7)); }
      g.globalAlpha = 1;
    }
    g.restore();
  }

  const forms = {
    line: (s, X, Y) => {
      let pen = false;
      g.beginPath();
      s.x.forEach((x, i) => { if (!qf.isNum(s.y[i])) { pen = false; return; } if (pen) g.lineTo(X(x), Y(s.y[i])); else g.moveTo(X(x), Y(s.y[i])); pen = true; });
      g.stroke();
    },
    dots: (s, X, Y) => s.x.forEach((x, i) => { if (qf.isNum(s.y[i])) { g.beginPath(); g.arc(X(x), Y(s.y[i]), s.width ?? 3, 0, 6.2832); g.fill(); } }),
    bars: (s, X, Y) => s.x.forEach((x, i) => {  // from bid to ask, at least so long that it is seen; a side that is missing is open
      const at = Math.round(X(x)), [lo, hi] = [s.lo[i], s.hi[i]], out = s.off && s.off[i], wide = 4;
      if (!qf.isNum(lo) && !qf.isNum(hi)) return;
      const a = Y(lo ?? hi), b = Y(hi ?? lo);
      g.lineWidth = 2; g.strokeStyle = out ? ink.bad : ink[s.color];
      g.beginPath(); g.moveTo(at, a); g.lineTo(at, b); g.stroke();
      for (const [v, y, c] of [[lo, a, ink.bid], [hi, b, ink.ask]]) {
        if (!qf.isNum(v)) continue;
        g.strokeStyle = out ? ink.bad : c; g.beginPath(); g.moveTo(at - wide, y); g.lineTo(at + wide, y); g.stroke();
      }
      if (out) {  // a cross above it: not by colour alone
        const y = Math.min(a, b) - 9;
        g.strokeStyle = ink.bad; g.beginPath(); g.moveTo(at - 3, y - 3); g.lineTo(at + 3, y + 3); g.moveTo(at - 3, y + 3); g.lineTo(at + 3, y - 3); g.stroke();
      }
    }),
  };

  function point() {
    let best = null;
    if (mouse !== null && scale && told.tips) {
      for (const [x, text] of told.tips) { const d = Math.abs(scale.X(x) - mouse); if (d < 40 && (!best || d < best.d)) best = {d, x: scale.X(x), text}; }
    }
    upright.hidden = tip.hidden = !best;
    if (!best) return;
    upright.style.transform = `translateX(${Math.round(best.x)}px)`;
    if (tip.textContent !== best.text) tip.textContent = best.text;
    const room = tip.offsetWidth + 14;
    tip.style.transform = `translate(${best.x > w - GUTTER - room ? best.x - room : best.x + 12}px, 6px)`;
  }

  plot.addEventListener("mousemove", (e) => { mouse = e.clientX - plot.getBoundingClientRect().left; point(); });
  plot.addEventListener("mouseleave", () => { mouse = null; point(); });
  model.on("msg:custom", (m) => {
    told = m;
    if (m.text && none.textContent !== m.text) none.textContent = m.text;
    const shown = m.text ? [] : m.series.filter((s) => s.told);
    key.hidden = !shown.length;
    key.replaceChildren(...shown.map((s) => {
      const one = document.createElement("span"), mark = document.createElement("i");
      mark.className = s.form; mark.style.color = `var(--${s.color})`; mark.style.borderTopStyle = s.dash ? "dashed" : "";
      one.append(mark, s.told); return one;
    }));
    Object.assign(el.dataset, {seq: m.seq ?? "", points: m.text ? 0 : m.series.reduce((n, s) => n + s.y.filter(qf.isNum).length, 0)});
    size(); point();
  });
  model.on("remove", () => { watch.disconnect(); off(); });
  model.send_msg({op: "ready"});
}
