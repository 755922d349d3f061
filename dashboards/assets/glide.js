// A picture of time that glides: painted once, then moved by the compositor; only what is new is painted.
// Its canvas is wider than what is seen, and is copied onto itself where its end is reached.
(() => {
  // px: where a part may begin (a whole pixel on any screen); how far a mark reaches beyond its time; what is left of the left edge,
  // for the clock may step back a little
  const GRAIN = 8, REACH = 9, BACK = 16;
  const STEPS = [1e3, 2e3, 5e3, 1e4, 15e3, 3e4, 6e4, 12e4, 3e5, 6e5, 18e5, 36e5, 72e5, 216e5, 432e5];
  const down = (x) => GRAIN * Math.floor(x / GRAIN), up = (x) => GRAIN * Math.ceil(x / GRAIN);

  // `paint` is told a part: context `g`, px `x0` to `x1`, times `t0` to `t1`, `X` of a time.
  window.qf.glide = (paint, spare = 256) => {
    const box = document.createElement("div"), canvas = document.createElement("canvas"), g = canvas.getContext("2d", {alpha: false});
    box.style.cssText = "position:absolute;left:0;top:0;overflow:hidden;contain:strict";
    canvas.style.cssText = "display:block;will-change:transform";
    box.append(canvas);
    let w = 0, h = 0, dpr = 1, wide = 0, origin = 0, scale = 0, span = 0, right = 0, shown = NaN, from = -Infinity;
    const part = (x0) => {
      g.save();
      g.setTransform(dpr, 0, 0, dpr, 0, 0);
      g.beginPath(); g.rect(x0, 0, wide - x0, h); g.clip();
      paint({g, x0, x1: wide, t0: (origin + x0) / scale, t1: (origin + wide) / scale, X: (t) => t * scale - origin});
      g.restore();
    };
    return {
      box,
      size: (w_, h_) => {
        w = Math.max(0, w_); h = Math.max(0, h_); dpr = window.devicePixelRatio || 1; wide = up(w + spare); scale = 0;
        box.style.width = w + "px"; box.style.height = h + "px";
        canvas.width = Math.max(1, Math.round(wide * dpr)); canvas.height = Math.max(1, Math.round(h * dpr));
        canvas.style.width = wide + "px"; canvas.style.height = h + "px";
      },
      stale: (t) => { from = Math.min(from, t); },  // from this time on
      all: () => { from = -Infinity; },
      x: (t) => (t - right) * scale + w,  // of what is seen
      time: (x) => right + (x - w) / scale,
      to: (right_, span_) => {  // show the time up to `right`; whether anything was painted
        if (!(w > 0 && h > 0 && span_ > 0)) return false;
        right = right_;
        if (!scale || span_ !== span) { span = span_; scale = w / span; from = -Infinity; }
        const left = right * scale - w, gone = down(left - origin) - BACK;
        if (left < origin || gone >= wide) from = -Infinity;
        if (from === -Infinity) origin = down(left) - BACK;
        else if (left - origin > wide - w) {
          g.setTransform(1, 0, 0, 1, 0, 0);
          g.drawImage(canvas, -Math.round(gone * dpr), 0);
          origin += gone;
          from = Math.min(from, (origin + wide - gone) / scale);
        }
        const move = Math.round((left - origin) * dpr) / dpr;
        if (move !== shown) { shown = move; canvas.style.transform = `translateX(${-move}px)`; }
        const x0 = from === -Infinity ? 0 : Math.max(0, down(from * scale - origin - REACH));
        from = Infinity;
        if (!(x0 < wide)) return false;
        part(x0);
        return true;
      },
    };
  };

  // Times below a part's picture; none out of `begin` to `end`, where it would be cut off.
  window.qf.times = ({g, x0, x1, t0, t1, X}, span, width, y, color, begin = -Infinity, end = Infinity) => {
    const step = STEPS.find((s) => span / s <= width / 90) || 864e5, pad = 40 * (t1 - t0) / Math.max(1, x1 - x0);
    g.font = "11px ui-monospace, 'DejaVu Sans Mono', monospace"; g.fillStyle = color; g.textAlign = "center";
    for (let t = Math.ceil((t0 - pad) / step) * step; t <= t1 + pad; t += step) {
      if (X(t) >= begin && X(t) <= end) g.fillText(window.qf.clock(t, step < 6e4 ? 8 : 5), X(t), y);
    }
    g.textAlign = "left";
  };
})();
