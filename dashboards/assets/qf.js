// What all components share: numbers as people read them, a bus between components, the theme.
(() => {
  const nf = new Map();
  const fixed = (digits) => {
    if (!nf.has(digits)) nf.set(digits, new Intl.NumberFormat("en-US", {minimumFractionDigits: digits, maximumFractionDigits: digits}));
    return nf.get(digits);
  };
  const isNum = (v) => typeof v === "number" && Number.isFinite(v);
  const num = (v, digits = 0) => isNum(v) ? fixed(digits).format(Math.abs(v) < 0.5 * 10 ** -digits ? 0 : v).replace("-", "−") : "–";
  const signed = (v, digits = 0) => isNum(v) && v > 0.5 * 10 ** -digits ? "+" + num(v, digits) : num(v, digits);
  const short = (v) => {
    if (!isNum(v)) return "–";
    const a = Math.abs(v);
    for (const [unit, name] of [[1e9, "bn"], [1e6, "m"], [1e4, "k"]]) {
      if (a >= unit) return num(v / (name === "k" ? 1e3 : unit), a / (name === "k" ? 1e3 : unit) >= 100 ? 0 : 1) + name;
    }
    return num(v, a >= 100 || Number.isInteger(v) ? 0 : a >= 1 ? 1 : 2);
  };
  const age = (s) => !isNum(s) ? "–" : s < 10 ? s.toFixed(1) + " s" : s < 90 ? Math.round(s) + " s"
    : s < 5400 ? Math.round(s / 60) + " min" : s < 172800 ? Math.round(s / 3600) + " h" : Math.round(s / 86400) + " d";
  const clock = (ms, parts = 8) => isNum(ms) && ms > 0 ? new Date(ms).toISOString().slice(11, 11 + parts) : "–";
  const listeners = new Map();
  const on = (name, f) => {
    if (!listeners.has(name)) listeners.set(name, new Set());
    listeners.get(name).add(f);
    return () => listeners.get(name).delete(f);
  };
  const emit = (name, what) => { for (const f of listeners.get(name) || []) f(what); };
  const root = document.documentElement;
  const read = () => { try { return localStorage.getItem("qf-theme"); } catch { return null; } };
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const apply = (t) => { root.dataset.theme = t; emit("theme", t); };
  const toggle = () => {
    const t = root.dataset.theme === "dark" ? "light" : "dark";
    try { localStorage.setItem("qf-theme", t); } catch { /* private mode: it is forgotten */ }
    apply(t);
  };
  apply(read() || (system.matches ? "dark" : "light"));
  system.addEventListener("change", (e) => { if (!read()) apply(e.matches ? "dark" : "light"); });
  const color = (name) => getComputedStyle(root).getPropertyValue("--" + name).trim();
  const bytes = (b) => b instanceof ArrayBuffer ? b : b.buffer instanceof ArrayBuffer ? b.buffer.slice(b.byteOffset, b.byteOffset + b.byteLength) : new ArrayBuffer(0);
  const first = (n, at, t) => {  // of n rows in the order of time, the first at or after t
    let a = 0, b = n;
    while (a < b) { const c = a + b >> 1; if (at(c) < t) a = c + 1; else b = c; }
    return a;
  };
  window.qf = {num, signed, short, age, clock, on, emit, color, toggle, bytes, first, isNum};
})();
