// One metric: the curve of each process, or of many the mean in a band from the least to the most.

class Chart {
  constructor(place) {
    this.place = place;
    this.data = {};
    this.isLog = false;
    const head = make("div", "rl-chart-head");
    this.title = make("span", "rl-chart-title");
    this.legend = make("span", "rl-legend");
    this.log = make("button", "rl-button rl-log-axis", "log");
    this.log.type = "button";
    this.log.title = "Logarithmic axis";
    this.log.addEventListener("click", () => {
      this.isLog = !this.isLog;
      this.render();
    });
    head.append(this.title, this.legend, this.log);
    this.svg = draw("svg", { class: "rl-plot", role: "img" });
    this.tip = make("div", "rl-tip");
    this.box = make("div", "rl-plot-box");
    this.box.append(this.svg, this.tip);
    place.append(head, this.box);
    this.box.addEventListener("pointermove", (event) => this.point(event));
    this.box.addEventListener("pointerleave", () => this.unpoint());
    this.resizing = new ResizeObserver(() => this.render());
    this.resizing.observe(this.box);
  }

  show(data, label) {
    if (data.key !== this.data.key) this.unpoint();
    this.data = data;
    this.place.classList.toggle("rl-hidden", data.key === undefined);
    say(this.title, label);
    this.render();
  }

  close() {
    this.resizing.disconnect();
  }

  render() {
    const width = this.box.clientWidth;
    if (!width || this.data.key === undefined) return;
    const { curves, band } = this.data;
    const size = { width, height: 208, left: 52, right: 12, top: 10, bottom: 24 };
    const known = (values) => values.filter((value) => value !== null);
    const low = [], high = [], x = [];
    for (const each of curves) (low.push(...known(each.y)), x.push(...each.x));
    high.push(...low);
    if (band) (low.push(...known(band.min)), high.push(...known(band.max)), x.push(...band.x));
    this.svg.replaceChildren();
    this.svg.setAttribute("viewBox", `0 0 ${width} ${size.height}`);
    this.svg.setAttribute("height", size.height);
    const least = Math.min(...low), most = Math.max(...high);
    this.log.disabled = !(least > 0);
    const isLog = this.isLog && least > 0;
    this.log.setAttribute("aria-pressed", isLog);
    this.write_legend(curves, band);
    this.svg.setAttribute("aria-label", `${this.title.textContent}: ${figure(least)} to ${figure(most)}`);
    this.scales = null;
    if (!x.length || !low.length) {
      this.svg.append(draw("text", { class: "rl-none", x: width / 2, y: size.height / 2 }, "no finite numbers"));
      return;
    }
    const across = scaleOf(Math.min(...x), Math.max(...x), size.left, width - size.right, false);
    const up = scaleOf(least, most, size.height - size.bottom, size.top, isLog);
    this.scales = { across, up, size };
    this.draw_axes(across, up, size);
    if (band) this.draw_band(band, across, up);
    curves.forEach((curve, k) => this.draw_curve(curve.x, curve.y, `rl-curve ${this.color(k)}`, across, up, size));
    this.cross = draw("line", { class: "rl-cross rl-hidden", y1: size.top, y2: size.height - size.bottom });
    this.svg.append(this.cross);
  }

  draw_axes(across, up, size) {
    const ups = ticksOf(up, 6), alongs = ticksOf(across, Math.max(2, Math.floor(size.width / 90)), true);
    for (const value of ups) {
      const y = up.at(value);
      this.svg.append(draw("line", { class: "rl-grid", x1: size.left, x2: size.width - size.right, y1: y, y2: y }));
      this.svg.append(draw("text", { class: "rl-tick rl-tick-y", x: size.left - 8, y: y + 3.5 }, tick(value, ups)));
    }
    for (const value of alongs) {
      const x = across.at(value);
      const side = x > size.width - 40 ? "end" : "middle";
      const place = { class: "rl-tick", x, y: size.height - 6, "text-anchor": side };
      this.svg.append(draw("text", place, tick(value, alongs)));
    }
  }

  draw_band(band, across, up) {
    const edge = (values, k) => `${across.at(band.x[k]).toFixed(1)},${up.at(values[k]).toFixed(1)}`;
    let part = [];
    const close = () => {
      if (part.length > 1) {
        const above = part.map((k) => edge(band.max, k)), below = part.map((k) => edge(band.min, k)).reverse();
        this.svg.append(draw("path", { class: "rl-band", d: `M${above.concat(below).join("L")}Z` }));
      }
      part = [];
    };
    band.x.forEach((_, k) => (band.min[k] === null ? close() : part.push(k)));
    close();
    this.draw_curve(band.x, band.mean, "rl-mean", across, up, this.scales.size);
  }

  draw_curve(xs, ys, className, across, up, size) {
    let path = "", isDown = false, last = null, drawn = 0;
    for (let k = 0; k < xs.length; k++) {
      const x = across.at(xs[k]).toFixed(1);
      if (ys[k] === null) {
        isDown = false;
        const odd = { class: "rl-odd", d: `M${x - 3},${size.top}l6,6m0,-6l-6,6` };
        this.svg.append(draw("path", odd));
        continue;
      }
      const y = up.at(ys[k]).toFixed(1);
      path += `${isDown ? "L" : "M"}${x},${y}`;
      [isDown, last, drawn] = [true, [x, y], drawn + 1];
    }
    this.svg.append(draw("path", { class: className, d: path }));
    if (drawn === 1) this.svg.append(draw("circle", { class: `${className} rl-dot`, cx: last[0], cy: last[1], r: 3 }));
  }

  // The first one is the mean's where there is a band.
  color(k) {
    return `rl-color-${(k + (this.data.band ? 1 : 0)) % 8}`;
  }

  write_legend(curves, band) {
    const words = band ? [["rl-mean-key", `mean and range of ${counted(Math.max(0, ...band.count), "rank")}`]] : [];
    if (curves.length > 1 || band) {
      curves.forEach((curve, k) => words.push([this.color(k), band ? `rank ${curve.name}` : curve.name]));
    }
    const key = JSON.stringify(words);
    if (key === this.words) return;
    this.words = key;
    this.legend.replaceChildren(
      ...words.map(([className, text]) => {
        const one = make("span", "rl-legend-one");
        one.append(make("i", className), make("span", "", text));
        return one;
      }),
    );
  }

  point(event) {
    if (!this.scales) return;
    const { across, size } = this.scales;
    const { curves, band } = this.data;
    const box = this.svg.getBoundingClientRect();
    const x = event.clientX - box.left;
    const steps = band ? band.x : curves.flatMap((curve) => curve.x);
    if (!steps.length) return;
    const nearest = (all) => all.reduce((best, at) => (Math.abs(across.at(at) - x) < Math.abs(across.at(best) - x) ? at : best));
    const step = nearest(steps);
    this.tip.replaceChildren(make("b", "", `step ${step}`));
    const row = (text, className) => {
      const one = make("span", "rl-tip-row");
      if (className) one.append(make("i", className));
      one.append(make("span", "", text));
      this.tip.append(one);
    };
    if (band) {
      const k = band.x.indexOf(step);
      const of = (rank) => (rank === null ? "" : ` (rank ${rank})`);
      row(`mean ${figure(band.mean[k])}`, "rl-mean-key");
      row(`most ${figure(band.max[k])}${of(band.max_rank[k])}`);
      row(`least ${figure(band.min[k])}${of(band.min_rank[k])}`);
    }
    curves.forEach((curve, c) => {
      if (!curve.x.length) return;
      const at = nearest(curve.x);
      row(`${curves.length > 1 || band ? `${curve.name}: ` : ""}${figure(curve.y[curve.x.indexOf(at)])}`, this.color(c));
    });
    const at = across.at(step);
    this.cross.classList.remove("rl-hidden");
    this.cross.setAttribute("x1", at);
    this.cross.setAttribute("x2", at);
    this.tip.classList.add("rl-shown");
    const isRight = at > size.width / 2;
    this.tip.style.left = isRight ? "auto" : `${at + 10}px`;
    this.tip.style.right = isRight ? `${size.width - at + 10}px` : "auto";
  }

  unpoint() {
    this.tip.classList.remove("rl-shown");
    if (this.cross) this.cross.classList.add("rl-hidden");
  }
}
