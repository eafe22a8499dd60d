// Precision against recall: all methods on one axis, for one class or for all of them together.

const PLOT = { width: 640, height: 400, left: 52, right: 14, top: 12, bottom: 44 };
// lines differ by more than their colour
const DASHES = ["", "8 4", "2 3", "10 3 2 3", "5 2", "12 4", "2 6"];

function showCurves(root, content) {
  const labels = content.timeline.classes;
  const listed = content.methods[0].curves.map((curve) => curve.label);
  const names = listed.map((label) => (label < 0 ? "all classes together" : labels[label]));
  const figure = make("div", { className: "scroll figure", tabIndex: 0 });
  const words = make("ul", { className: "legend" });
  const raw = make("input", { type: "checkbox", onchange: () => show() });
  const { label, select } = choice("Class ", names, () => show());
  const show = () => {
    const wanted = listed[select.selectedIndex];
    const curves = content.methods.map((method) => ({
      method,
      ...method.curves.find((curve) => curve.label === wanted),
    }));
    figure.replaceChildren(plot(curves, raw.checked, names[select.selectedIndex]));
    figure.setAttribute("aria-label", `precision against recall, ${names[select.selectedIndex]}`);
    words.replaceChildren(...curves.map((curve, number) => entry(curve, number, wanted)));
  };
  const caption = make("p", {
    className: "quiet",
    textContent:
      `At tIoU ${content.tiou}, from the best-scored detection on. The line is the best precision at that recall ` +
      "or a higher one; the area under that of a class is its AP. Of all classes together scores are compared " +
      "across classes, which mAP never does.",
  });
  const box = make("label", {}, raw, " precision itself, too");
  root.replaceChildren(make("p", { className: "bar" }, label, box), figure, words, caption);
  show();
}

function entry(curve, number, label) {
  const line = draw("svg", { viewBox: "0 0 28 8", width: 28, height: 8, "aria-hidden": "true" });
  line.append(draw("path", { class: `curve method-${number}`, d: "M0 4H28", "stroke-dasharray": DASHES[number] }));
  const row = curve.method.classes.find((one) => one.label === label);
  const ap = row ? `AP ${percent(row.ap, 1)} %, ` : "";
  const last = curve.recall.at(-1) ?? 0;
  const words = `${curve.method.name}: ${ap}recall up to ${percent(100 * last, 1)} % of ${count(curve.instances, "instance")}`;
  return make("li", {}, line, words);
}

function plot(curves, withRaw, name) {
  const { width, height, left, right, top, bottom } = PLOT;
  const x = (recall) => rounded(left + recall * (width - left - right), 1);
  const y = (precision) => rounded(height - bottom - precision * (height - top - bottom), 1);
  const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, class: "plot", role: "img" });
  svg.append(draw("title", {}, `precision against recall, ${name}`));
  for (let tick = 0; tick <= 10; tick += 2) {
    const share = tick / 10;
    svg.append(
      draw("line", { class: "grid", x1: x(share), x2: x(share), y1: y(0), y2: y(1) }),
      draw("line", { class: "grid", x1: x(0), x2: x(1), y1: y(share), y2: y(share) }),
      draw("text", { x: x(share), y: y(0) + 16, "text-anchor": "middle" }, share.toFixed(1)),
      draw("text", { x: x(0) - 6, y: y(share) + 4, "text-anchor": "end" }, share.toFixed(1)),
    );
  }
  svg.append(draw("text", { x: x(0.5), y: height - 8, "text-anchor": "middle" }, "recall"));
  const middle = `translate(14 ${y(0.5)}) rotate(-90)`;
  svg.append(draw("text", { transform: middle, "text-anchor": "middle" }, "precision"));
  curves.forEach((curve, number) => {
    const line = (values, kind) => ({
      class: `${kind} method-${number}`,
      d: steps(curve.recall, values, x, y),
      "stroke-dasharray": DASHES[number],
    });
    if (withRaw) svg.append(draw("path", line(curve.precision, "raw curve")));
    svg.append(draw("path", line(curve.envelope, "curve")));
  });
  return svg;
}

// A value holds from the recall before it up to its own
function steps(recall, values, x, y) {
  if (!recall.length) return `M${x(0)} ${y(0)}`;
  return `M${x(0)} ${y(values[0])}` + recall.map((r, place) => `V${y(values[place])}H${x(r)}`).join("");
}
