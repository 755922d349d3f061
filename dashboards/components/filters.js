// Which orders are shown.
export function render({model, el}) {
  el.className = "filters";
  el.innerHTML = `<div class="tabs"></div><input placeholder="instrument, account or id" spellcheck="false" aria-label="Filter">`;
  const tabs = el.querySelector(".tabs"), input = el.querySelector("input");
  let show = "all";
  const tell = () => {
    [...tabs.children].forEach((b) => b.setAttribute("aria-pressed", b.dataset.show === show));
    model.send_msg({op: "filter", show, text: input.value});
  };
  for (const name of ["all", "live", "mine", "hedges"]) {
    const b = document.createElement("button"); b.textContent = name; b.dataset.show = name;
    b.addEventListener("click", () => { show = name; tell(); }); tabs.append(b);
  }
  input.addEventListener("input", tell);
  model.send_msg({op: "ready"});
  tell();
}
