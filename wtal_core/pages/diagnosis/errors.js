// The list of errors: filters above it, a line per error with a drawing of where it lies, and links
// into the timeline and to the second of the video's file.

const NOT_FOUND = "not found";
const STRIP = { width: 132, height: 18 };
const AROUND = 1.5; // times the length of an error that its drawing shows on either side, and
const AROUND_LEAST = 6; // seconds at least

// Detections that are wrong, and instances that no detection matched
function errorsOf({ timeline, methods }) {
  const wrong = timeline.videos.flatMap((video, place) =>
    video.detections
      .filter(([, , , , kind]) => kind > 0)
      .map(([label, start, end, score, kind, method, cost, overlap, nearest]) => {
        const span = { video, place, label, start, end, method };
        const judged = { score: Number(score), kind: timeline.kinds[kind].name, nearest };
        return { ...span, ...judged, cost: 100 * cost, overlap };
      }),
  );
  const missed = methods.flatMap((method, number) =>
    method.missed.map(([place, label, start, end, overlap]) => {
      const span = { video: timeline.videos[place], place, label, start, end, method: number };
      return { ...span, score: null, kind: NOT_FOUND, nearest: -1, cost: null, overlap };
    }),
  );
  return [...wrong, ...missed];
}

class ErrorList {
  // open(address): what a chosen error does
  constructor(root, content, kinds, open) {
    this.content = content;
    this.labels = content.timeline.classes;
    this.open = open;
    this.errors = errorsOf(content);
    this.kinds = kinds;
    this.hidden = new Set();
    this.chosen = null;
    this.words = make("p", { className: "quiet", role: "status" });
    this.table = new SortableTable({
      caption: "Errors",
      columns: this.columns(),
      sortedBy: this.columns().findIndex(({ name }) => name.startsWith("cost")),
      decorate: (row, element) => this.decorate(row, element),
    });
    this.table.element.classList.add("errors");
    this.table.body.addEventListener("keydown", (event) => this.onKey(event));
    root.replaceChildren(this.filters(), this.words, this.table.element);
    this.apply();
  }

  columns() {
    const { methods, timeline } = this.content;
    const several = methods.length > 1;
    const hasFiles = timeline.videos.some(addressIn);
    return [
      { name: "kind", text: true, value: (row) => row.kind, cell: (row) => kindLabel(row.kind, this.kinds) },
      { name: "class", text: true, value: (row) => this.labels[row.label], cell: (row) => this.classCell(row) },
      {
        name: "cost (points)",
        title: "what mAP would gain without this one detection",
        value: (row) => row.cost,
        cell: (row) => (row.cost === null ? MISSING : row.cost.toFixed(3)),
      },
      ...(several
        ? [{ name: "method", text: true, wide: true, value: (row) => methods[row.method].name }]
        : []),
      { name: "video", text: true, wide: true, long: true, value: (row) => row.video.name },
      {
        name: "time (s)",
        wide: true,
        value: (row) => row.start,
        cell: (row) => `${row.start.toFixed(1)}\u00a0–\u00a0${row.end.toFixed(1)}`,
      },
      {
        name: "score",
        wide: true,
        value: (row) => row.score,
        cell: (row) => (row.score === null ? MISSING : scoreInColumn(row.score)),
      },
      { name: "tIoU", wide: true, value: (row) => row.overlap, cell: (row) => row.overlap.toFixed(2) },
      { name: "where", title: "sorts by length", value: (row) => row.end - row.start, cell: (row) => strip(row, this) },
      ...(hasFiles ? [{ name: "file", text: true, value: (row) => (addressIn(row.video) ? "a" : "b"), cell: fileLink }] : []),
    ];
  }

  // The class leads into the timeline; on a narrow page what other columns say stands below it
  classCell(row) {
    const method = this.content.methods[row.method].name;
    const query = { video: row.video.name, start: row.start, end: row.end, label: this.labels[row.label], method };
    const link = make("a", {
      href: `#${new URLSearchParams(query)}`,
      textContent: this.labels[row.label],
      onclick: (event) => this.choose(row, event),
    });
    const other = row.nearest >= 0 && row.nearest !== row.label ? ` (near ${this.labels[row.nearest]})` : "";
    const by = this.content.methods.length > 1 ? `${method}, ` : "";
    const times = `${row.start.toFixed(1)} – ${row.end.toFixed(1)} s`;
    const below = make("small", { className: "narrow", textContent: `${by}${row.video.name}, ${times}` });
    return make("span", {}, link, other, below);
  }

  decorate(row, element) {
    if (row === this.chosen) element.setAttribute("aria-current", "true");
  }

  choose(row, event) {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return; // another tab or window
    event.preventDefault();
    this.open(event.currentTarget.getAttribute("href"));
    this.chosen = row; // after the timeline has told that it shows something else
    this.mark(event.currentTarget.closest("tr"));
  }

  mark(line) {
    this.table.body.querySelector("[aria-current]")?.removeAttribute("aria-current");
    line?.setAttribute("aria-current", "true");
  }

  // What the timeline shows was chosen elsewhere: no line stays marked
  forget() {
    this.chosen = null;
    this.mark(null);
  }

  onKey(event) {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!by || event.altKey || event.ctrlKey || event.metaKey) return;
    const links = [...this.table.body.querySelectorAll("td a[href^='#']")];
    const now = links.indexOf(event.target.closest("tr")?.querySelector("td a[href^='#']"));
    const next = links[now < 0 ? 0 : now + by];
    if (!next) return;
    event.preventDefault();
    next.focus();
  }

  // ---------------------------------------------------------------- filters

  filters() {
    const { methods, timeline } = this.content;
    const names = [...this.kinds.keys()].slice(1); // the first one is right
    const chips = names.map((kind) => {
      const box = make("input", {
        type: "checkbox",
        checked: true,
        onchange: () => {
          if (box.checked) this.hidden.delete(kind);
          else this.hidden.add(kind);
          this.apply();
        },
      });
      return make("label", { className: "chip" }, box, kindLabel(kind, this.kinds));
    });
    const kinds = make("fieldset", { className: "kinds" }, make("legend", { textContent: "Kinds" }), ...chips);
    const present = new Set(this.errors.map((error) => error.label));
    this.listed = [...present].sort((a, b) => ALPHABET.compare(this.labels[a], this.labels[b]));
    const labels = this.listed.map((label) => this.labels[label]);
    this.label = choice("Class ", ["all", ...labels], () => this.apply());
    this.method = choice("Method ", ["all", ...methods.map(({ name }) => name)], () => this.apply());
    this.method.label.hidden = methods.length < 2;
    const list = make("datalist", { id: "videos" });
    for (const video of timeline.videos) list.append(make("option", { value: video.name }));
    this.search = make("input", { type: "search", size: 18, oninput: () => this.apply() });
    this.search.setAttribute("list", "videos");
    const search = make("label", {}, "Video ", this.search);
    const clear = make("button", { type: "button", textContent: "Show all", onclick: () => this.clear(chips) });
    return make("div", { className: "filters" }, kinds, this.label.label, this.method.label, search, list, clear);
  }

  clear(chips) {
    for (const chip of chips) chip.querySelector("input").checked = true;
    this.hidden.clear();
    this.label.select.selectedIndex = 0;
    this.method.select.selectedIndex = 0;
    this.search.value = "";
    this.apply();
  }

  apply() {
    const label = this.listed[this.label.select.selectedIndex - 1];
    const method = this.method.select.selectedIndex - 1;
    const asked = this.search.value.trim().toLowerCase();
    const passing = this.errors.filter(
      (error) =>
        !this.hidden.has(error.kind) &&
        (label === undefined || error.label === label) &&
        (method < 0 || error.method === method) &&
        error.video.name.toLowerCase().includes(asked),
    );
    this.words.textContent = `${count(passing.length, "error")} of ${this.errors.length.toLocaleString("en")}`;
    this.table.count = ROWS_AT_ONCE;
    this.table.fill(passing);
  }
}

// Only files beside or below the page, as the page's writer names them
function addressIn(video) {
  return /^\.\//.test(video.address ?? "") ? video.address : null;
}

// To the second of the video's file, which the browser plays by itself
function fileLink(row) {
  const address = addressIn(row.video);
  if (!address) return MISSING;
  const words = `${row.video.name} from ${row.start.toFixed(1)} s`;
  return make("a", {
    href: `${address}#t=${row.start},${row.end}`,
    target: "_blank",
    rel: "noopener",
    className: "file",
    title: `play ${words}`,
    "aria-label": `play ${words}`,
    textContent: "▶",
  });
}

// The error below the instances around it: those of its class filled, others as outlines
function strip(row, { labels, kinds }) {
  const { width, height } = STRIP;
  const around = Math.max(AROUND_LEAST, AROUND * (row.end - row.start));
  const [from, to] = [row.start - around, row.end + around];
  const x = (time) => ((clamp(time, from, to) - from) / (to - from)) * width;
  const bar = (name, start, end, y) => {
    const left = rounded(x(start), 1);
    return draw("rect", { class: name, x: left, y, width: Math.max(2, rounded(x(end) - left, 1)), height: 7, rx: 1 });
  };
  const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, width, height, class: "strip", role: "img" });
  const near = row.video.truth.filter(([, start, end]) => end > from && start < to);
  const names = [...new Set(near.map(([label]) => labels[label]))].join(", ") || "nothing";
  svg.append(draw("title", {}, `${row.kind}: above ${names} in the ground truth`));
  for (const [label, start, end] of near) svg.append(bar(label === row.label ? "own" : "other", start, end, 1));
  if (row.kind !== NOT_FOUND) {
    const error = bar("error", row.start, row.end, 10);
    error.style.setProperty("--kind", kinds.get(row.kind).colour);
    svg.append(error);
  }
  return svg;
}
