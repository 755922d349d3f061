// A switch: names as tabs, each with a word on it that changes.
export function render({model, el}) {
  let was = "";
  el.className = "switch";
  el.setAttribute("role", "group");
  const write = (e, text) => { if (e.textContent !== text) e.textContent = text; };
  model.on("msg:custom", (m) => {
    const key = m.rows.map((r) => r[0]).join("\n");
    if (key !== was) {
      was = key;
      el.replaceChildren(...m.rows.map(([name]) => {
        const b = document.createElement("button");
        b.innerHTML = "<b></b><span></span>"; b.firstChild.textContent = name;
        b.addEventListener("click", () => model.send_msg({op: "choose", name}));
        return b;
      }));
    }
    m.rows.forEach(([name, text, tone], k) => {
      const b = el.children[k];
      b.setAttribute("aria-pressed", name === m.now);
      write(b.lastChild, text); b.lastChild.className = tone || "";
    });
  });
  model.send_msg({op: "ready"});
}
