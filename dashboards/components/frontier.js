// ES of the hedged book over what the whole hedge would cost: a curve from no hedge to too much of it, three sizes marked.
const LEFT = 12, RIGHT = 62, TOP = 12, FOOT = 34, MARKS = [["held", "held now"], ["neutral", "delta-neutral"], ["best", "least ES + cost"]];

export function render({model, el}) {
  const qf = window.qf, NS = "http://www.w3.org/2000/svg";
  el.className = "frontier";
  el.innerHTML = `<div class="key">${MARKS.map(([c, t]) => `<span><i class="${c}"></i>${t}</span>`).join("")}</div><div class="plot"><svg></svg><div class="tip" hidden></div><div class="empty" hidden></div></div>`;
  const [key, plot] = el.children, [svg, tip, empty] = plot.children;
  let told = null, places = [];
  const put = (name, at, text) => {
    const e = document.createElementNS(NS, name);
    for (const k in at) e.setAttribute(k, at[k]);
    if (text !== undefined) e.textContent = text;
    svg.append(e); return e;
  };
  const ticks = (low, high, n) => {
    const raw = (high - low) / n, tens = 10 ** Math.floor(Math.log10(raw)), unit = tens * [1, 2, 5, 10].find((u) => u * tens >= raw), out = [];
    for (let v = Math.ceil(low / unit) * unit; v <= high; v += unit) out.push(v);
    return out;
  };

  function draw() {
    const w = plot.clientWidth, h = plot.clientHeight;
    svg.replaceChildren(); places = []; tip.hidden = true;
    const some = told && told.points ? told.points.filter((p) => qf.isNum(p[3])) : [];
    const said = told && told.text || (some.length < 2 ? "The book holds none of this hedge." : "");
    empty.hidden = !told || !said; empty.textContent = said; key.hidden = !!said;
    if (!told || said || !(w > 120 && h > 80)) return;
    svg.setAttribute("width", w); svg.setAttribute("height", h);
    const most = Math.max(...some.map((p) => p[3])) || 1, es = some.map((p) => p[2]), hi = Math.max(...es), lo = Math.min(...es);
    const low = Math.max(0, lo - 0.12 * (hi - lo || 1)), high = hi + 0.06 * (hi - lo || 1);
    const X = (v) => LEFT + v / most * (w - LEFT - RIGHT - 40), Y = (v) => TOP + (high - v) / (high - low) * (h - TOP - FOOT);
    for (const v of ticks(low, high, Math.max(2, h / 48))) {
      put("line", {x1: LEFT, x2: w - RIGHT, y1: Y(v), y2: Y(v), class: "grid"});
      put("text", {x: w - RIGHT + 6, y: Y(v) + 4, class: "tick"}, qf.short(v));
    }
    for (const v of ticks(0, most, Math.max(2, w / 110))) put("text", {x: X(v), y: h - FOOT + 16, class: "tick", "text-anchor": v ? "middle" : "start"}, qf.num(v, most < 10 ? 1 : 0));
    put("text", {x: w - RIGHT, y: h - 3, class: "tick axis", "text-anchor": "end"}, `cost of the whole hedge, ${told.currency}`);
    put("path", {d: some.map((p, k) => `${k ? "L" : "M"}${X(p[3]).toFixed(1)} ${Y(p[2]).toFixed(1)}`).join(""), class: "curve"});
    const nearest = (q) => some.reduce((a, p) => Math.abs(p[0] - q) < Math.abs(a[0] - q) ? p : a);
    let used = -Infinity;
    for (const share of [0, 0.25, 0.5, 0.75, 1.25, 1.5]) {  // how much is hedged, along the curve
      const p = some.reduce((a, b) => Math.abs(b[1] - share) < Math.abs(a[1] - share) ? b : a);
      if (Math.abs(p[1] - share) > 0.06 || X(p[3]) - used < 40) continue;
      used = X(p[3]);
      put("circle", {cx: used, cy: Y(p[2]), r: 2.2, class: "step"});
      put("text", {x: used + 7, y: Y(p[2]) + (share < 1 ? -4 : 13), class: "tick"}, `${qf.num(100 * share)}%`);
    }
    for (const [name] of MARKS) {
      const p = nearest(told[name]), x = X(p[3]), y = Y(p[2]);
      if (name === "held") put("circle", {cx: x, cy: y, r: 5.5, class: name});
      if (name === "neutral") put("circle", {cx: x, cy: y, r: 4, class: name});
      if (name === "best") put("path", {d: `M${x} ${y - 7}l6 7l-6 7l-6-7z`, class: name});
    }
    places = some.map((p) => [X(p[3]), Y(p[2]), p]);
    Object.assign(el.dataset, {held: told.held, best: told.best, neutral: told.neutral, es: nearest(told.held)[2], n: told.points.length});
  }

  plot.addEventListener("mousemove", (e) => {
    const box = plot.getBoundingClientRect(), x = e.clientX - box.left, y = e.clientY - box.top;
    const near = places.reduce((a, p) => !a || Math.hypot(p[0] - x, p[1] - y) < Math.hypot(a[0] - x, a[1] - y) ? p : a, null);
    tip.hidden = !near;
    if (!near) return;
    const [qty, ratio, es, cost, now] = near[2];
    tip.textContent = `${qf.signed(qty)} contracts, ${qf.num(100 * ratio, 1)} % hedged\nES ${qf.num(es)}\ncost in all ${qf.num(cost, 1)}\nfrom here ${qf.num(now, 1)}`;
    tip.style.transform = `translate(${Math.max(4, near[0] > box.width / 2 ? near[0] - 196 : near[0] + 12)}px, ${Math.min(near[1] + 10, box.height - 78)}px)`;
  });
  plot.addEventListener("mouseleave", () => { tip.hidden = true; });
  const watch = new ResizeObserver(draw); watch.observe(plot);
  model.on("msg:custom", (m) => { told = m; draw(); });
  model.on("remove", () => watch.disconnect());
  model.send_msg({op: "ready"});
}
