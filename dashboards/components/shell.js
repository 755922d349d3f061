// The frame of the page: which page is seen, how old each tile is, whether server and broker answer.
export function render({model, el}) {
  const qf = window.qf, pages = model.pages, doc = document;
  let tiles = {}, connected = true, heard = performance.now(), skew = null, page = pages[0], ended = false;
  const go = (name, tell = true) => {
    if (!pages.includes(name)) return;
    page = name;
    for (const s of doc.querySelectorAll(".page")) s.hidden = s.id !== name;
    for (const b of doc.querySelectorAll("nav button")) b.dataset.page === name ? b.setAttribute("aria-current", "page") : b.removeAttribute("aria-current");
    doc.body.dataset.page = name;
    if (location.hash !== "#" + name) history.replaceState(null, "", "#" + name);
    window.dispatchEvent(new Event("resize"));
    if (tell) model.send_msg({op: "page", page: name});
  };
  const keys = (e) => {
    const inside = e.composedPath()[0], typing = inside && /^(INPUT|TEXTAREA|SELECT)$/.test(inside.tagName);
    const digit = /^(?:Digit|Numpad)([1-9])$/.exec(e.code);  // with Alt from within a field, too
    if (e.ctrlKey || e.metaKey || (typing && !e.altKey)) return;
    if (digit && pages[digit[1] - 1]) { e.preventDefault(); go(pages[digit[1] - 1]); }
    if (e.altKey) return;
    if (e.key === "t") qf.toggle();
  };
  doc.addEventListener("keydown", keys);
  for (const b of doc.querySelectorAll("nav button")) b.addEventListener("click", () => go(b.dataset.page));
  doc.querySelector("#theme").addEventListener("click", () => qf.toggle());
  const off = qf.on("page", (name) => go(name));
  const banner = doc.querySelector(".banner"), pulse = doc.querySelector(".pulse span");
  const write = (e, text) => { if (e.textContent !== text) e.textContent = text; };
  const made = [...doc.querySelectorAll(".tile[data-tile]")].map((t) => ({
    name: t.dataset.tile, page: t.closest(".page"), stamp: t.querySelector(".stamp"), note: t.querySelector(".note"),
    mark: (k, v) => { if (t.dataset[k] !== v) t.dataset[k] = v; },
  }));
  const tick = () => {
    const silent = (performance.now() - heard) / 1e3, now = skew === null ? 0 : performance.now() + skew;
    const away = ended ? "This login has ended." : silent > 5 ? "The dashboard does not answer: what is shown is its last word. It will be right again by itself."
      : !connected ? "The broker is away: what is shown are the last values known, with their age. It will be right again by itself." : "";
    doc.body.dataset.state = away ? "away" : "live";
    write(banner, away);
    for (const t of made) {
      if (t.page.hidden) continue;
      const s = tiles[t.name];
      if (!s) { t.mark("stale", away ? "true" : "false"); continue; }
      const [seq, told, alive, note] = s, age = Math.max(0, now - told) / 1e3;
      t.mark("seq", String(seq)); t.mark("age", age.toFixed(2)); t.mark("stale", String(!!away || (now - alive) / 1e3 > 5));
      write(t.stamp, told > 0 ? (seq >= 0 ? `#${seq} · ` : "") + qf.age(age) : "");
      if (note != null) write(t.note, note);
    }
  };
  const timer = setInterval(tick, 200);
  model.on("msg:custom", (m) => {
    if (m.login) { ended = true; tick(); location.href = m.login; return; }
    heard = performance.now(); connected = m.connected;
    const s = m.now - performance.now();
    skew = skew === null || s > skew ? s : skew + 0.02 * (s - skew);  // the quickest message tells the clocks' difference best
    Object.assign(tiles, m.tiles);
    write(pulse, m.pulse);
    if (pulse.parentElement.title !== (m.more || "")) pulse.parentElement.title = m.more || "";
    tick();
  });
  model.on("remove", () => { clearInterval(timer); doc.removeEventListener("keydown", keys); off(); });
  const hash = location.hash.slice(1);
  go(pages.includes(hash) ? hash : pages[0], false);
  model.send_msg({op: "ready", page});
  model.send_msg({op: "page", page});
}
