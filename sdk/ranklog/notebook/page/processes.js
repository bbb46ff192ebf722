// The processes: a cell for each in a strip, and a table of which only the rows in sight are there.

const ROW = 24, ROWS = 9, STRIP = 72, GAP = 1;
const GRAVEST_FIRST = ["Failed", "Lost", "Terminated", "Running", "NotStarted", "Completed"];

class Processes {
  constructor(place, pick, run) {
    this.pick = pick;
    this.now = () => run.now();
    this.hasEnded = () => !run.isLive;
    this.data = { total: 0, state: [] };
    this.filter = null;
    this.picked = "";
    this.counts = make("div", "rl-counts");
    this.strip = draw("svg", { class: "rl-strip", role: "img" });
    this.title = draw("title", {});
    this.table = make("div", "rl-table");
    const head = make("div", "rl-row rl-titles");
    for (const title of ["rank", "node", "state", "exit", "last line"]) head.append(make("span", "", title));
    this.ageTitle = head.lastChild;
    this.scroll = make("div", "rl-scroll");
    this.scroll.tabIndex = 0;
    this.inner = make("div", "rl-inner");
    this.scroll.append(this.inner);
    this.table.append(head, this.scroll);
    this.more = make("div", "rl-note");
    this.none = make("div", "rl-none", "no processes");
    place.append(this.counts, this.strip, this.table, this.more, this.none);
    this.pool = [];
    this.scroll.addEventListener("scroll", () => this.render_rows());
    this.scroll.addEventListener("keydown", (event) => this.press(event));
    this.strip.addEventListener("pointermove", (event) => this.hover(event));
    this.strip.addEventListener("click", (event) => this.click(event));
    this.resizing = new ResizeObserver(() => (this.render_strip(), this.render_rows()));
    this.resizing.observe(place);
  }

  close() {
    this.resizing.disconnect();
  }

  show(data, picked) {
    if (data.state) this.data = data;
    this.picked = picked;
    const { total, state, states, counts, exit } = this.data;
    this.strip.classList.toggle("rl-hidden", total < 2);
    this.table.classList.toggle("rl-hidden", !total);
    this.none.classList.toggle("rl-hidden", total > 0);
    if (!total) return;
    if (this.filter !== null && !(this.filter in counts)) this.filter = null;
    const wanted = this.filter === null ? -1 : states.indexOf(this.filter);
    this.rows = [];
    for (let k = 0; k < state.length; k++) if (wanted < 0 || state[k] === wanted) this.rows.push(k);
    this.table.classList.toggle("rl-no-exits", Object.keys(exit).length === 0);
    say(this.ageTitle, this.hasEnded() ? "before end" : "last line");
    this.ageTitle.title = this.hasEnded() ? "How long before the run's end its output grew last" : "When its output grew last";
    this.render_counts();
    this.render_strip();
    this.scroll.style.height = `${Math.min(this.rows.length, ROWS) * ROW}px`;
    this.inner.style.height = `${this.rows.length * ROW}px`;
    this.render_rows();
    say(this.more, total > state.length ? `${counted(total - state.length, "process", "processes")} more` : "");
  }

  render_counts() {
    const { counts } = this.data;
    const key = JSON.stringify([counts, this.filter]);
    if (key === this.counted) return;
    this.counted = key;
    const gravity = ([state]) => GRAVEST_FIRST.indexOf(state);
    this.counts.replaceChildren(
      ...Object.entries(counts).sort((one, other) => gravity(one) - gravity(other)).map(([state, count]) => {
        const chip = make("button", `rl-chip rl-is-${state}`);
        chip.type = "button";
        chip.setAttribute("aria-pressed", this.filter === state);
        chip.title = this.filter === state ? "Show all" : `Show only these`;
        chip.append(make("i"), make("span", "", `${count.toLocaleString("en")} ${state}`));
        chip.addEventListener("click", () => {
          this.filter = this.filter === state ? null : state;
          this.scroll.scrollTop = 0;
          this.show(this.data, this.picked);
        });
        return chip;
      }),
    );
  }

  render_strip() {
    const width = this.strip.parentNode.clientWidth, count = this.data.state.length;
    if (!width || !count) return;
    let cell = 16;
    while (cell > 3 && Math.ceil(count / Math.floor(width / cell)) * cell > STRIP) cell--;
    const across = Math.floor(width / cell);
    this.grid = { cell, across };
    const height = Math.ceil(count / across) * cell;
    const size = cell - (cell > 3 ? GAP : 0);
    const paths = this.data.states.map(() => "");
    let picked = null;
    this.data.state.forEach((state, k) => {
      const x = (k % across) * cell, y = Math.floor(k / across) * cell;
      paths[state] += `M${x},${y}h${size}v${size}h${-size}z`;
      if (this.isPicked(k)) picked = [x, y];
    });
    this.strip.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.strip.setAttribute("height", height);
    const words = Object.entries(this.data.counts).map(([state, n]) => `${n} ${state}`).join(", ");
    this.strip.setAttribute("aria-label", words);
    this.strip.replaceChildren(this.title, ...paths.map((d, k) => draw("path", { class: `rl-is-${this.data.states[k]}`, d })));
    if (picked) {
      const [x, y] = picked;
      this.strip.append(draw("rect", { class: "rl-picked", x: x + 0.5, y: y + 0.5, width: size - 1, height: size - 1 }));
    }
  }

  render_rows() {
    if (!this.rows || !this.data.total) return;
    const first = Math.max(0, Math.floor(this.scroll.scrollTop / ROW) - 2);
    const last = Math.min(this.rows.length, first + ROWS + 5);
    while (this.pool.length < last - first) this.pool.push(this.add_row());
    this.pool.forEach((row, k) => {
      const at = first + k;
      row.classList.toggle("rl-hidden", at >= last);
      if (at < last) this.fill(row, this.rows[at], at);
    });
  }

  add_row() {
    const row = make("div", "rl-row");
    for (let k = 0; k < 5; k++) row.append(make("span"));
    row.children[2].append(make("i"), make("span"));
    row.addEventListener("click", () => this.choose(row.place));
    this.inner.append(row);
    return row;
  }

  fill(row, k, at) {
    const { node, nodes, state, states, exit, last } = this.data;
    const cells = row.children;
    row.place = k;
    row.style.transform = `translateY(${at * ROW}px)`;
    row.className = `rl-row rl-is-${states[state[k]]}${this.isPicked(k) ? " rl-picked" : ""}`;
    say(cells[0], this.name(k));
    cells[0].title = this.name(k);
    say(cells[1], nodes[node[k]]);
    cells[1].title = nodes[node[k]];
    say(cells[2].children[1], states[state[k]]);
    say(cells[3], exit[k] ?? "");
    say(cells[4], this.age(last[k]));
  }

  name(k) {
    return this.data.called[k] ?? String(this.data.rank[k]);
  }

  isPicked(k) {
    return this.picked !== "" && String(this.data.rank[k]) === this.picked;
  }

  age(last) {
    return last === null ? "" : duration(this.now() - last) + (this.hasEnded() ? "" : " ago");
  }

  // Who has no rank cannot be asked for by it.
  choose(k) {
    if (this.data.rank[k] !== null) this.pick(this.isPicked(k) ? "" : String(this.data.rank[k]));
  }

  press(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    const from = this.rows.findIndex((k) => this.isPicked(k));
    const at = Math.min(Math.max(from + step, 0), this.rows.length - 1);
    if (at !== from) this.choose(this.rows[at]);
    const top = this.scroll.scrollTop;
    this.scroll.scrollTop = Math.min(Math.max(top, (at + 1) * ROW - this.scroll.clientHeight), at * ROW);
  }

  place_of(event) {
    if (!this.grid) return -1;
    const box = this.strip.getBoundingClientRect();
    const { cell, across } = this.grid;
    const column = Math.floor((event.clientX - box.left) / cell);
    const k = Math.floor((event.clientY - box.top) / cell) * across + column;
    return column < across && k < this.data.state.length ? k : -1;
  }

  hover(event) {
    const k = this.place_of(event);
    const { nodes, node, states, state, last } = this.data;
    const words = k < 0 ? [] : [`rank ${this.name(k)}`, nodes[node[k]], states[state[k]], last[k] === null ? "" : `last line ${this.age(last[k])}${this.hasEnded() ? " before the end" : ""}`];
    say(this.title, words.filter(Boolean).join(" · "));
  }

  click(event) {
    const k = this.place_of(event);
    if (k < 0) return;
    this.choose(k);
    const at = this.rows.indexOf(k);
    if (at >= 0) this.scroll.scrollTop = (at - Math.floor(ROWS / 2)) * ROW;
  }
}
