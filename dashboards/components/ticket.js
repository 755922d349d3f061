// The order ticket. Enter sends, Esc clears, B and S choose the side, arrows step the price by a tick and the quantity by a lot.
export function render({model, el}) {
  const qf = window.qf;
  el.className = "ticket";
  el.innerHTML = `<form autocomplete="off"><div class="sides"><button type="button" data-side="buy">Buy <kbd>B</kbd></button><button type="button" data-side="sell">Sell <kbd>S</kbd></button></div>
    <label>Instrument<input name="instrument" list="symbols" spellcheck="false"><datalist id="symbols"></datalist></label>
    <div class="quote"><button type="button" data-take="bid"><span>bid</span><b>–</b></button><button type="button" data-take="ask"><span>ask</span><b>–</b></button></div>
    <div class="two"><label>Quantity<input name="qty" inputmode="decimal" class="n"></label><label>Price<input name="price" inputmode="decimal" class="n"></label></div>
    <div class="two"><label>Type<select name="ord_type"><option value="limit">Limit</option><option value="market">Market</option></select></label>
    <label>Time in force<select name="time_in_force"><option value="gtc">GTC</option><option value="day">Day</option><option value="ioc">IOC</option><option value="fok">FOK</option></select></label></div>
    <label class="check"><input type="checkbox" name="post_only">Post only</label>
    <div class="two"><label>Account<input name="account" spellcheck="false"></label><label>Portfolio<input name="portfolio" spellcheck="false"></label></div>
    <div class="sum"></div><button type="submit" class="go"></button><div class="said" role="status"></div></form>
    <div class="keys"><span><kbd>Enter</kbd> send</span><span><kbd>Esc</kbd> clear</span><span><kbd>↑</kbd><kbd>↓</kbd> one tick</span><span><kbd>⇧↑</kbd> ten</span></div>`;
  const form = el.querySelector("form"), f = form.elements, go = el.querySelector(".go"), said = el.querySelector(".said"), sum = el.querySelector(".sum");
  let side = "buy", may = false, busy = false, again = false, info = null, list = "";
  const ok = () => f.instrument.value && +f.qty.value > 0 && (f.ord_type.value === "market" || f.price.value.trim() !== "");
  const show = () => {
    el.querySelectorAll(".sides button").forEach((b) => b.setAttribute("aria-pressed", b.dataset.side === side));
    f.price.disabled = !may || f.ord_type.value === "market";
    f.post_only.disabled = !may || f.ord_type.value === "market" || !["gtc", "day"].includes(f.time_in_force.value);
    go.dataset.side = side; go.disabled = !may || busy || !ok();
    go.textContent = !may ? "This key may not trade" : busy ? "Sending…" : `${again ? "Send again: " : ""}${side === "buy" ? "Buy" : "Sell"} ${f.qty.value || ""} ${f.instrument.value}`;
    const v = +f.qty.value * +f.price.value * (info ? info.multiplier : 1);
    sum.textContent = info && v > 0 && f.ord_type.value === "limit" ? `worth ${qf.num(v, 0)} ${info.currency}` : "";
  };
  const say = (text, bad) => { said.textContent = text; said.className = "said " + (bad ? "bad" : "fine"); };
  const ask = () => model.send_msg({op: "instrument", symbol: f.instrument.value.trim()});
  const clear = () => { f.qty.value = ""; f.price.value = ""; again = false; say("", false); show(); f.qty.focus(); };
  const step = (name, n) => {
    const unit = name === "price" ? info?.tick : info?.lot, d = name === "price" ? info?.digits : info?.lots;
    if (!unit) return;
    const start = f[name].value.trim() !== "" ? +f[name].value : name === "price" ? (side === "buy" ? info.bid : info.ask) ?? 0 : 0;
    const v = Math.round(start / unit + n) * unit;
    again = false;
    if (Number.isFinite(v)) f[name].value = (name === "qty" ? Math.max(0, v) : v).toFixed(d);
    show();
  };
  el.querySelectorAll(".sides button").forEach((b) => b.addEventListener("click", () => { side = b.dataset.side; again = false; show(); }));
  el.querySelectorAll("[data-take]").forEach((b) => b.addEventListener("click", () => { const v = info && info[b.dataset.take]; if (qf.isNum(v)) { f.price.value = v.toFixed(info.digits); again = false; show(); } }));
  form.addEventListener("input", () => { again = false; show(); });  // another order
  f.instrument.addEventListener("change", ask);
  form.addEventListener("submit", (e) => {
    e.preventDefault();
    if (!may || busy || !ok()) { show(); return; }
    busy = true; say("", false); show();
    model.send_msg({op: "place", side, ...Object.fromEntries(["instrument", "qty", "price", "ord_type", "time_in_force", "account", "portfolio"].map((n) => [n, f[n].value.trim()])), post_only: f.post_only.checked && !f.post_only.disabled ? "1" : ""});
  });
  el.addEventListener("keydown", (e) => {
    const name = e.target.name, text = ["instrument", "account", "portfolio"].includes(name);
    if (e.key === "Escape") { e.preventDefault(); clear(); }
    else if (e.key === "Enter" && e.target.tagName === "SELECT") { e.preventDefault(); form.requestSubmit(); }
    else if (!text && !e.ctrlKey && !e.metaKey && (e.key === "b" || e.key === "B" || e.key === "s" || e.key === "S")) { e.preventDefault(); side = e.key.toLowerCase() === "b" ? "buy" : "sell"; again = false; show(); }
    else if ((e.key === "ArrowUp" || e.key === "ArrowDown") && (name === "price" || name === "qty")) { e.preventDefault(); step(name, (e.key === "ArrowUp" ? 1 : -1) * (e.shiftKey ? 10 : 1)); }
  });
  const off = qf.on("ticket", (t) => {
    f.instrument.value = t.instrument; side = t.side; again = false; f.ord_type.value = "limit"; ask();
    f.price.value = t.price.toFixed(info && info.symbol === t.instrument ? info.digits : 8).replace(/\.?0+$/, ""); show();
    qf.emit("page", "orders"); setTimeout(() => f.qty.focus(), 60);
  });
  model.on("msg:custom", (m) => {
    if (m.op === "said") { busy = false; again = !!m.again; say(m.text, m.bad); if (!m.bad) f.qty.select(); }
    if (m.op === "about") {
      may = m.may;
      for (const x of form.querySelectorAll("input, select, .sides button")) x.disabled = !may;
      const key = m.symbols.join();
      if (key !== list) { list = key; el.querySelector("datalist").replaceChildren(...m.symbols.map((s) => { const o = document.createElement("option"); o.value = s; return o; })); }
      for (const n of ["instrument", "account", "portfolio"]) if (!f[n].value) f[n].value = m[n];
    }
    if (m.op === "quote") {
      info = m;
      for (const s of ["bid", "ask"]) el.querySelector(`[data-take=${s}] b`).textContent = qf.isNum(m[s]) ? qf.num(m[s], m.digits) : "–";
    }
    show();
  });
  model.on("remove", off);
  show();
  model.send_msg({op: "ready"});
}
