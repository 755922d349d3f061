// Rows of tabs, one of each row chosen. Left and right go through the row that has the focus.
export function render({model, el}) {
  el.className = "choice";
  let was = "";
  const into = (b) => {  // sight, of its row alone: the page stays where it is
    const row = b.parentElement, by = b.offsetLeft - row.offsetLeft;
    row.scrollLeft = Math.max(Math.min(row.scrollLeft, by), by + b.offsetWidth - row.clientWidth);
  };
  const tell = (group, key) => model.send_msg({op: "choose", group, key});
  model.on("msg:custom", ({groups}) => {
    const key = JSON.stringify(groups.map((g) => [g.name, g.rows.map((r) => r[0])]));
    if (key !== was) {
      was = key;
      el.replaceChildren(...groups.map((g) => {
        const row = document.createElement("div");
        row.className = "tabs"; row.setAttribute("role", "group"); row.setAttribute("aria-label", g.label);
        row.append(...g.rows.map(([id]) => {
          const b = document.createElement("button");
          b.innerHTML = "<b></b><span></span>"; b.dataset.key = id;
          b.addEventListener("click", () => tell(g.name, id));
          return b;
        }));
        row.addEventListener("keydown", (e) => {
          const step = {ArrowLeft: -1, ArrowRight: 1}[e.key], all = [...row.children], at = all.findIndex((b) => b.getAttribute("aria-pressed") === "true");
          const next = step && all[at + step];
          if (next) { e.preventDefault(); next.focus(); tell(g.name, next.dataset.key); }
        });
        return row;
      }));
    }
    groups.forEach((g, i) => g.rows.forEach(([id, text, note], k) => {
      const b = el.children[i].children[k], pressed = String(id === g.now);
      if (b.getAttribute("aria-pressed") !== pressed) {
        b.setAttribute("aria-pressed", pressed);
        if (id === g.now) into(b);
      }
      if (b.firstChild.textContent !== text) b.firstChild.textContent = text;
      if (b.lastChild.textContent !== (note || "")) b.lastChild.textContent = note || "";
    }));
  });
  const watch = new ResizeObserver(() => { for (const b of el.querySelectorAll("[aria-pressed=true]")) into(b); }); watch.observe(el);
  model.on("remove", () => watch.disconnect());
  model.send_msg({op: "ready"});
}
