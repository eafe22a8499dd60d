// A figure that steps: panels under one or two sliders, every position computed beforehand.
//
// `mountSteps(root, content, moved)` draws it into an element. `content` is what `content_of` of
// step_figure.py writes. Names in it are data of somebody's file, so they only ever become text,
// never markup. A moved slider changes the paths whose states depend on it, and nothing else.

const SVG = "http://www.w3.org/2000/svg";
const SHADES = 8; // steps of opacity of boxes and of cells of a heat strip
const GUTTER = 46; // pixels left of the panels, for the numbers of an axis
const EDGE = 10; // pixels right of them
const HEIGHTS = { name: 19, ticks: 18, axis: 17, gap: 6 };
const TICK_WIDTH = 46; // pixels that a number of the lower axis needs
const UNSEEN_WIDTH = 700; // pixels to draw in while the figure is not on the screen

function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

function draw(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// ---------------------------------------------------------------- states as paths

const near = (pixel) => Math.round(pixel * 10) / 10;

function rectangle(left, right, top, bottom) {
  return `M${near(left)} ${near(top)}H${near(right)}V${near(bottom)}H${near(left)}Z`;
}

// Steps over the grid; a missing value ends the line
function stairs(values, layer, x, y) {
  let path = "";
  let isDown = false;
  values.forEach((value, place) => {
    const left = near(x(layer.first + place * layer.step));
    const right = near(x(layer.first + (place + 1) * layer.step));
    if (value !== null) path += `${isDown ? "V" : `M${left} `}${near(y(value))}H${right}`;
    isDown = value !== null;
  });
  return path;
}

function polyline(values, layer, x, y) {
  let path = "";
  let isDown = false;
  values.forEach((value, place) => {
    const point = `${near(x(layer.first + place * layer.step))} ${near(y(value))}`;
    if (value !== null) path += `${isDown ? "L" : "M"}${point}`;
    isDown = value !== null;
  });
  return path;
}

// From the zero line to each value; width: share of the step that a rectangle takes
function columns(values, layer, x, y, width, shift) {
  const parts = values.map((value, place) => {
    if (!value) return "";
    const middle = layer.first + (place + shift) * layer.step;
    const half = (width * layer.step) / 2;
    return rectangle(x(middle - half), x(middle + half), y(value), y(0));
  });
  return parts.join("");
}

// One path for each shade
function shaded(rows) {
  const paths = Array(SHADES).fill("");
  for (const [shade, path] of rows) if (shade > 0) paths[shade - 1] += path;
  return paths;
}

function cells(matrix, layer, x, y) {
  const rows = matrix.flatMap((row, lane) =>
    row.map((shade, place) => {
      const left = x(layer.first + place * layer.step);
      const right = x(layer.first + (place + 1) * layer.step);
      return [shade, rectangle(left, right, y.of(lane), y.of(lane + 1))];
    }),
  );
  return shaded(rows);
}

const SHAPES = {
  line: (state, layer, x, y) => [polyline(state, layer, x, y)],
  steps: (state, layer, x, y) => [stairs(state, layer, x, y)],
  area: (state, layer, x, y) => [columns(state, layer, x, y, 1, 0.5)],
  bars: (state, layer, x, y) => [columns(state, layer, x, y, 0.8, 0)],
  boxes: (state, layer, x, y) =>
    shaded(state.map(([left, right, low, high, shade]) => [
      shade, rectangle(x.in(left), x.in(right), y(high), y(low)),
    ])),
  levels: (state, layer, x, y) => [state.map((v) => `M${x.start} ${near(y(v))}H${x.end}`).join("")],
  marks: (state, layer, x, y) => [state.map((v) => `M${near(x.in(v))} ${y.top}V${y.bottom}`).join("")],
  heat: cells,
};

// From values to pixels. `in` and the call of y take whole numbers of the axis's unit.
function scaleOf({ low, high, unit }, start, end) {
  const of = (value) => start + ((value - low) / (high - low)) * (end - start);
  return { of, units: (number) => of(number * unit) };
}

function scales(axis, panel, box) {
  const across = scaleOf(axis, box.left, box.right);
  const up = scaleOf(panel, box.bottom, box.top);
  const x = Object.assign((value) => across.of(value), {
    in: across.units, start: box.left, end: box.right,
  });
  const y = Object.assign((number) => up.units(number), {
    of: up.of, top: box.top, bottom: box.bottom,
  });
  return { x, y };
}

// ---------------------------------------------------------------- the figure

function mountSteps(root, content, moved = () => {}) {
  const start = content.sliders.map((slider) => slider.start);
  let places = [...start];
  let reference = [...start];
  let paths = []; // of layers that depend on a slider

  const picture = draw("svg", { role: "img", "aria-label": content.alt });
  const now = make("p", { className: "now" });
  const other = make("p", { className: "other" });
  const ghostKey = make("span", {});
  const compare = make("button", { type: "button", textContent: "compare with this" });
  const back = make("button", { type: "button", textContent: "back to the start" });
  const inputs = content.sliders.map((slider) =>
    make("input", { type: "range", min: 0, max: slider.texts.length - 1, step: 1 }),
  );
  const outputs = content.sliders.map((slider) => {
    const longest = Math.max(...slider.texts.map((text) => text.length));
    return make("output", { style: `min-width: ${longest}ch` });
  });

  const stateAt = (part, at) =>
    part.states[part.by.reduce((n, s) => n * content.sliders[s].texts.length + at[s], 0)];
  const named = (at) =>
    content.sliders.map((slider, s) => `${slider.name} = ${slider.texts[at[s]]}`).join(", ");

  function refresh() {
    const isApart = places.some((place, s) => place !== reference[s]);
    for (const { layer, x, y, elements, ghost } of paths) {
      const state = stateAt(layer, places);
      const before = stateAt(layer, reference);
      SHAPES[layer.kind](state, layer, x, y).forEach((d, n) => elements[n].setAttribute("d", d));
      if (!ghost) continue;
      const d = isApart && before !== state ? SHAPES[layer.kind](before, layer, x, y).join("") : "";
      ghost.setAttribute("d", d);
    }
    inputs.forEach((input, s) => {
      const text = content.sliders[s].texts[places[s]];
      input.value = places[s];
      input.setAttribute("aria-valuetext", text);
      outputs[s].textContent = text;
    });
    now.textContent = `${named(places)}: ${stateAt(content.readout, places)}`;
    other.textContent = isApart
      ? `Dashed, ${named(reference)}: ${stateAt(content.readout, reference)}`
      : "The dashed outline of this position stays when the slider moves.";
    ghostKey.textContent = `dashed: ${named(reference)}`;
    compare.disabled = !isApart;
    back.disabled = !isApart && places.every((place, s) => place === start[s]);
  }

  function layOut(width) {
    const boxes = [];
    let bottom = 0;
    content.panels.forEach((panel, number) => {
      const top = bottom + HEIGHTS.name;
      const box = { left: GUTTER, right: width - EDGE, top, bottom: top + panel.height };
      box.isLast = content.panels[number + 1]?.axis !== panel.axis;
      bottom = box.bottom + HEIGHTS.gap + (box.isLast ? HEIGHTS.ticks + HEIGHTS.axis : 0);
      boxes.push(box);
    });
    paths = [];
    picture.setAttribute("viewBox", `0 0 ${width} ${bottom}`);
    picture.replaceChildren(...content.panels.map((panel, n) => drawPanel(panel, boxes[n])));
    refresh();
  }

  function drawPanel(panel, box) {
    const axis = content.axes[panel.axis];
    const { x, y } = scales(axis, panel, box);
    const name = draw("text", { x: box.left, y: box.top - 6, class: "name" }, panel.name);
    const frame = { x: box.left, y: box.top, width: box.right - box.left, height: panel.height };
    const group = draw("g", {}, name, draw("rect", { ...frame, class: "frame" }));
    for (const [left, right] of panel.axis === 0 ? content.shaded : []) {
      group.append(draw("path", { d: rectangle(x(left), x(right), box.top, box.bottom), class: "shaded" }));
    }
    for (const [value, text] of panel.ticks) {
      const level = near(y.of(value));
      group.append(
        draw("path", { d: `M${box.left} ${level}H${box.right}`, class: "grid" }),
        draw("text", { x: box.left - 6, y: level + 4, class: "number up" }, text),
      );
    }
    if (box.isLast) group.append(...drawAxis(axis, x, box));
    // what lies beyond the range is cut off by an inner picture of the panel's size
    const inner = draw("svg", { ...frame, viewBox: Object.values(frame).join(" ") });
    group.append(inner);
    panel.layers.forEach((layer) => inner.append(...drawLayer(layer, x, y)));
    return group;
  }

  function drawAxis(axis, x, box) {
    const room = (box.right - box.left) / TICK_WIDTH;
    const every = Math.max(1, Math.ceil(axis.ticks.length / room));
    const numbers = axis.ticks
      .filter((_, number) => number % every === 0)
      .map(([value, text]) =>
        draw("text", { x: near(x(value)), y: box.bottom + 15, class: "number" }, text),
      );
    const middle = (box.left + box.right) / 2;
    return [...numbers, draw("text", { x: middle, y: box.bottom + 32, class: "axis" }, axis.name)];
  }

  function drawLayer(layer, x, y) {
    const look = `${layer.kind} ${layer.colour} ${layer.look}`;
    const shades = SHAPES[layer.kind](layer.states[0], layer, x, y).length;
    const elements = Array.from({ length: shades }, (_, n) =>
      draw("path", { class: look, opacity: (n + 1) / shades }),
    );
    const hasGhost = layer.by.length > 0 && layer.ghost;
    const ghost = hasGhost ? draw("path", { class: `ghost ${layer.colour}` }) : null;
    paths.push({ layer, x, y, elements, ghost });
    return ghost ? [...elements, ghost] : elements;
  }

  function legend() {
    const seen = new Map();
    for (const layer of content.panels.flatMap((panel) => panel.layers)) {
      if (layer.name && !seen.has(layer.name)) seen.set(layer.name, layer);
    }
    const key = (classes, words) => {
      const isOpen = /^(line|steps|levels|marks|ghost) /.test(classes);
      const d = isOpen ? "M1 6H23" : "M1 1H23V11H1Z";
      const sample = draw("svg", { viewBox: "0 0 24 12", "aria-hidden": "true" });
      sample.append(draw("path", { d, class: classes }));
      return make("li", {}, sample, words);
    };
    const keys = [...seen.values()].map((layer) =>
      key(`${layer.kind} ${layer.colour} ${layer.look}`, layer.name),
    );
    if (content.shaded.length) keys.push(key("shaded", content.shaded_name));
    return make("ul", { className: "legend" }, ...keys, key("ghost ink", ghostKey));
  }

  function moveTo(next, nextReference = reference) {
    places = next;
    reference = nextReference;
    refresh();
    moved(places);
  }

  inputs.forEach((input, s) => {
    input.addEventListener("input", () => moveTo(places.with(s, Number(input.value))));
    // arrow keys are the slider's own, not the notebook's or the book's
    input.addEventListener("keydown", (event) => event.stopPropagation());
  });
  compare.addEventListener("click", () => moveTo(places, [...places]));
  back.addEventListener("click", () => moveTo([...start], [...start]));

  const sliders = content.sliders.map((slider, s) =>
    make("label", {}, make("span", { textContent: slider.name }), inputs[s], outputs[s]),
  );
  const controls = make("div", { className: "controls" }, ...sliders, compare, back);
  const readout = make("div", { className: "readout", "aria-live": "polite" }, now, other);
  root.dataset.lmSuppressShortcuts = "true"; // JupyterLab leaves the keys to the sliders
  root.replaceChildren(
    make("p", { className: "title", textContent: content.title }), controls, readout, picture, legend(),
  );
  let drawnWidth = 0;
  function fit() {
    const width = Math.round(root.clientWidth) || UNSEEN_WIDTH;
    if (width !== drawnWidth) layOut(width);
    drawnWidth = width;
  }
  const watch = new ResizeObserver(fit);
  watch.observe(root);
  fit();
  return () => watch.disconnect();
}
