// A sum by its parts, from the top down: each bar begins where the one before ended, or at zero; the last is the sum.
export function render({model, el}) {
  const qf = window.qf;
  el.className = "waterfall";
  el.innerHTML = `<div class="rows"></div><div class="empty" hidden></div>`;
  const [box, empty] = el.children;
  const write = (e, text) => { if (e.textContent !== text) e.textContent = text; };
  const dress = (e, name) => { if (e.className !== name) e.className = name; };
  const place = (e, k, v) => { if (e.style[k] !== v) e.style[k] = v; };
  model.on("msg:custom", (m) => {
    const rows = m.rows || [], worse = m.worse ? -1 : 1;
    dress(el, m.zero ? "waterfall long" : "waterfall");
    empty.hidden = rows.length > 0; write(empty, m.text || "");
    while (box.children.length > rows.length) box.lastElementChild.remove();
    while (box.children.length < rows.length) box.insertAdjacentHTML("beforeend", `<div><span></span><div class="track"><i class="zero"></i><i class="bar"></i><i class="link"></i></div><b class="num"></b></div>`);
    let sum = 0, low = 0, high = 0;
    const spans = rows.map(([, v, kind]) => {
      const from = kind === "total" || m.zero ? 0 : sum, to = from + v;
      sum = to; low = Math.min(low, from, to); high = Math.max(high, from, to);
      return [from, to];
    });
    // three digits that tell, of the largest: a desk may count in coin
    const most = Math.max(0, ...rows.map(([, v]) => Math.abs(v))), digits = most > 0 ? Math.min(8, Math.max(0, 2 - Math.floor(Math.log10(most)))) : 0;
    const wide = high - low || 1, pc = (v) => (100 * (v - low) / wide).toFixed(2) + "%";
    rows.forEach(([name, v, kind], k) => {
      const row = box.children[k], [label, track, text] = row.children, [zero, bar, link] = track.children, [from, to] = spans[k];
      const tone = Math.abs(v) < 0.5 * 10 ** -digits ? "nil" : v * worse > 0 ? "gain" : "loss";
      dress(row, `${kind} ${tone}`); row.dataset.name = name; row.dataset.value = v;
      write(label, name); write(text, qf.signed(v, digits));
      place(zero, "left", pc(0)); place(bar, "left", pc(Math.min(from, to)));
      place(bar, "width", (100 * Math.abs(to - from) / wide).toFixed(2) + "%");
      place(link, "left", pc(to)); link.hidden = !!m.zero || k + 1 >= rows.length;
    });
  });
  model.send_msg({op: "ready"});
}
