// Losses on one scale: expected shortfall now as the bar, unhedged behind it, the target as a mark, the limit as a wall.
export function render({model, el}) {
  const qf = window.qf;
  el.className = "bullets";
  model.on("msg:custom", (m) => {
    const top = 1.08 * Math.max(1e-9, ...m.rows.flatMap((r) => [r.current, r.unhedged, r.target, r.limit || 0].filter(qf.isNum)));
    const pc = (v) => Math.max(0, Math.min(100, 100 * v / top)) + "%";
    el.innerHTML = `<div class="big">${m.big.map((b) => `<div><span>${b[0]}</span><b class="${b[2] || ""}">${b[1]}</b><small>${b[3] || ""}</small></div>`).join("")}</div>`
      + m.rows.map((r) => `<div class="line ${r.breached ? "breached" : ""}"><div class="name">${r.name}</div>
        <div class="track"><i class="un" style="width:${pc(r.unhedged)}"></i><i class="now" style="width:${pc(r.current)}"></i>
        <i class="aim" style="left:${pc(r.target)}"></i>${r.limit ? `<i class="wall" style="left:${pc(r.limit)}"></i>` : ""}</div>
        <div class="num val">${qf.num(r.current)}</div><div class="num faint">${qf.num(r.unhedged)}</div></div>`).join("")
      + `<div class="key"><span><i class="k now"></i>current</span><span><i class="k un"></i>unhedged</span><span><i class="k aim"></i>target</span>`
      + (m.limited ? `<span><i class="k wall"></i>limit ${qf.num(m.limited)} ${m.text}</span>` : `<span class="faint">${m.text}</span>`) + `</div>`;
  });
  model.send_msg({op: "ready"});
}
