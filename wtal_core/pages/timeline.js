// One video against time: the video above; signals, truth, detections and marks below, on one axis.
//
// `mountTimeline(root, content, options)` draws it into an element. `content` is what
// `timeline.content_of` writes. Every name in it is data of somebody's file, so it only ever becomes
// text, never markup. The page of `wtal timeline`, that of `wtal diagnose` and the widget in
// notebooks all run this file as it is.

const SVG = "http://www.w3.org/2000/svg";
const GUTTER = 92; // pixels left of the time axis for the names of rows, where there is room
const ROOMY = 640; // pixels of width from which there is
const EDGE = 10; // pixels right of the axis
const HEIGHTS = { axis: 26, frames: 60, header: 21, signal: 38, truth: 13, row: 16, marks: 18, gap: 7 };
const MOST_ROWS = 6; // rows of detections of a class that overlap in time
const MOST_LISTED = 200; // lines of the table of detections
const TICKS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600];
const TICK_WIDTH = 78; // pixels between two ticks at least
const SHORTEST_VIEW = 0.2; // seconds
const CLICK_SLIP = 4; // pixels that a pointer may move in a click
const PLAIN = { name: "not judged", colour: null };

// drawn on 16 by 16, because not every machine has signs for them
const ICONS = {
  play: "M4 2.5v11L13 8Z",
  pause: "M3.5 2.5h3v11h-3ZM9.5 2.5h3v11h-3Z",
  before: "M3 2.5h2v11H3ZM13 2.5v11L6 8Z",
  after: "M11 2.5h2v11h-2ZM3 2.5v11L10 8Z",
  left: "M10.5 2 4.5 8l6 6 1.4-1.4L7.3 8l4.6-4.6Z",
  right: "M5.5 2 11.5 8l-6 6-1.4-1.4L8.7 8 4.1 3.4Z",
  closer: "M7 3h2v4h4v2H9v4H7V9H3V7h4Z",
  wider: "M3 7h10v2H3Z",
  whole: "M1 8l4-4v3h6V4l4 4-4 4V9H5v3Z",
};

const KEYS = [
  ["Space", "play or pause"],
  ["← →", "back and forth by a second, with Shift by a tenth"],
  ["n p", "next and previous detection"],
  ["Enter", "play the chosen detection"],
  ["+ − 0", "closer, wider, the whole video"],
  ["[ ]", "the segment begins, ends here"],
  ["m", "click here"],
  ["a", "take the chosen detection as a segment"],
  ["1 – 9", "choose the class by its number"],
  ["Delete", "delete the chosen mark"],
  ["u", "undo, with Shift redo"],
];

// ---------------------------------------------------------------- elements, words, numbers

function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

function draw(tag, attributes = {}, text = null) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null) element.setAttribute(name, value);
  }
  if (text !== null) element.textContent = text;
  return element;
}

function iconButton(name, words, action) {
  const picture = draw("svg", { viewBox: "0 0 16 16", class: "icon", "aria-hidden": "true" });
  picture.append(draw("path", { d: ICONS[name] }));
  return make("button", { type: "button", title: words, "aria-label": words, onclick: action }, picture);
}

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const rounded = (value, digits = 3) => Number(value.toFixed(digits));
const count = (number, word) => `${number.toLocaleString("en")} ${word}${number === 1 ? "" : "s"}`;

function inWords(seconds) {
  return `${rounded(seconds, 2)} s`;
}

// "1:02:03.4" where a video is long enough for minutes, else "3.4"
function onClock(seconds, length, step = 1) {
  const digits = step < 0.1 ? 2 : step < 1 ? 1 : 0;
  if (length < 120) return `${seconds.toFixed(digits)}`;
  const whole = Number(seconds.toFixed(digits));
  const rest = (whole % 60).toFixed(digits).padStart(digits ? digits + 3 : 2, "0");
  const minutes = Math.floor(whole / 60);
  if (length < 3600) return `${minutes}:${rest}`;
  return `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${rest}`;
}

const unitOf = (length) => (length < 120 ? "s" : length < 3600 ? "min:s" : "h:min:s");

function scoreInWords(score) {
  const words = Number.isFinite(score) ? String(Number(score.toPrecision(3))) : score > 0 ? "∞" : "-∞";
  return words.replace(/^-/, "−");
}

// With as many digits as the others of its column; in words where these would show none of it
function scoreInColumn(score) {
  const size = Math.abs(score);
  const hasDigits = score === 0 || (size >= 0.0005 && size < 1000);
  return hasDigits ? score.toFixed(3).replace(/^-/, "−") : scoreInWords(score);
}

// A cell of a CSV file: quoted where it has to be
function cell(value) {
  const text = String(value);
  return /[",;\t\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function asCsv(columns, rows) {
  return [columns, ...rows].map((row) => row.map(cell).join(",") + "\n").join("");
}

// ---------------------------------------------------------------- what is drawn

// The rows of numbers as objects
function readVideo(video, kinds) {
  const detections = video.detections.map(([label, start, end, score, kind, method = 0], number) => ({
    number,
    label,
    start,
    end,
    score: Number(score),
    kind: kind < 0 ? PLAIN : kinds[kind],
    method,
  }));
  // found: a bit per method; an instance that nothing was judged by counts as found
  const truth = video.truth.map(([label, start, end, found = -1]) => ({ label, start, end, found }));
  const signals = video.signals.map((signal) => ({
    ...signal,
    least: signal.least === null ? null : bytes(signal.least),
    largest: bytes(signal.largest),
  }));
  return { ...video, detections, truth, signals };
}

function bytes(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

function readMarks(videos) {
  return videos.flatMap((video, place) => [
    ...video.clicks.map(([label, start]) => ({ video: place, label, start, end: null })),
    ...video.segments.map(([label, start, end]) => ({ video: place, label, start, end })),
  ]);
}

// Marks of rows that hold names, as clicks.csv and segments.csv do
function marksOf({ clicks, segments }, { videos, classes }) {
  const places = new Map(videos.map((video, place) => [video.name, place]));
  const mark = ([video, label, start, end = null]) => ({
    video: places.get(video),
    label: classes.indexOf(label),
    start,
    end,
  });
  return [...clicks, ...segments].map(mark);
}

// The row that each detection is drawn in: the best-scored ones first, none over another.
// Those that find no row are left out, and counted by the caller.
function inRows(detections) {
  const rows = [];
  const placed = [];
  for (const detection of detections) {
    let row = rows.findIndex((spans) =>
      spans.every((span) => detection.end <= span.start || detection.start >= span.end),
    );
    if (row < 0 && rows.length === MOST_ROWS) continue;
    if (row < 0) row = rows.push([]) - 1;
    rows[row].push(detection);
    placed.push({ ...detection, row });
  }
  return { placed, rows: rows.length };
}

// Outlines of a signal in pixels: of its largest values, and of its least ones where several
// values share a bin or a pixel
function outline(signal, levels, view, x, top, height, pick) {
  const { from, step } = signal;
  const first = Math.max(0, Math.floor((view.from - from) / step));
  const last = Math.min(levels.length, Math.ceil((view.to - from) / step));
  if (last <= first) return "";
  const floor = top + height;
  const points = [];
  let column = null;
  for (let bin = first; bin < last; bin += 1) {
    const left = clamp(x(from + bin * step), x(view.from), x(view.to));
    const right = clamp(x(Math.min(from + (bin + 1) * step, signal.until)), left, x(view.to));
    const level = floor - (levels[bin] / 255) * height;
    if (column && right - column.left < 1) {
      column.level = pick(column.level, level); // several bins in one pixel
      column.right = right;
      continue;
    }
    column = { left, right, level };
    points.push(column);
  }
  const steps = points.map((p) => `L${p.left.toFixed(1)} ${p.level.toFixed(1)}H${p.right.toFixed(1)}`);
  const start = points[0].left.toFixed(1);
  return `M${start} ${floor}${steps.join("")}V${floor}Z`;
}

// ---------------------------------------------------------------- the component

class TimelineView {
  constructor(root, content, options) {
    this.root = root;
    this.content = content;
    this.options = options;
    this.videos = content.videos;
    this.background = content.classes.length - 1;
    this.hasTruth = this.videos.some((video) => video.truth.length > 0);
    this.marks = options.marks ? marksOf(options.marks, content) : readMarks(this.videos);
    this.past = [];
    this.future = [];
    this.unsaved = new Set();
    this.lowest = -Infinity;
    this.hiddenKinds = new Set();
    this.methods = content.methods?.length ? content.methods : [{ name: "", scores: content.scores }];
    this.hiddenMethods = new Set();
    this.asked = null; // the span that an address names
    this.chosenClasses = new Map(); // class -> drawn or not, where the reader has said so
    this.place = 0;
    this.build();
    this.open(0);
    this.follow();
  }

  // ---------------------------------------------------------------- elements

  build() {
    this.root.replaceChildren();
    this.root.classList.add("wtal-timeline");
    // JupyterLab's own keys stay out of it
    this.root.setAttribute("data-lm-suppress-shortcuts", "true");
    const screen = make("div", { className: "screen" }, this.buildPlayer(), this.buildToolbar());
    const side = make("div", { className: "side" }, this.buildFilters(), this.buildLegend());
    this.root.append(
      this.buildHead(),
      make("div", { className: "top" }, screen, side),
      this.buildStage(),
      this.buildMarking(),
      this.buildList(),
      this.buildHelp(),
    );
    const target = this.options.wholePage ? document : this.root;
    target.addEventListener("keydown", (event) => this.onKey(event));
    if (!this.options.inNotebook) this.watchPage();
    new ResizeObserver(() => this.redraw()).observe(this.stage);
  }

  watchPage() {
    window.addEventListener("hashchange", () => this.openAddress());
    window.addEventListener("beforeunload", (event) => {
      if (this.unsaved.size) event.preventDefault();
    });
  }

  buildHead() {
    const { title, source, notes } = this.content;
    const head = make("header");
    if (title) head.append(make("h1", { textContent: title }));
    if (source) head.append(make("p", { className: "quiet", textContent: source }));
    if (notes.length) {
      const lines = notes.map((note) => make("li", { textContent: note }));
      const words = make("summary", { textContent: count(notes.length, "note") });
      head.append(make("details", { className: "quiet" }, words, make("ul", {}, ...lines)));
    }
    this.chooser = make("select", {
      className: "video-choice",
      onchange: () => this.open(this.chooser.selectedIndex),
    });
    for (const video of this.videos) {
      const words = `${video.name} (${count(video.detections.length + video.left_out, "detection")})`;
      this.chooser.append(make("option", { textContent: words }));
    }
    const step = (by) => () => this.open((this.place + by + this.videos.length) % this.videos.length);
    head.append(
      make(
        "div",
        { className: "bar" },
        make("label", { className: "grow" }, "Video ", this.chooser),
        iconButton("left", "previous video", step(-1)),
        iconButton("right", "next video", step(1)),
      ),
    );
    return head;
  }

  buildPlayer() {
    this.player = make("video", { controls: true, playsInline: true, preload: "metadata" });
    this.player.addEventListener("loadedmetadata", () => this.onLength());
    this.player.addEventListener("error", () => this.onNoVideo());
    this.player.addEventListener("seeked", () => this.movePlayhead());
    this.player.addEventListener("pause", () => (this.stopAt = null));
    this.missing = make("p", { className: "missing", hidden: true });
    return make("div", {}, this.player, this.missing);
  }

  buildToolbar() {
    this.playButton = iconButton("play", "play or pause (space)", () => this.playOrPause());
    this.span = make("output", { className: "span" });
    this.clock = make("output", { className: "clock" });
    return make(
      "div",
      { className: "bar toolbar", role: "toolbar", "aria-label": "timeline" },
      this.playButton,
      this.clock,
      iconButton("before", "previous detection (p)", () => this.step(-1)),
      iconButton("after", "next detection (n)", () => this.step(1)),
      make(
        "span",
        { className: "zoom" },
        iconButton("wider", "wider (−)", () => this.zoom(2)),
        iconButton("closer", "closer (+)", () => this.zoom(0.5)),
        iconButton("whole", "the whole video (0)", () => this.showAll()),
        this.span,
      ),
    );
  }

  buildFilters() {
    const [low, high] = this.content.scores;
    this.slider = make("input", {
      type: "range",
      min: low,
      max: high,
      step: (high - low) / 200 || 1,
      value: low,
      oninput: () => this.onScore(),
    });
    this.scoreWords = make("output");
    const score = make("label", { className: "score" }, "Score at least ", this.slider, this.scoreWords);
    const kinds = this.content.kinds.map((kind) => {
      const swatch = make("span", { className: "swatch" });
      swatch.style.setProperty("--kind", kind.colour);
      return this.hidingChip(this.hiddenKinds, kind, swatch, `${kind.mark} ${kind.name}`);
    });
    const group = make("fieldset", { className: "kinds", hidden: !kinds.length });
    group.append(make("legend", { textContent: "Detections that are" }), ...kinds);
    const names = this.methods.map(({ name }, number) => this.hidingChip(this.hiddenMethods, number, name));
    const methods = make("fieldset", { className: "methods", hidden: names.length < 2 });
    methods.append(make("legend", { textContent: "Methods" }), ...names);
    this.classWords = make("summary");
    this.classBoxes = make("div", { className: "boxes" });
    const every = (drawn) => () => {
      this.content.classes.forEach((_, label) => this.chosenClasses.set(label, drawn));
      this.fillClasses();
      this.redraw();
    };
    const all = make("button", { type: "button", textContent: "all", onclick: every(true) });
    const none = make("button", { type: "button", textContent: "none", onclick: every(false) });
    const classes = make("details", { className: "classes" }, this.classWords, all, none, this.classBoxes);
    return make("div", { className: "filters" }, score, group, methods, classes);
  }

  // A box that is checked while `item` is drawn
  hidingChip(hidden, item, ...words) {
    const box = make("input", {
      type: "checkbox",
      checked: true,
      onchange: () => {
        if (box.checked) hidden.delete(item);
        else hidden.add(item);
        this.redraw();
      },
    });
    return make("label", { className: "chip" }, box, ...words);
  }

  buildStage() {
    this.svg = draw("svg", {
      role: "group",
      tabindex: 0,
      "aria-label": "timeline of the video; n and p choose a detection, Enter plays it",
    });
    this.svg.addEventListener("pointerdown", (event) => this.onDown(event));
    this.svg.addEventListener("pointermove", (event) => this.onMove(event));
    this.svg.addEventListener("pointerup", (event) => this.onUp(event));
    this.svg.addEventListener("pointercancel", () => this.endDrag());
    this.svg.addEventListener("wheel", (event) => this.onWheel(event), { passive: false });
    this.stage = make("div", { className: "stage" }, this.svg);
    this.status = make("p", { className: "status", role: "status" });
    return make("div", { className: "stage-and-status" }, this.stage, this.status);
  }

  buildLegend() {
    this.legend = make("ul", { className: "legend", "aria-label": "legend" });
    return this.legend;
  }

  fillLegend() {
    const signals = this.video.signals;
    const entries = [
      ["activation", "class activation (own scale per class)", signals.some((s) => s.class >= 0)],
      ["attention", "attention", signals.some((s) => s.class < 0)],
      ["truth", "ground truth", this.hasTruth],
      ["missed", "ground truth that no detection matched", this.content.kinds.length > 0],
      ["detection", "detection: the higher and stronger, the better its score", true],
      ["click", "click", this.marks.some((mark) => mark.end === null) || this.marking.open],
      ["segment", "marked segment", this.marks.some((mark) => mark.end !== null) || this.marking.open],
      ["playhead", "where the video is", true],
    ];
    const items = entries
      .filter(([, , present]) => present)
      .map(([name, words]) => make("li", {}, make("span", { className: `key key-${name}` }), words));
    // on the screen, the filter tells the kinds
    const kinds = this.content.kinds.map((kind) => {
      const swatch = make("span", { className: "swatch" });
      swatch.style.setProperty("--kind", kind.colour);
      return make("li", { className: "on-paper" }, swatch, `${kind.mark} ${kind.name}`);
    });
    this.legend.replaceChildren(...items, ...kinds);
  }

  buildMarking() {
    const button = (words, action, title) =>
      make("button", { type: "button", textContent: words, title, onclick: action });
    this.markClass = make("select", { onchange: () => this.chooseClass(this.markClass.selectedIndex) });
    for (const label of this.content.classes) {
      this.markClass.append(make("option", { textContent: label }));
    }
    this.markWords = make("p", { className: "quiet" });
    this.markList = make("ul", { className: "marks" });
    const save = (kind) => () => this.save(kind);
    const goes = this.options.inNotebook
      ? "The widget's save(FOLDER) writes clicks.csv and segments.csv, which `wtal data add` reads."
      : "Both files go beside labels.csv; `wtal data add` reads them.";
    this.saveButtons = ["clicks", "segments"].map((kind) => button(`Save ${kind}.csv`, save(kind), ""));
    this.marking = make(
      "details",
      { className: "marking", ontoggle: () => this.redraw() },
      make("summary", { textContent: "Correct it: mark clicks and segments, and train with them" }),
      make("p", {
        className: "quiet",
        textContent:
          "While this is open, a click into the lane of a class marks a click of it, and dragging marks a " +
          "segment; the axis on top still moves the video. The class background marks where nothing happens. " +
          goes,
      }),
      make(
        "div",
        { className: "bar" },
        make("label", {}, "Class ", this.markClass),
        button("Click here", () => this.markClick(), "m"),
        button("Begin", () => this.beginSegment(), "["),
        button("End", () => this.endSegment(), "]"),
        button("Detection → segment", () => this.takeDetection(), "a"),
        button("Delete", () => this.deleteMark(), "Delete"),
        button("Undo", () => this.undo(), "u"),
      ),
      this.markList,
      make("div", { className: "bar" }, ...(this.options.inNotebook ? [] : this.saveButtons), this.markWords),
    );
    return this.marking;
  }

  buildList() {
    this.tableWords = make("summary");
    this.table = make("tbody");
    const columns = ["", "class", "start", "end", "score"];
    if (this.content.kinds.length) columns.push("is");
    if (this.methods.length > 1) columns.push("method");
    const head = make("tr", {}, ...columns.map((name) => make("th", { textContent: name, scope: "col" })));
    this.list = make(
      "details",
      { className: "list", ontoggle: () => this.fillList() },
      this.tableWords,
      make("div", { className: "scroll" }, make("table", {}, make("thead", {}, head), this.table)),
    );
    return this.list;
  }

  buildHelp() {
    const rows = KEYS.map(([keys, words]) =>
      make("tr", {}, make("th", { textContent: keys, scope: "row" }), make("td", { textContent: words })),
    );
    const summary = make("summary", { textContent: "Keys" });
    return make("details", { className: "help" }, summary, make("table", {}, make("tbody", {}, ...rows)));
  }

  // ---------------------------------------------------------------- one video

  open(place) {
    if (!this.videos.length) {
      this.say("There is no video to show.");
      return;
    }
    this.place = place;
    this.video = readVideo(this.videos[place], this.content.kinds);
    this.chooser.selectedIndex = place;
    this.selected = null;
    this.selectedMark = null;
    this.asked = null;
    this.begun = null;
    this.stopAt = null;
    this.time = 0;
    this.view = { from: 0, to: this.video.duration };
    const labels = [...this.video.truth, ...this.video.detections].map((item) => item.label);
    if (this.marked === undefined || labels.length) this.marked = labels[0] ?? 0;
    this.markClass.selectedIndex = this.marked;
    this.say("");
    this.options.onChoice?.();
    this.load();
    this.fillClasses();
    this.redraw();
  }

  // Where a link leads: #video=NAME&start=12.5&end=14&label=Jump, and &method=NAME with several
  openAddress() {
    const asked = new URLSearchParams(location.hash.slice(1));
    if (!asked.has("video")) return;
    const place = this.videos.findIndex((video) => video.name === asked.get("video"));
    if (place < 0) return;
    if (place !== this.place) this.open(place);
    const start = Number(asked.get("start") ?? 0);
    const end = Number(asked.get("end") ?? start);
    const label = this.content.classes.indexOf(asked.get("label"));
    const method = this.methods.findIndex(({ name }) => name === asked.get("method"));
    const same = (item) =>
      Math.abs(item.start - start) < 0.002 && Math.abs(item.end - end) < 0.002 && item.label === label;
    const detection = this.video.detections.find((item) => same(item) && (method < 0 || item.method === method));
    if (this.options.concernedOnly) this.drawConcerned(label);
    else if (detection) this.chosenClasses.set(detection.label, true);
    this.look(start, end);
    this.seek(start);
    if (detection) this.select(detection);
    else {
      this.selected = null;
      this.say("");
    }
    this.asked = { label, start, end };
    this.redraw();
    if (!this.options.wholePage) this.root.scrollIntoView({ block: "nearest" });
  }

  // Lanes of this class and of those that are in the video, and no others
  drawConcerned(label) {
    const concerned = new Set([label, ...this.video.truth.map((instance) => instance.label)]);
    this.content.classes.forEach((_, one) => this.chosenClasses.set(one, concerned.has(one)));
    this.fillClasses();
  }

  async load() {
    const video = this.video;
    this.player.pause();
    this.player.removeAttribute("src");
    this.showPlayer(false);
    this.missing.hidden = true;
    const ask = this.options.addressOf;
    const address = ask ? await ask.call(this, video) : video.address;
    if (video !== this.video) return; // another one was opened meanwhile
    if (!address || !/^(\.\/|blob:|data:video\/)/.test(address)) return;
    this.player.src = address;
    this.showPlayer(true);
  }

  showPlayer(isThere) {
    this.player.hidden = !isThere;
    this.playButton.disabled = !isThere;
    this.root.classList.toggle("with-video", isThere);
  }

  onLength() {
    const own = this.player.duration;
    const stated = this.video.duration;
    if (!Number.isFinite(own)) return;
    if (!this.video.is_stated && own > stated) {
      const whole = this.view.to === stated;
      this.video.duration = own;
      if (whole) this.view.to = own;
      this.redraw();
    } else if (Math.abs(own - stated) > Math.max(2, 0.05 * stated)) {
      this.tell(`The file lasts ${inWords(own)}, the tables say ${inWords(stated)}: times may not fit.`);
    }
    if (this.time) this.player.currentTime = this.time;
  }

  onNoVideo() {
    if (!this.player.getAttribute("src")) return;
    this.showPlayer(false);
    this.tell(
      `${this.video.file} cannot be played here: it is not where it was, or of a kind that this browser ` +
        "does not play (MP4 with H.264 and WebM are safe). The timeline works without it.",
    );
  }

  tell(words) {
    this.missing.textContent = words;
    this.missing.hidden = false;
  }

  say(words) {
    this.status.textContent = words;
  }

  // ---------------------------------------------------------------- filters

  onScore() {
    const value = Number(this.slider.value);
    this.lowest = value <= this.content.scores[0] ? -Infinity : value;
    this.redraw();
  }

  passes(detection) {
    const isHidden = this.hiddenKinds.has(detection.kind) || this.hiddenMethods.has(detection.method);
    return detection.score >= this.lowest && !isHidden;
  }

  // A class has a lane if it is in the video, or if the reader asks for it
  isDrawn(label) {
    if (this.chosenClasses.has(label)) return this.chosenClasses.get(label);
    const own = [...this.video.truth, ...this.video.detections, ...this.marksHere()];
    if (this.marking.open && (label === this.marked || label === this.background)) return true;
    return own.some((item) => item.label === label);
  }

  fillClasses() {
    const boxes = this.content.classes.map((name, label) => {
      const box = make("input", {
        type: "checkbox",
        checked: this.isDrawn(label),
        onchange: () => {
          this.chosenClasses.set(label, box.checked);
          this.redraw();
        },
      });
      return make("label", { className: "chip" }, box, name);
    });
    this.classBoxes.replaceChildren(...boxes);
  }

  // ---------------------------------------------------------------- drawing

  redraw() {
    if (!this.video || this.isWaiting) return;
    this.isWaiting = true;
    requestAnimationFrame(() => {
      this.isWaiting = false;
      this.drawAll();
    });
  }

  x(time) {
    const { from, to } = this.view;
    return this.left + ((time - from) / (to - from)) * (this.width - this.left - EDGE);
  }

  timeAt(pixel) {
    const { from, to } = this.view;
    const share = (pixel - this.left) / (this.width - this.left - EDGE);
    return clamp(from + share * (to - from), 0, this.video.duration);
  }

  drawAll() {
    this.width = Math.max(200, this.stage.clientWidth);
    this.left = this.width >= ROOMY ? GUTTER : 4;
    this.lanes = [];
    this.drawn = [];
    const parts = [];
    let top = HEIGHTS.axis;
    if (this.video.frames?.length) top = this.drawFrames(parts, top);
    const attention = this.video.signals.find((signal) => signal.class < 0);
    if (attention) top = this.drawAttention(parts, attention, top);
    const labels = this.content.classes.map((_, label) => label).filter((label) => this.isDrawn(label));
    labels.forEach((label, number) => {
      top = this.drawLane(parts, label, number, top);
    });
    if (!labels.length) {
      parts.push(draw("text", { x: this.left + 4, y: top + 24, class: "name" }, "no class is drawn"));
      top += 36;
    }
    if (labels.length > 4) top += HEIGHTS.axis; // the axis once more, below
    this.svg.setAttribute("viewBox", `0 0 ${this.width} ${top}`);
    this.svg.setAttribute("height", top);
    this.head = draw("g", { class: "playhead" });
    this.head.append(draw("path", { d: `M-5 12H5L0 20Z` }), draw("line", { y1: 12, y2: top }));
    this.band = draw("rect", { class: "band", y: HEIGHTS.axis, height: top - HEIGHTS.axis, width: 0 });
    this.svg.replaceChildren(this.drawAxis(top, labels.length > 4), ...parts, this.band, this.head);
    this.tellView(labels.length);
    this.movePlayhead();
  }

  tellView(drawn) {
    const { from, to } = this.view;
    const length = this.video.duration;
    const all = this.video.detections.length;
    const passing = this.video.detections.filter((detection) => this.passes(detection)).length;
    const step = to - from < 10 ? 0.1 : 1;
    const between = `${onClock(from, length, step)} – ${onClock(to, length, step)}`;
    this.span.textContent = `${between} of ${onClock(length, length, step)} ${unitOf(length)}`;
    const score = this.lowest === -Infinity ? "any" : scoreInWords(this.lowest);
    const more = this.video.left_out ? `, and ${this.video.left_out} lower-scored ones left out` : "";
    this.scoreWords.textContent = ` ${score} (${passing} of ${all}${more})`;
    this.slider.setAttribute("aria-valuetext", score);
    this.classWords.textContent = `Classes: ${drawn} of ${this.content.classes.length} drawn`;
    this.drawn.sort((a, b) => a.start - b.start || a.number - b.number);
    this.fillLegend();
    this.fillMarks();
    this.fillList();
  }

  drawAxis(height, isTwice) {
    const { from, to } = this.view;
    const length = this.video.duration;
    const group = draw("g", { class: "axis" });
    const room = this.width - this.left - EDGE;
    const wanted = ((to - from) * TICK_WIDTH) / room;
    const step = TICKS.find((tick) => tick >= wanted) ?? 3600 * Math.ceil(wanted / 3600);
    group.append(draw("rect", { class: "ruler", x: this.left, y: 0, width: room, height: HEIGHTS.axis }));
    for (let tick = Math.ceil(from / step - 1e-9); tick * step <= to + 1e-9; tick += 1) {
      const at = this.x(tick * step);
      const words = onClock(tick * step, length, step) + (length < 120 ? " s" : "");
      const anchor = at > this.width - 40 ? "end" : at < this.left + 16 ? "start" : "middle";
      group.append(draw("line", { class: "grid", x1: at, x2: at, y1: HEIGHTS.axis - 6, y2: height }));
      group.append(draw("text", { x: at, y: 14, "text-anchor": anchor }, words));
      if (isTwice) group.append(draw("text", { x: at, y: height - 8, "text-anchor": anchor }, words));
    }
    if (this.left === GUTTER) {
      const unit = `time (${unitOf(length)})`;
      group.append(draw("text", { x: GUTTER - 10, y: 14, "text-anchor": "end" }, unit));
    }
    return group;
  }

  rowName(parts, words, y) {
    if (this.left !== GUTTER) return;
    parts.push(draw("text", { class: "row-name", x: GUTTER - 10, y, "text-anchor": "end" }, words));
  }

  drawFrames(parts, top) {
    const height = HEIGHTS.frames - 6;
    let free = -Infinity;
    for (const [time, address] of this.video.frames) {
      const at = this.x(time);
      if (at < this.left || at < free || !address.startsWith("data:image/jpeg;base64,")) continue;
      const width = Math.min(96, this.width - at);
      if (width < 48) continue;
      const place = { href: address, x: at, y: top + 2, width, height, preserveAspectRatio: "xMinYMid slice" };
      parts.push(draw("image", place));
      free = at + 98;
    }
    this.rowName(parts, "frames", top + 32);
    return top + HEIGHTS.frames;
  }

  drawAttention(parts, signal, top) {
    parts.push(draw("text", { class: "name", x: this.left + 4, y: top + 15 }, "attention"));
    const after = top + HEIGHTS.header + HEIGHTS.signal;
    this.drawSignal(parts, signal, top + HEIGHTS.header, "attention");
    parts.push(draw("line", { class: "rule", x1: 0, x2: this.width, y1: after + 4, y2: after + 4 }));
    return after + HEIGHTS.gap;
  }

  drawSignal(parts, signal, top, name) {
    const x = (time) => this.x(time);
    const area = (levels, pick) => outline(signal, levels, this.view, x, top, HEIGHTS.signal - 4, pick);
    parts.push(draw("path", { class: `signal ${name}`, d: area(signal.largest, Math.min) }));
    const least = signal.least ?? signal.largest;
    parts.push(draw("path", { class: `signal ${name} least`, d: area(least, Math.max) }));
    const range = `${scoreInWords(signal.low)} to ${scoreInWords(signal.high)}`;
    const end = { class: "range", x: this.width - EDGE, y: top - 6, "text-anchor": "end" };
    parts.push(draw("text", end, this.left === GUTTER || signal.class < 0 ? range : `${name} ${range}`));
    if (signal.class >= 0) this.rowName(parts, name, top + HEIGHTS.signal / 2 + 4);
  }

  drawLane(parts, label, number, top) {
    const name = this.content.classes[label];
    const signal = this.video.signals.find((one) => one.class === label);
    const own = this.video.detections.filter((one) => one.label === label && this.passes(one));
    const lane = { label, top };
    const ground = draw("rect", { class: "lane", x: 0, y: top, width: this.width });
    parts.push(ground);
    let y = top + HEIGHTS.header;
    const digit = this.marking.open && number < 9 ? `${number + 1}  ` : "";
    parts.push(draw("text", { class: "name", x: this.left + 4, y: top + 15 }, this.fitted(digit + name, signal)));
    if (signal) {
      this.drawSignal(parts, signal, y, "activation");
      y += HEIGHTS.signal;
    }
    if (this.hasTruth) {
      this.drawTruth(parts, label, y);
      y += HEIGHTS.truth + 3;
    }
    this.methods.forEach(({ name }, method) => {
      y = this.drawDetections(parts, own.filter((one) => one.method === method), name, y);
    });
    const marks = this.marksHere().filter((mark) => mark.label === label);
    if (marks.length || this.marking.open) {
      this.rowName(parts, "marks", y + 13);
      marks.forEach((mark) => this.drawMark(parts, mark, y));
      y += HEIGHTS.marks;
    }
    lane.bottom = y + HEIGHTS.gap;
    ground.setAttribute("height", lane.bottom - top);
    if (this.marking.open && label === this.marked) ground.classList.add("chosen");
    if (this.asked?.label === label) this.drawAsked(parts, lane);
    parts.push(draw("line", { class: "rule", x1: 0, x2: this.width, y1: y + 4, y2: y + 4 }));
    this.lanes.push(lane);
    return lane.bottom;
  }

  // The detections of one method in a lane; where they end
  drawDetections(parts, detections, name, top) {
    if (!detections.length) return top;
    const { placed, rows } = inRows(detections);
    let y = top;
    if (this.methods.length > 1) {
      parts.push(draw("text", { class: "range method-name", x: this.left + 4, y: y + 11 }, name));
      y += 13;
    }
    this.rowName(parts, "detections", y + 12);
    placed.forEach((detection) => this.drawDetection(parts, detection, y));
    y += rows * HEIGHTS.row;
    if (detections.length === placed.length) return y;
    const words = `${detections.length - placed.length} more of lower score overlap these`;
    parts.push(draw("text", { class: "range", x: this.left + 4, y: y + 11 }, words));
    return y + 14;
  }

  // A frame around the span that an address names
  drawAsked(parts, lane) {
    const span = this.cut(this.asked.start, this.asked.end);
    if (!span) return;
    const height = lane.bottom - lane.top - HEIGHTS.header - 2;
    const place = { x: span.x - 3, width: span.width + 6, y: lane.top + HEIGHTS.header - 2, height };
    parts.push(draw("rect", { class: "asked", ...place, rx: 3 }));
  }

  // A name that does not run into the range at the right
  fitted(name, signal) {
    const range = this.left === GUTTER ? 120 : 175;
    const room = this.width - this.left - (signal ? range : 12);
    const letters = Math.max(6, Math.floor(room / 7.8));
    return name.length > letters ? `${name.slice(0, letters - 1)}…` : name;
  }

  // The pixels of a span that are in view; null where there are none
  cut(start, end) {
    if (end < this.view.from || start > this.view.to) return null;
    const left = this.x(Math.max(start, this.view.from));
    const right = this.x(Math.min(end, this.view.to));
    return { x: rounded(left, 1), width: rounded(Math.max(2, right - left), 1) };
  }

  drawTruth(parts, label, top) {
    this.rowName(parts, "truth", top + 10);
    for (const instance of this.video.truth.filter((one) => one.label === label)) {
      const span = this.cut(instance.start, instance.end);
      if (!span) continue;
      const isMissed = !this.methods.some((_, one) => instance.found & (1 << one) && !this.hiddenMethods.has(one));
      const kind = isMissed ? "missed" : "truth";
      const bar = draw("rect", { class: `bar-${kind}`, ...span, y: top + 1, height: HEIGHTS.truth - 3, rx: 2 });
      const words = isMissed ? "ground truth that no detection matched" : "ground truth";
      const times = `${inWords(instance.start)} to ${inWords(instance.end)}`;
      bar.append(draw("title", {}, `${words}: ${this.content.classes[label]}, ${times}`));
      parts.push(bar);
    }
  }

  // 0 for the lowest score of the method in all videos, 1 for its highest
  strength({ score, method }) {
    const [low, high] = this.methods[method].scores;
    return high > low ? clamp((score - low) / (high - low), 0, 1) : 1;
  }

  drawDetection(parts, detection, top) {
    this.drawn.push(detection);
    const span = this.cut(detection.start, detection.end);
    if (!span) return;
    const strength = this.strength(detection);
    const height = 6 + 8 * strength;
    const bottom = top + (detection.row + 1) * HEIGHTS.row - 1;
    const group = draw("g", { class: "detection", "data-detection": detection.number });
    if (detection.number === this.selected?.number) group.classList.add("selected");
    const shape = { ...span, y: rounded(bottom - height, 1), height: rounded(height, 1), rx: 2 };
    const bar = draw("rect", { class: "bar-detection", ...shape });
    bar.style.fillOpacity = rounded(0.4 + 0.6 * strength, 2);
    if (detection.kind.colour) bar.style.setProperty("--kind", detection.kind.colour);
    group.append(bar);
    if (detection.kind.mark && span.width > 20 && height > 9) {
      const at = { class: "mark-name", x: span.x + 3, y: bottom - 2.5 };
      group.append(draw("text", at, detection.kind.mark));
    }
    // the whole height can be hit, however low the bar
    group.append(draw("rect", { class: "hit", ...span, y: bottom - 14, height: 15 }));
    group.append(draw("title", {}, this.describe(detection)));
    parts.push(group);
  }

  describe(detection) {
    const kind = detection.kind === PLAIN ? "" : `, ${detection.kind.name}`;
    const times = `${inWords(detection.start)} to ${inWords(detection.end)}`;
    const score = `score ${scoreInWords(detection.score)}`;
    const by = this.methods.length > 1 ? `, by ${this.methods[detection.method].name}` : "";
    return `${this.content.classes[detection.label]}, ${times}, ${score}${kind}${by}`;
  }

  drawMark(parts, mark, top) {
    const span = this.cut(mark.start, mark.end ?? mark.start);
    if (!span) return;
    const group = draw("g", { class: "mark", "data-mark": this.marks.indexOf(mark) });
    if (mark === this.selectedMark) group.classList.add("selected");
    if (mark.end === null) {
      const at = this.x(mark.start);
      group.append(draw("rect", { class: "hit", x: at - 7, y: top, width: 14, height: 17 }));
      group.append(draw("path", { class: "bar-click", d: `M${at} ${top + 2}l5 7l-5 7l-5 -7Z` }));
    } else {
      group.append(draw("rect", { class: "bar-segment", ...span, y: top + 4, height: 11, rx: 2 }));
    }
    group.append(draw("title", {}, this.describeMark(mark)));
    parts.push(group);
  }

  describeMark(mark) {
    const name = this.content.classes[mark.label];
    if (mark.end === null) return `click: ${name} at ${inWords(mark.start)}`;
    return `segment: ${name}, ${inWords(mark.start)} to ${inWords(mark.end)}`;
  }

  fillList() {
    const passing = this.video.detections.filter((one) => this.passes(one) && this.isDrawn(one.label));
    const listed = passing.slice(0, MOST_LISTED);
    const more = passing.length > listed.length ? `, the best ${listed.length} of ${passing.length}` : "";
    this.tableWords.textContent = `Table of detections (${passing.length}${more})`;
    if (!this.list.open) return;
    const rows = listed.map((detection) => {
      const words = this.describe(detection);
      const button = make("button", {
        type: "button",
        textContent: "▶",
        title: `play ${words}`,
        "aria-label": `play ${words}`,
        onclick: () => this.play(detection),
      });
      const cells = [
        this.content.classes[detection.label],
        inWords(detection.start),
        inWords(detection.end),
        scoreInColumn(detection.score),
      ];
      if (this.content.kinds.length) cells.push(detection.kind.name);
      if (this.methods.length > 1) cells.push(this.methods[detection.method].name);
      const row = make("tr", {}, make("td", {}, button));
      row.append(...cells.map((text) => make("td", { textContent: text })));
      return row;
    });
    this.table.replaceChildren(...rows);
  }

  // ---------------------------------------------------------------- time

  get hasVideo() {
    return !this.player.hidden;
  }

  seek(time, keepsPlaying = false) {
    this.time = clamp(time, 0, this.video.duration);
    if (!keepsPlaying) this.stopAt = null;
    if (this.hasVideo) this.player.currentTime = this.time;
    this.movePlayhead();
  }

  movePlayhead() {
    if (!this.head) return;
    const at = this.x(this.time);
    const isInside = this.time >= this.view.from && this.time <= this.view.to;
    this.head.setAttribute("visibility", isInside ? "visible" : "hidden");
    this.head.setAttribute("transform", `translate(${at.toFixed(1)} 0)`);
    const length = this.video.duration;
    this.clock.textContent = `${onClock(this.time, length, 0.1)} ${length < 120 ? "s" : ""}`;
  }

  // The playhead and the view go with the video
  follow() {
    const step = () => {
      if (!this.root.isConnected && this.wasConnected) return;
      this.wasConnected ||= this.root.isConnected;
      requestAnimationFrame(step);
      if (!this.hasVideo || this.player.seeking) return;
      const isPlaying = !this.player.paused;
      this.playButton.querySelector("path").setAttribute("d", isPlaying ? ICONS.pause : ICONS.play);
      if (!isPlaying || this.player.readyState < 2) return;
      this.time = this.player.currentTime;
      if (this.stopAt !== null && this.time >= this.stopAt) {
        this.player.pause();
        this.seek(this.stopAt); // a slow machine notices the end late
      }
      if (this.time > this.view.to && this.time < this.video.duration) {
        const width = this.view.to - this.view.from;
        this.setView(this.time, this.time + width);
      }
      this.movePlayhead();
    };
    requestAnimationFrame(step);
  }

  playOrPause() {
    if (!this.hasVideo) {
      this.say("No video file is given for this video; the timeline works without it.");
    } else if (this.player.paused) {
      this.stopAt = null;
      this.start();
    } else {
      this.player.pause();
    }
  }

  start() {
    // a browser that forbids playing without a click says so by a rejected promise
    this.player.play().catch(() => this.say("The browser did not let the video play; press its button."));
  }

  select(detection) {
    this.selected = detection;
    this.selectedMark = null;
    this.options.onChoice?.();
    this.chooseClass(detection.label);
    this.say(this.describe(detection));
    if (detection.start < this.view.from || detection.end > this.view.to) {
      const isInside = detection.end > this.view.from && detection.start < this.view.to;
      if (!isInside) this.centre((detection.start + detection.end) / 2);
    }
    this.redraw();
  }

  // The video jumps to a detection and plays to its end
  play(detection) {
    this.select(detection);
    this.seek(detection.start);
    if (!this.hasVideo) return;
    this.stopAt = detection.end;
    this.start();
  }

  // The next detection by its start, of those that are drawn
  step(by) {
    const order = this.drawn;
    if (!order.length) {
      this.say("No detection is drawn.");
      return;
    }
    const now = order.findIndex((detection) => detection.number === this.selected?.number);
    let next = now + by;
    if (now < 0) {
      const later = order.findIndex((detection) => detection.start >= this.time);
      next = by > 0 ? (later < 0 ? 0 : later) : (later < 0 ? order.length : later) - 1;
    }
    const detection = order[(next + order.length) % order.length];
    this.player.pause();
    this.select(detection);
    this.seek(detection.start);
  }

  // ---------------------------------------------------------------- what is in view

  setView(from, to) {
    const length = this.video.duration;
    const width = clamp(to - from, Math.min(SHORTEST_VIEW, length), length);
    const start = clamp(from, 0, length - width);
    this.view = { from: start, to: start + width };
    this.redraw();
  }

  zoom(by, around = null) {
    const { from, to } = this.view;
    const inside = this.time >= from && this.time <= to;
    const fixed = around ?? (inside ? this.time : (from + to) / 2);
    this.setView(fixed - (fixed - from) * by, fixed + (to - fixed) * by);
  }

  centre(time) {
    const half = (this.view.to - this.view.from) / 2;
    this.setView(time - half, time + half);
  }

  // A span with some room on either side
  look(start, end) {
    const room = Math.max(5, 2 * (end - start));
    this.setView(start - room, end + room);
  }

  showAll() {
    this.setView(0, this.video.duration);
  }

  // ---------------------------------------------------------------- pointer

  positionOf(event) {
    const box = this.svg.getBoundingClientRect();
    const scale = this.width / box.width;
    return { x: (event.clientX - box.left) * scale, y: (event.clientY - box.top) * scale };
  }

  onDown(event) {
    if (event.button !== 0) return;
    const at = this.positionOf(event);
    const lane = this.lanes.find((one) => at.y >= one.top && at.y < one.bottom);
    const does = at.y < HEIGHTS.axis ? "scrub" : this.marking.open && lane ? "mark" : "pan";
    const { from, to } = this.view;
    this.drag = { at, lane, does, from, to, target: event.target, hasMoved: false };
    this.svg.setPointerCapture(event.pointerId);
    if (does === "scrub") this.seek(this.timeAt(at.x));
  }

  onMove(event) {
    const drag = this.drag;
    if (!drag) return;
    const at = this.positionOf(event);
    drag.hasMoved ||= Math.abs(at.x - drag.at.x) > CLICK_SLIP;
    if (drag.does === "scrub") this.seek(this.timeAt(at.x));
    if (!drag.hasMoved) return;
    if (drag.does === "pan") {
      const moved = ((drag.at.x - at.x) * (drag.to - drag.from)) / (this.width - this.left - EDGE);
      this.setView(drag.from + moved, drag.to + moved);
    }
    if (drag.does === "mark") {
      const left = clamp(Math.min(at.x, drag.at.x), this.left, this.width);
      this.band.setAttribute("x", left);
      this.band.setAttribute("width", clamp(Math.max(at.x, drag.at.x), this.left, this.width) - left);
      this.band.setAttribute("y", drag.lane.top);
      this.band.setAttribute("height", drag.lane.bottom - drag.lane.top);
    }
  }

  onUp(event) {
    const drag = this.drag;
    this.endDrag();
    if (!drag || drag.does === "scrub") return;
    const at = this.positionOf(event);
    if (drag.hasMoved) {
      if (drag.does !== "mark") return;
      const times = [this.timeAt(drag.at.x), this.timeAt(at.x)].sort((a, b) => a - b);
      this.chooseClass(drag.lane.label);
      this.addMark({ label: drag.lane.label, start: times[0], end: times[1] });
      return;
    }
    const detection = drag.target.closest("[data-detection]");
    const mark = drag.target.closest("[data-mark]");
    if (detection) this.play(this.video.detections[Number(detection.dataset.detection)]);
    else if (mark) this.selectMark(this.marks[Number(mark.dataset.mark)]);
    else if (drag.does === "mark") {
      this.chooseClass(drag.lane.label);
      this.addMark({ label: drag.lane.label, start: this.timeAt(at.x), end: null });
    } else this.seek(this.timeAt(at.x));
  }

  endDrag() {
    this.drag = null;
    this.band?.setAttribute("width", 0);
  }

  onWheel(event) {
    const sideways = event.shiftKey ? event.deltaY || event.deltaX : event.deltaX;
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      this.zoom(event.deltaY > 0 ? 1.25 : 0.8, this.timeAt(this.positionOf(event).x));
    } else if (Math.abs(sideways) > Math.abs(event.shiftKey ? 0 : event.deltaY)) {
      event.preventDefault();
      const { from, to } = this.view;
      const moved = (sideways / this.width) * (to - from);
      this.setView(from + moved, to + moved);
    }
  }

  // ---------------------------------------------------------------- keys

  onKey(event) {
    const own = event.target.closest?.("input, select, textarea, video, button, summary, a");
    if (!this.video || event.altKey || event.metaKey) return;
    if (own && own.matches("input, select, textarea")) return;
    if (own && [" ", "Enter"].includes(event.key)) return; // these press the button itself
    if (own?.matches("video") && event.key.startsWith("Arrow")) return;
    if (event.ctrlKey && event.key.toLowerCase() !== "z") return;
    const action = this.actionOf(event);
    if (!action) return;
    event.preventDefault();
    event.stopPropagation();
    action();
  }

  actionOf(event) {
    const by = event.shiftKey ? 0.1 : 1;
    const digit = /^[1-9]$/.test(event.key) && !event.ctrlKey ? Number(event.key) : 0;
    if (event.ctrlKey) return () => (event.shiftKey ? this.redo() : this.undo());
    if (digit && this.marking.open) return () => this.chooseClass(this.lanes[digit - 1]?.label ?? this.marked);
    const actions = {
      " ": () => this.playOrPause(),
      ArrowLeft: () => this.seek(this.time - by),
      ArrowRight: () => this.seek(this.time + by),
      Enter: () => this.selected && this.play(this.selected),
      n: () => this.step(1),
      p: () => this.step(-1),
      "+": () => this.zoom(0.5),
      "=": () => this.zoom(0.5),
      "-": () => this.zoom(2),
      0: () => this.showAll(),
      m: () => this.markClick(),
      "[": () => this.beginSegment(),
      "]": () => this.endSegment(),
      a: () => this.takeDetection(),
      Delete: () => this.deleteMark(),
      Backspace: () => this.deleteMark(),
      u: () => this.undo(),
      U: () => this.redo(),
    };
    return actions[event.key];
  }

  // ---------------------------------------------------------------- marks

  marksHere() {
    return this.marks.filter((mark) => mark.video === this.place);
  }

  chooseClass(label) {
    this.marked = label;
    this.markClass.selectedIndex = label;
    if (this.marking.open) this.redraw();
  }

  change(marks, words) {
    this.past.push(this.marks);
    this.future = [];
    this.replace(marks, words);
  }

  replace(marks, words) {
    this.marks = marks;
    this.unsaved = new Set(this.options.inNotebook ? [] : ["clicks", "segments"]);
    if (!marks.includes(this.selectedMark)) this.selectedMark = null;
    this.say(words);
    this.options.onMarks?.(this.rowsOfMarks());
    this.redraw();
  }

  addMark({ label, start, end }) {
    this.marking.open = true;
    const mark = { video: this.place, label, start: rounded(start), end: end === null ? null : rounded(end) };
    const same = this.marks.some((one) => ["video", "label", "start", "end"].every((key) => one[key] === mark[key]));
    if (same) {
      this.say(`already there: ${this.describeMark(mark)}`);
      return;
    }
    this.selectedMark = mark;
    this.selected = null;
    this.change([...this.marks, mark], `marked ${this.describeMark(mark)}`);
  }

  markClick() {
    this.addMark({ label: this.marked, start: this.time, end: null });
  }

  beginSegment() {
    this.marking.open = true;
    this.begun = this.time;
    this.say(`${this.content.classes[this.marked]} begins at ${inWords(this.begun)}; ] or "End" ends it`);
  }

  endSegment() {
    if (this.begun === null) {
      this.say('nothing has begun; [ or "Begin" begins a segment');
      return;
    }
    const times = [this.begun, this.time].sort((a, b) => a - b);
    this.begun = null;
    this.addMark({ label: this.marked, start: times[0], end: times[1] });
  }

  takeDetection() {
    if (this.selected) this.addMark({ ...this.selected });
    else this.say("choose a detection first: click it, or press n");
  }

  selectMark(mark) {
    this.selectedMark = mark;
    this.selected = null;
    this.chooseClass(mark.label);
    this.seek(mark.start);
    this.say(`${this.describeMark(mark)}; Delete takes it away`);
    this.redraw();
  }

  deleteMark() {
    const mark = this.selectedMark;
    if (!mark) {
      this.say("choose a mark first: click it");
      return;
    }
    const rest = this.marks.filter((one) => one !== mark);
    this.change(rest, `deleted ${this.describeMark(mark)}`);
  }

  undo() {
    if (!this.past.length) {
      this.say("nothing to undo");
      return;
    }
    this.future.push(this.marks);
    this.replace(this.past.pop(), "undone");
  }

  redo() {
    if (!this.future.length) {
      this.say("nothing to redo");
      return;
    }
    this.past.push(this.marks);
    this.replace(this.future.pop(), "done again");
  }

  fillMarks() {
    const here = this.marksHere().sort((a, b) => a.start - b.start);
    const items = here.map((mark) => {
      const words = this.describeMark(mark);
      const go = make("button", {
        type: "button",
        className: mark === this.selectedMark ? "plain selected" : "plain",
        textContent: words,
        onclick: () => this.selectMark(mark),
      });
      const away = make("button", {
        type: "button",
        textContent: "×",
        title: `delete ${words}`,
        "aria-label": `delete ${words}`,
        onclick: () => {
          this.selectedMark = mark;
          this.deleteMark();
        },
      });
      return make("li", {}, go, away);
    });
    this.markList.replaceChildren(...items);
    const { clicks, segments } = this.rowsOfMarks();
    if (!clicks.length) this.unsaved.delete("clicks");
    if (!segments.length) this.unsaved.delete("segments");
    const saved = this.unsaved.size ? `; ${[...this.unsaved].join(" and ")} not saved yet` : "";
    const videos = new Set(this.marks.map((mark) => mark.video)).size;
    const words = `${count(clicks.length, "click")} and ${count(segments.length, "segment")}`;
    this.markWords.textContent = `${words} in ${count(videos, "video")}${saved}`;
    this.saveButtons[0].disabled = !clicks.length;
    this.saveButtons[1].disabled = !segments.length;
  }

  // Rows as clicks.csv and segments.csv hold them, by video and time
  rowsOfMarks() {
    const ordered = [...this.marks].sort((a, b) => a.video - b.video || a.start - b.start);
    const names = (mark) => [this.videos[mark.video].name, this.content.classes[mark.label]];
    return {
      clicks: ordered.filter((mark) => mark.end === null).map((mark) => [...names(mark), mark.start]),
      segments: ordered
        .filter((mark) => mark.end !== null)
        .map((mark) => [...names(mark), mark.start, mark.end]),
    };
  }

  save(kind) {
    const columns = { clicks: ["video", "label", "t"], segments: ["video", "label", "t_start", "t_end"] };
    const text = asCsv(columns[kind], this.rowsOfMarks()[kind]);
    const address = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
    make("a", { href: address, download: `${kind}.csv` }).click();
    setTimeout(() => URL.revokeObjectURL(address), 10_000);
    this.unsaved.delete(kind);
    this.say(`saved ${kind}.csv; put it beside labels.csv`);
    this.redraw();
  }
}

function mountTimeline(root, content, options = {}) {
  const view = new TimelineView(root, content, options);
  if (!options.inNotebook) view.openAddress();
  return view;
}
