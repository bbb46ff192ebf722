// What the ranks say: the end of it, which grows as long as it is looked at.

const LINES_KEPT = 10000, BLOCK = 250;

class Log {
  constructor(place, pick) {
    const head = make("div", "rl-log-head");
    this.input = make("input", "rl-ranks");
    this.input.type = "text";
    this.input.placeholder = "all ranks";
    this.input.spellcheck = false;
    this.input.title = "Ranks, like 3 or 0,4-7";
    this.input.setAttribute("aria-label", "Ranks whose lines are shown");
    this.clear = make("button", "rl-button rl-hidden", "all ranks");
    this.clear.type = "button";
    this.end = make("button", "rl-button rl-hidden", "↓ newest");
    this.end.type = "button";
    head.append(make("span", "rl-caption", "Output"), this.input, this.clear, this.end);
    this.lines = make("div", "rl-lines");
    this.lines.tabIndex = 0;
    this.lines.setAttribute("role", "log");
    this.none = make("div", "rl-none");
    place.append(head, this.lines, this.none);
    this.rank = null;
    this.next = 0;
    this.isAtEnd = true;
    this.input.addEventListener("change", () => pick(this.input.value.trim()));
    this.input.addEventListener("keydown", (event) => event.stopPropagation());
    this.clear.addEventListener("click", () => pick(""));
    this.end.addEventListener("click", () => this.to_end());
    this.lines.addEventListener("scroll", () => this.look());
    this.resizing = new ResizeObserver(() => this.isAtEnd && this.to_end());
    this.resizing.observe(this.lines);
  }

  close() {
    this.resizing.disconnect();
  }

  show(log, wanted, hasRanks) {
    if (document.activeElement !== this.input) this.input.value = wanted;
    this.clear.classList.toggle("rl-hidden", wanted === "");
    this.lines.classList.toggle("rl-with-ranks", hasRanks);
    const lines = log.lines ?? [];
    if (log.rank !== this.rank) {
      this.rank = log.rank;
      this.next = 0;
      this.lines.replaceChildren();
      this.isAtEnd = true;
    }
    this.add(lines, log.first ?? 0);
    this.lines.classList.toggle("rl-hidden", !this.lines.firstChild);
    this.none.classList.toggle("rl-hidden", Boolean(this.lines.firstChild));
    say(this.none, this.rank ? `nothing from rank ${this.rank}` : "nothing has been said");
    if (this.isAtEnd) this.to_end();
  }

  add(lines, first) {
    if (this.next && first > this.next) this.append(make("div", "rl-passed", "⋯ lines passed over"));
    for (const [who, text] of lines.slice(Math.max(0, this.next - first))) {
      const line = make("div", "rl-line");
      line.append(make("span", "rl-who", who), make("span", "rl-text", text));
      this.append(line);
    }
    this.next = Math.max(this.next, first + lines.length);
    while (this.lines.childElementCount > LINES_KEPT / BLOCK) this.lines.firstChild.remove();
  }

  // In blocks: a browser need not think of those that are out of sight.
  append(line) {
    const last = this.lines.lastChild;
    const block = last && last.childElementCount < BLOCK ? last : this.lines.appendChild(make("div", "rl-block"));
    block.append(line);
  }

  look() {
    const { scrollTop, scrollHeight, clientHeight } = this.lines;
    this.isAtEnd = scrollTop + clientHeight >= scrollHeight - 8;
    this.end.classList.toggle("rl-hidden", this.isAtEnd);
  }

  to_end() {
    this.lines.scrollTop = this.lines.scrollHeight;
    this.isAtEnd = true;
    this.end.classList.add("rl-hidden");
  }
}
