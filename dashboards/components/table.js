// A table whose rows keep their place: only what changed is written. Head: sort by click. Buttons of rows are told.
const FORMS = {
  text: (qf, v) => v ?? "", num: (qf, v, c) => qf.num(v, c.d ?? 0), signed: (qf, v, c) => qf.signed(v, c.d ?? 0),
  short: (qf, v) => qf.short(v), time: (qf, v) => qf.clock(v, 8), ms: (qf, v) => qf.clock(v, 12), age: (qf, v) => qf.age(v),
  each: (qf, v) => v ? qf.num(v[0], v[1]) : "", percent: (qf, v, c) => qf.isNum(v) ? qf.num(100 * v, c.d ?? 1) + "%" : "–",
};
const RIGHT = new Set(["num", "signed", "short", "age", "each", "percent", "time", "ms"]);

export function render({model, el}) {
  const qf = window.qf, columns = model.columns;
  el.className = "box";
  el.innerHTML = "<table><thead><tr></tr></thead><tbody></tbody></table><div class='empty'></div>";
  const head = el.querySelector("tr"), body = el.querySelector("tbody"), empty = el.querySelector(".empty");
  let sort = null, rows = [], kept = new Map();
  for (const c of columns) {
    const th = document.createElement("th");
    th.textContent = c.label; th.title = c.title || "";
    if (c.w) th.style.width = c.w;
    if (RIGHT.has(c.f)) th.className = "num";
    if (c.align) th.style.textAlign = c.align;
    if (model.sortable && c.f !== "act") {
      th.tabIndex = 0; th.classList.add("can");
      const by = () => { sort = sort && sort.k === c.k ? (sort.up ? null : {k: c.k, up: true}) : {k: c.k, up: false}; draw(); };
      th.addEventListener("click", by); th.addEventListener("keydown", (e) => { if (e.key === "Enter") by(); });
    }
    th.dataset.k = c.k; head.append(th);
  }
  const make = (id) => {
    const tr = document.createElement("tr"), cells = columns.map((c) => {
      const td = document.createElement("td");
      if (RIGHT.has(c.f)) td.className = "num";
      if (c.align) td.style.textAlign = c.align;
      tr.append(td); return td;
    });
    tr.dataset.id = id;
    return {tr, cells, was: []};
  };
  const fill = (r, row) => {
    columns.forEach((c, k) => {
      const v = row[c.k], mark = c.tone ? row[c.tone] : "", key = JSON.stringify([v, mark]);
      if (r.was[k] === key) return;
      r.was[k] = key;
      const td = r.cells[k];
      if (c.f === "act") {
        td.replaceChildren();
        if (v) { const b = document.createElement("button"); b.textContent = v; b.addEventListener("click", () => { b.disabled = true; model.send_msg({op: "act", id: row.id}); setTimeout(() => { b.disabled = false; }, 2500); }); td.append(b); }
        return;
      }
      if (c.f === "link") {
        td.replaceChildren();
        if (v) { const a = document.createElement("a"); a.href = v[0]; a.textContent = v[1]; a.target = "_blank"; a.rel = "noopener"; td.append(a); }
        return;
      }
      if (c.f === "bar") {
        td.replaceChildren(); td.className = "bar";
        const i = document.createElement("i"), share = Math.max(-1, Math.min(1, v || 0));
        i.style.cssText = `left:${share < 0 ? 50 + 50 * share : 50}%;width:${Math.abs(share) * 50}%`; i.className = share < 0 ? "less" : "more"; td.append(i);
        return;
      }
      td.textContent = FORMS[c.f || "text"](qf, v, c);
      const tone = mark || (c.f === "signed" && qf.isNum(v) && Math.abs(v) >= 0.5 * 10 ** -(c.d ?? 0) ? (v > 0 ? "up" : "down") : "");
      td.className = (RIGHT.has(c.f) ? "num " : "") + (c.cls || "") + " " + tone;
      if (c.f === "text" || !c.f) td.title = v && String(v).length > 18 ? v : "";
    });
    const cls = row.cls || "";
    if (r.tr.className !== cls) r.tr.className = cls;
  };
  function draw() {
    let shown = rows;
    if (sort) {
      const side = sort.up ? 1 : -1;
      shown = [...rows].sort((a, b) => { const x = a[sort.k], y = b[sort.k]; return (x == null ? 1 : y == null ? -1 : x < y ? -1 : x > y ? 1 : 0) * side; });
    }
    for (const th of head.children) th.dataset.sort = sort && sort.k === th.dataset.k ? (sort.up ? "↑" : "↓") : "";
    const next = new Map();
    let at = body.firstElementChild;
    for (const row of shown) {
      const r = kept.get(row.id) || make(row.id);
      fill(r, row); next.set(row.id, r); kept.delete(row.id);
      if (r.tr !== at) body.insertBefore(r.tr, at); else at = at.nextElementSibling;
    }
    for (const r of kept.values()) r.tr.remove();
    kept = next;
    empty.hidden = rows.length > 0; empty.textContent = rows.length ? "" : el.dataset.empty || model.empty;
  }
  model.on("msg:custom", (m) => { rows = m.rows; if (m.empty) el.dataset.empty = m.empty; draw(); });
  draw();
  model.send_msg({op: "ready"});
}
