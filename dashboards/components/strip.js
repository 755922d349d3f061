// Which instrument: futures and spots as tabs with their last mid; how far back; how many minutes are seen.
export function render({model, el}) {
  const qf = window.qf, SPANS = [[30e3, "30 s"], [60e3, "1 min"], [120e3, "2 min"], [300e3, "5 min"], [900e3, "15 min"]];
  el.className = "strip";
  const tabs = document.createElement("div"), spans = document.createElement("div");
  tabs.className = "tabs"; spans.className = "spans"; el.append(tabs, spans);
  let at = 2, was = "";
  try { at = +(localStorage.getItem("qf-span") ?? 2); } catch { /* private mode */ }
  const choose = (k) => {
    at = Math.max(0, Math.min(SPANS.length - 1, k));
    try { localStorage.setItem("qf-span", at); } catch { /* private mode */ }
    [...spans.children].forEach((b, i) => b.setAttribute("aria-pressed", i === at));
    qf.emit("span", SPANS[at][0]); model.send_msg({op: "span", ms: SPANS[at][0]});
  };
  SPANS.forEach(([, text], k) => { const b = document.createElement("button"); b.textContent = text; b.addEventListener("click", () => choose(k)); spans.append(b); });
  const off = qf.on("zoom", (d) => choose(at + d));
  model.on("msg:custom", (m) => {
    const key = m.rows.map((r) => r[0]).join() + m.now;
    if (key !== was) {
      was = key;
      tabs.replaceChildren(...m.rows.map(([symbol]) => {
        const b = document.createElement("button");
        b.innerHTML = `<b></b> <span class="px"></span> <span class="chg"></span>`; b.firstChild.textContent = symbol;
        b.setAttribute("aria-pressed", symbol === m.now);
        b.addEventListener("click", () => model.send_msg({op: "instrument", symbol}));
        return b;
      }));
    }
    m.rows.forEach(([, mid, digits, change], i) => {
      const b = tabs.children[i];
      b.querySelector(".px").textContent = qf.num(mid, digits);
      const c = b.querySelector(".chg"); c.textContent = qf.isNum(change) ? qf.signed(change, 2) + "%" : ""; c.className = "chg " + (change > 0 ? "up" : change < 0 ? "down" : "faint");
    });
  });
  model.on("remove", off);
  model.send_msg({op: "ready"});
  choose(at);
}
