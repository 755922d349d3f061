// The way of the data: what stands where, and where it is slow. A stage's colour and word say how it does.
const NS = "http://www.w3.org/2000/svg";
const make = (name, attrs, parent, text) => {
  const e = document.createElementNS(NS, name);
  for (const [k, v] of Object.entries(attrs)) e.setAttribute(k, v);
  if (text != null) e.textContent = text;
  parent.append(e);
  return e;
};
const W = 146, H = 62;
const AT = {
  ingest: [6, 54], normalize: [192, 54], exchange: [378, 54], exposures: [600, 54], portfolio: [786, 54],
  strategy: [378, 160], api: [192, 160], views: [984, 54], archive: [984, 160],
};
const TELLS = {ingest: "venues, signals, simulator", normalize: "bytes to records", exchange: "books and matching", exposures: "Greeks, scenario P&L",
  portfolio: "ES, limits, hedges", strategy: "signals to orders", api: "orders from people", views: "pages, API, notebooks", archive: "history"};
const WAYS = [["ingest", "normalize", "raw"], ["normalize", "exchange", "normalized"], ["exchange", "exposures", "marks, fills"], ["exposures", "portfolio", "exposures"],
  ["portfolio", "views", "risk metrics"], ["strategy", "exchange", "orders"], ["api", "exchange", "orders"], ["views", "archive", ""]];

export function render({model, el}) {
  const qf = window.qf, svg = make("svg", {viewBox: "0 0 1136 228", preserveAspectRatio: "xMidYMid meet"}, el);
  el.className = "flow";
  const defs = make("defs", {}, svg), tip = make("marker", {id: "tip", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto"}, defs);
  make("path", {d: "M0 0L8 4L0 8z", class: "tip"}, tip);
  const nodes = {}, ways = {};
  for (const [a, b, text] of WAYS) {
    const [x, y] = AT[a], [u, v] = AT[b], g = make("g", {class: "way", "data-from": a}, svg);
    let d, tx, ty;
    if (a === "views") { continue; }
    if (y === v) { d = `M${x + W} ${y + H / 2}H${u - 3}`; tx = (x + W + u) / 2; ty = y + H / 2 - 6; }
    else if (a === "strategy") { d = `M${x + W / 2} ${y}V${v + H + 3}`; tx = x + W / 2 + 30; ty = (y + v + H) / 2 + 5; }
    else { d = `M${x + W} ${y + H / 2}H${x + W + 22}V${v + H + 20}H${u + 34}V${v + H + 3}`; tx = x + W + 22; ty = y + H / 2 + 20; }
    make("path", {d, "marker-end": "url(#tip)"}, g); make("text", {x: tx, y: ty, "text-anchor": "middle"}, g, u - x - W < 60 ? "" : text);
    ways[a] = g;
  }
  const back = make("g", {class: "way", "data-from": "portfolio"}, svg);
  make("path", {d: `M${AT.portfolio[0] + W / 2} ${AT.portfolio[1]}V22H${AT.exchange[0] + W / 2}V${AT.exchange[1] - 3}`, "marker-end": "url(#tip)"}, back);
  make("text", {x: (AT.portfolio[0] + AT.exchange[0] + W) / 2, y: 15, "text-anchor": "middle"}, back, "hedge orders");
  const keep = make("g", {class: "way"}, svg);
  make("path", {d: `M${AT.exchange[0] + W} ${AT.archive[1] + H / 2}H${AT.archive[0] - 3}`, "marker-end": "url(#tip)", "stroke-dasharray": "4 5"}, keep);
  make("text", {x: (AT.exchange[0] + W + AT.archive[0]) / 2, y: AT.archive[1] + H / 2 - 7, "text-anchor": "middle"}, keep, "every topic");
  for (const [name, [x, y]] of Object.entries(AT)) {
    const g = make("g", {class: "node", "data-stage": name, "data-state": "none", transform: `translate(${x} ${y})`}, svg);
    make("rect", {width: W, height: H, rx: 9}, g); make("rect", {width: 4, height: H - 18, x: 0, y: 9, rx: 2, class: "mark"}, g);
    make("text", {x: 14, y: 21, class: "name"}, g, name); const word = make("text", {x: W - 10, y: 21, class: "word", "text-anchor": "end"}, g);
    const one = make("text", {x: 14, y: 39, class: "fig"}, g, TELLS[name]), two = make("text", {x: 14, y: 54, class: "fig"}, g, "");
    nodes[name] = {g, word, one, two};
  }
  model.on("msg:custom", (m) => {
    for (const [name, n] of Object.entries(nodes)) {
      const s = m.stages[name] || {state: "none"};
      n.g.dataset.state = s.state; n.word.textContent = s.word || "";
      n.one.textContent = s.one || TELLS[name]; n.two.textContent = s.two || "";
    }
  });
  model.send_msg({op: "ready"});
}
