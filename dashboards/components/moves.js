// P&L by move of spot and shift of vol: a coloured grid, blue for gains, orange for losses.
export function render({model, el}) {
  const qf = window.qf;
  el.className = "moves";
  el.innerHTML = `<div class="empty">Being revalued…</div>`;
  model.on("msg:custom", (m) => {
    if (m.text) { el.innerHTML = `<div class="empty"></div>`; el.firstChild.textContent = m.text; return; }
    const most = Math.max(1e-9, ...m.pnl.flat().map(Math.abs));
    const cell = (v) => {
      const side = v >= 0 ? "bid" : "ask", share = Math.round(6 + 56 * Math.sqrt(Math.abs(v) / most));
      return `<td style="background:color-mix(in srgb, var(--${side}) ${Math.abs(v) < 0.5 ? 0 : share}%, transparent)">${Math.abs(v) < 0.5 ? "0" : qf.short(v)}</td>`;
    };
    el.innerHTML = `<table><thead><tr><th>vol \\ spot</th>${m.spot.map((s) => `<th class="${s === 0 ? "zero" : ""}">${qf.signed(100 * s, Number.isInteger(+(100 * s).toFixed(6)) ? 0 : 1)}%</th>`).join("")}</tr></thead><tbody>`
      + m.vol.map((v, j) => `<tr><th class="${v === 0 ? "zero" : ""}">${qf.signed(100 * v)} pt</th>${m.spot.map((_, i) => cell(m.pnl[i][j])).join("")}</tr>`).join("") + "</tbody></table>";
  });
  model.send_msg({op: "ready"});
}
