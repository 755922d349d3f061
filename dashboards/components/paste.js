// Trades as text: pasted from a sheet or typed; Ctrl+Enter computes.
export function render({model, el}) {
  el.className = "paste";
  el.innerHTML = `<p>One trade a line: <b>instrument, qty, price</b>. Price may be left out. Comma, semicolon or tab; a first line of names is passed over.</p>
    <textarea spellcheck="false" aria-label="Trades"></textarea><div class="said" role="alert"></div>
    <div class="foot"><button class="go">Compute <kbd>Ctrl ⏎</kbd></button><button class="plain">Example</button><span class="took"></span></div>`;
  const area = el.querySelector("textarea"), said = el.querySelector(".said"), go = el.querySelector(".go"), took = el.querySelector(".took");
  let example = "";
  const compute = () => { go.disabled = true; said.textContent = ""; took.textContent = "revaluing…"; model.send_msg({op: "compute", text: area.value}); };
  go.addEventListener("click", compute);
  el.querySelector(".plain").addEventListener("click", () => { area.value = example; compute(); });
  area.addEventListener("keydown", (e) => { if (e.key === "Enter" && (e.ctrlKey || e.metaKey)) { e.preventDefault(); compute(); } });
  model.on("msg:custom", (m) => {
    if (m.example) { example = m.example; area.placeholder = m.example; return; }
    go.disabled = false; said.textContent = m.error || ""; took.textContent = m.took || "";
  });
  model.send_msg({op: "ready"});
}
