// The metrics as a list to choose from.

class Metrics {
  constructor(place, choose) {
    this.choose = choose;
    this.rows = new Map();
    this.head = make("div", "rl-metric-row rl-titles");
    for (const title of ["metric", "last", "least", "most"]) this.head.append(make("span", "", title));
    this.list = make("div", "rl-metric-list");
    place.append(this.head, this.list);
  }

  show(metrics, chosen) {
    const keys = new Set(metrics.map((one) => one.key));
    for (const [key, row] of this.rows) {
      if (!keys.has(key)) (row.remove(), this.rows.delete(key));
    }
    metrics.forEach((one, place) => {
      const row = this.rows.get(one.key) ?? this.add(one.key);
      const cells = row.children;
      say(cells[0], one.label);
      cells[0].title = `${one.label}: ${counted(one.count, "point")} of ${counted(one.processes, "process", "processes")}`;
      ["last", "min", "max"].forEach((name, k) => say(cells[k + 1], figure(one[name])));
      row.setAttribute("aria-pressed", one.key === chosen);
      if (this.list.children[place] !== row) this.list.insertBefore(row, this.list.children[place] ?? null);
    });
  }

  add(key) {
    const row = make("button", "rl-metric-row");
    row.type = "button";
    for (let k = 0; k < 4; k++) row.append(make("span"));
    row.addEventListener("click", () => this.choose(key));
    this.rows.set(key, row);
    return row;
  }
}
