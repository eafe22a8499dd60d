// One row per class, and which class is taken for which. Both are of one method at a time.

const MOST_IN_MATRIX = 30; // classes; of more, those that are confused most
const MOST_CONFUSED = 10; // rows of the list beside the matrix

function showClasses(root, content) {
  const labels = content.timeline.classes;
  const kinds = content.methods[0].kinds.map(({ kind }) => kind);
  const number = (name, key, title, wide = false) => ({
    name,
    title,
    wide,
    value: (row) => row[key],
    cell: (row) => row[key].toLocaleString("en"),
  });
  const columns = [
    { name: "class", text: true, value: (row) => labels[row.label] },
    {
      name: `AP at ${content.tiou}`,
      title: "in percent",
      value: (row) => row.ap,
      cell: (row) => withBar(percent(row.ap, 1), row.ap / 100),
    },
    {
      name: "mean AP",
      title: `in percent, over tIoU ${content.thresholds[0]} to ${content.thresholds.at(-1)}`,
      value: (row) => row.average_ap,
      cell: (row) => percent(row.average_ap, 1),
    },
    ...othersOf(content),
    number("instances", "instances", "in the ground truth"),
    number("not found", "missed", "instances that no detection matched"),
    number("detections", "detections", "of this class, all that are scored"),
    number("errors", "errors", "false positives up to 10G"),
    ...kinds.map((kind, place) => ({
      name: `${kind} (%)`,
      title: "of the errors of this class",
      value: (row) => row.shares[place],
      cell: (row) => percent(row.shares[place], 0),
    })),
  ];
  const table = new SortableTable({
    caption: `Each class; errors and their shares are of the detections up to 10G, at tIoU ${content.tiou}`,
    columns,
    sortedBy: 1,
  });
  table.element.classList.add("first-stays");
  root.replaceChildren(chooseMethod(content, (method) => table.fill(method.classes)), table.element);
}

// AP of each further method: columns that do not go with the choice
function othersOf({ methods, tiou }) {
  if (methods.length < 2) return [];
  return methods.map((method) => {
    const ap = new Map(method.classes.map((row) => [row.label, row.ap]));
    return {
      name: `AP at ${tiou}, ${method.name}`,
      value: (row) => ap.get(row.label) ?? null,
      cell: (row) => percent(ap.get(row.label) ?? null, 1),
    };
  });
}

// A list of methods where there are several; the first one is shown at once
function chooseMethod({ methods }, show) {
  const { label } = choice("Method ", methods.map((method) => method.name), (number) => show(methods[number]));
  show(methods[0]);
  return make("p", { className: "bar", hidden: methods.length < 2 }, label);
}

function showConfusion(root, content) {
  const place = make("div", { className: "confusion" });
  const show = (method) => place.replaceChildren(...confusionOf(method, content));
  root.replaceChildren(chooseMethod(content, show), place);
}

function confusionOf(method, content) {
  const labels = content.timeline.classes;
  const off = method.confusion.filter(([truth, detected]) => truth !== detected && truth >= 0 && detected >= 0);
  const confused = [...off].sort((a, b) => b[2] - a[2]).slice(0, MOST_CONFUSED);
  const present = method.classes.map((row) => row.label);
  const weight = new Map(present.map((label) => [label, 0]));
  for (const [truth, detected, count] of off) {
    for (const label of [truth, detected]) weight.set(label, (weight.get(label) ?? 0) + count);
  }
  const chosen = new Set([...present].sort((a, b) => weight.get(b) - weight.get(a)).slice(0, MOST_IN_MATRIX));
  const shown = present.filter((label) => chosen.has(label));
  const cut = shown.length < present.length ? ` The ${shown.length} of ${present.length} classes that are confused most.` : "";
  const caption =
    `Rows: the class of the instance that a detection overlaps most, by a tIoU of 0.1 or more. Columns: the ` +
    `class of the detection. Detections up to 10G; in the last column instances that no detection matched.${cut}`;
  const list = confused.map(([truth, detected, count]) =>
    make("li", {}, `${labels[truth]} taken for `, labels[detected], `: ${count.toLocaleString("en")}`),
  );
  const words = confused.length ? "Taken for another class most often:" : "No class is taken for another one.";
  return [
    make("p", { textContent: words }),
    make("ol", { className: "confused" }, ...list),
    matrix(caption, shown, labels, method.confusion),
  ];
}

// Cells are shaded by their share of the row
function matrix(caption, shown, labels, counts) {
  const rows = [...shown, -1];
  const name = (label, none) => (label < 0 ? none : labels[label]);
  const of = new Map(counts.map(([truth, detected, count]) => [`${truth},${detected}`, count]));
  const names = rows.map((label) => {
    const words = name(label, "not found");
    return make("th", { scope: "col", title: words }, make("span", { textContent: words }));
  });
  const lines = rows.map((truth) => {
    const values = rows.map((detected) => of.get(`${truth},${detected}`) ?? 0);
    const total = values.reduce((a, b) => a + b, 0);
    const cells = values.map((value, column) => {
      const detected = rows[column];
      const cell = make("td", { textContent: value ? value.toLocaleString("en") : "·" });
      if (truth === detected && truth >= 0) cell.classList.add("right");
      cell.style.setProperty("--share", `${total ? Math.round((100 * value) / total) : 0}%`);
      cell.title = `${name(truth, "nothing")} detected as ${name(detected, "nothing")}: ${value}`;
      return cell;
    });
    return make("tr", {}, make("th", { scope: "row", className: "text" }, name(truth, "nothing")), ...cells);
  });
  const corner = make("th", { scope: "col", className: "text", textContent: "truth ↓ detected →" });
  const head = make("thead", {}, make("tr", {}, corner, ...names));
  const element = captioned(caption, make("table", { className: "matrix" }, head, make("tbody", {}, ...lines)));
  element.classList.add("first-stays");
  return element;
}
