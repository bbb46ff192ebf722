// The whole view: what the kernel tells goes to its parts, what is chosen here goes to the kernel.

const views = new WeakMap();

function render({ model, el }) {
  const root = make("div", "ranklog");
  const part = (className) => root.appendChild(make("section", className));
  const head = new Head(part("rl-top"));
  const main = part("rl-main");
  const left = main.appendChild(make("div", "rl-metrics"));
  const chart = new Chart(left.appendChild(make("div", "rl-chart rl-hidden")));
  const choose = (name, value) => {
    model.set(name, value);
    model.save_changes();
    show();
  };
  const metrics = new Metrics(left, (key) => choose("metric", key));
  const right = main.appendChild(make("div", "rl-processes"));
  const processes = new Processes(right, (rank) => choose("rank", rank), head);
  const log = new Log(part("rl-log"), (rank) => choose("rank", rank));
  el.append(root);

  function show() {
    const known = model.get("processes"), drawn = model.get("chart"), rows = model.get("metrics");
    const rank = model.get("rank");
    head.show(known, model.get("trouble"));
    chart.show(drawn, rows.find((row) => row.key === drawn.key)?.label ?? "");
    metrics.show(rows, model.get("metric") ?? drawn.key);
    main.classList.toggle("rl-no-metrics", rows.length === 0);
    processes.show(known, rank);
    log.show(model.get("log"), rank, known.total > 1);
  }

  let waiting = 0;
  const hear = () => {
    // The parts come one after the other; they are shown together.
    waiting ||= requestAnimationFrame(() => {
      waiting = 0;
      show();
    });
  };
  const hearHead = () => (head.hear(model.get("head")), hear());
  model.on("change:head", hearHead);
  const others = ["processes", "metrics", "chart", "log", "trouble", "rank", "metric"].map((name) => `change:${name}`);
  others.forEach((name) => model.on(name, hear));
  hearHead();
  const ticking = setInterval(() => {
    head.tick();
    if (head.isLive) processes.render_rows();
  }, 1000);

  const watch = (change) => {
    const count = (views.get(model) ?? 0) + change;
    views.set(model, count);
    if (model.get("is_watched") !== count > 0) {
      model.set("is_watched", count > 0);
      model.save_changes();
    }
  };
  watch(1);
  return () => {
    clearInterval(ticking);
    cancelAnimationFrame(waiting);
    model.off("change:head", hearHead);
    others.forEach((name) => model.off(name, hear));
    chart.close();
    processes.close();
    log.close();
    watch(-1);
  };
}

export default { render };
