// Losses on one scale: expected shortfall now as the bar, unhedged behind it, the target as a mark, the limit as a wall.
// Figures and lines are made once, and of what comes only what differs is written: reports may come 20 times a second.
export function render({model, el}) {
  const qf = window.qf, KEY = [["now", "current"], ["un", "unhedged"], ["aim", "target"], ["wall", ""]];
  el.className = "bullets";
  el.innerHTML = `<div class="big"></div><div class="lines"></div><div class="key">${KEY.map(([c, t]) => `<span><i class="k ${c}"></i><em>${t}</em></span>`).join("")}</div>`;
  const [big, lines, key] = el.children, wall = key.lastElementChild;
  const write = (e, text) => { if (e.textContent !== text) e.textContent = text; };
  const dress = (e, name) => { if (e.className !== name) e.className = name; };
  const place = (e, k, v) => { if (e.style[k] !== v) e.style[k] = v; };
  const grown = (into, n, html) => {
    while (into.children.length > n) into.lastElementChild.remove();
    while (into.children.length < n) into.insertAdjacentHTML("beforeend", html);
    return [...into.children];
  };
  model.on("msg:custom", (m) => {
    const top = 1.08 * Math.max(1e-9, ...m.rows.flatMap((r) => [r.current, r.unhedged, r.target, r.limit || 0].filter(qf.isNum)));
    const share = (v) => Math.max(0, Math.min(1, v / top)).toFixed(3), pc = (v) => (100 * share(v)).toFixed(1) + "%";
    grown(big, m.big.length, "<div><span></span><b></b><small></small></div>").forEach((d, k) => {
      const [label, text, tone, note] = m.big[k], [a, b, c] = d.children;
      write(a, label); write(b, text); dress(b, tone || ""); write(c, note || "");
    });
    grown(lines, m.rows.length, `<div class="line"><div class="name"></div><div class="track"><i class="un"></i><i class="now"></i><i class="aim"></i><i class="wall"></i></div>
      <div class="num val"></div><div class="num faint"></div></div>`).forEach((d, k) => {
      const r = m.rows[k], [name, track, now, before] = d.children, [un, bar, aim, bound] = track.children;
      dress(d, r.breached ? "line breached" : "line"); write(name, r.name); write(now, qf.num(r.current)); write(before, qf.num(r.unhedged));
      place(un, "transform", `scaleX(${share(r.unhedged)})`); place(bar, "transform", `scaleX(${share(r.current)})`);
      place(aim, "left", pc(r.target)); place(bound, "left", pc(r.limit || 0)); bound.hidden = !r.limit;
    });
    wall.firstElementChild.hidden = !m.limited; dress(wall, m.limited ? "" : "faint");
    write(wall.lastElementChild, m.limited ? `limit ${qf.num(m.limited)} ${m.text}` : m.text);
  });
  model.send_msg({op: "ready"});
}
