// Which run it is, and how it is doing.

const LIVE = ["", "NotStarted", "Queued", "Preparing", "Running", "CancelRequested", "NotResponding"];
const OLD_MS = 90000;

class Head {
  constructor(place) {
    const line = make("div", "rl-head");
    this.status = make("span", "rl-status");
    this.word = make("span");
    this.status.append(make("i"), this.word);
    this.name = make("a", "rl-name");
    this.facts = make("span", "rl-facts");
    this.time = make("span", "rl-time");
    line.append(this.status, this.name, this.facts, this.time);
    this.error = make("div", "rl-error rl-hidden");
    this.trouble = make("div", "rl-trouble rl-hidden");
    place.append(line, this.error, this.trouble);
    this.head = {};
    this.received = 0;
  }

  // The kernel's clock, as far as it is known here. After the run's end it stands still.
  now() {
    const { ended, now } = this.head;
    return ended ?? now + Math.min(Date.now() - this.received, OLD_MS);
  }

  get isLive() {
    return LIVE.includes(this.head.status);
  }

  hear(head) {
    const isFirst = this.received === 0;
    this.head = head;
    // A notebook that was saved is opened again: what it has is as old as it says.
    const isSaved = isFirst && Date.now() - head.now > OLD_MS;
    this.received = isSaved ? head.now : Date.now();
  }

  show(processes, trouble) {
    const { status, name, run_id, experiment, error, url } = this.head;
    this.status.className = `rl-status rl-is-${status}`;
    say(this.word, status || "…");
    say(this.name, name || run_id);
    this.name.title = run_id;
    if (/^https?:\/\//.test(url)) {
      this.name.href = url;
      this.name.target = "_blank";
      this.name.rel = "noopener noreferrer";
    }
    const facts = [name ? run_id : "", experiment];
    if (processes.total) {
      const nodes = processes.nodes.filter(Boolean).length;
      facts.push(counted(processes.total, "process", "processes") + (nodes ? ` on ${counted(nodes, "node")}` : ""));
    }
    say(this.facts, facts.filter(Boolean).join(" · "));
    say(this.error, error);
    this.error.classList.toggle("rl-hidden", !error);
    say(this.trouble, trouble);
    this.trouble.classList.toggle("rl-hidden", !trouble);
    this.tick();
  }

  tick() {
    const { started, ended, status } = this.head;
    const old = Date.now() - this.received;
    const isOld = this.isLive && old > OLD_MS;
    this.status.classList.toggle("rl-old", isOld);
    const since = started === null || started === undefined ? "" : duration(this.now() - started);
    say(this.time, isOld ? `as of ${duration(old)} ago` : ended === null && status === "Completed" ? "" : since);
  }
}
