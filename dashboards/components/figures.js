// A few large figures, side by side.
export function render({model, el}) {
  el.className = "figures";
  model.on("msg:custom", (m) => {
    el.replaceChildren(...m.figures.map(([label, text, tone, note]) => {
      const d = document.createElement("div"), l = document.createElement("span"), b = document.createElement("b"), n = document.createElement("small");
      l.textContent = label; b.textContent = text; b.className = tone || ""; n.textContent = note || ""; d.append(l, b, n); return d;
    }));
  });
  model.send_msg({op: "ready"});
}
