// mAP of each method at each threshold, differences of methods with their intervals, and what each
// kind of error costs.

function showScores(root, content) {
  const { methods, thresholds, averages } = content;
  const best = (pick) => Math.max(...methods.map(pick));
  const cell = (method, pick) => {
    const words = percent(pick(method));
    const isBest = methods.length > 1 && pick(method) === best(pick);
    return make(isBest ? "b" : "span", { textContent: words });
  };
  const picks = [
    ...averages.map((_, place) => (method) => method.averages[place]),
    (method) => method.normalised,
    ...thresholds.map((_, place) => (method) => method.map[place]),
  ];
  const names = ["method", ...averages.map((name) => `mean ${name}`), "normalised", ...thresholds];
  const rows = methods.map((method) => [method.name, ...picks.map((pick) => cell(method, pick))]);
  const caption =
    "mAP in percent: means over the thresholds that papers quote, normalised mAP, then mAP at each tIoU" +
    (methods.length > 1 ? "; the best in bold" : "");
  root.replaceChildren(plainTable(caption, names, rows));
}

function showPaired(root, content) {
  const { methods, thresholds, paired } = content;
  const names = methods.map((method) => method.name);
  const place = make("div");
  const fill = (other) => {
    const rows = names.flatMap((name, number) => {
      if (number === other) return [];
      const cells = paired.rows[`${number},${other}`].map(differenceCell);
      return [[name, cells.at(-1), ...cells.slice(0, -1)]];
    });
    const caption =
      `mAP minus that of ${names[other]}, in points, with 95 % intervals: ` +
      `${paired.resamples.toLocaleString("en")} resamples of the videos, on which all methods are scored. ` +
      "▲ and ▼: the interval leaves out 0";
    place.replaceChildren(plainTable(caption, ["method", "average", ...thresholds], rows));
  };
  const { label } = choice("Compare with ", names, fill);
  root.replaceChildren(make("p", { className: "bar" }, label), place);
  fill(0);
}

function differenceCell([difference, low, high, share]) {
  const sign = low > 0 ? "better" : high < 0 ? "worse" : "open";
  const mark = { better: "▲ ", worse: "▼ ", open: "" }[sign];
  const cell = make("span", { className: `difference ${sign}`, title: `better in ${share} % of the resamples` });
  cell.append(`${mark}${signed(difference)}`, make("br"));
  cell.append(make("small", { textContent: `${signed(low, 1)} to ${signed(high, 1)}` }));
  return cell;
}

// Of all methods, below each other; the kinds as columns would not fit a telephone
function showKinds(root, content, kinds) {
  const rows = content.methods.flatMap((method) => method.kinds.map((kind) => ({ ...kind, method: method.name })));
  const largest = Math.max(...rows.map((row) => row.gain), 1e-9);
  const columns = [
    { name: "kind", text: true, value: (row) => row.kind, cell: (row) => kindLabel(row.kind, kinds) },
    ...(content.methods.length > 1 ? [{ name: "method", text: true, value: (row) => row.method }] : []),
    {
      name: "gain of mAP",
      title: `points of mAP at tIoU ${content.tiou} if all errors of this kind were not there`,
      value: (row) => row.gain,
      cell: (row) => withBar(signed(row.gain), row.gain / largest),
    },
    {
      name: "gain of normalised mAP",
      title: "points of normalised mAP, by DETAD: detections up to 10G",
      value: (row) => row.normalised_gain,
      cell: (row) => signed(row.normalised_gain),
    },
    {
      name: "share (%)",
      title: "of the false positives up to 10G",
      value: (row) => row.share,
      cell: (row) => percent(row.share, 1),
    },
    {
      name: "errors",
      title: "up to 10G",
      value: (row) => row.count,
      cell: (row) => row.count.toLocaleString("en"),
    },
  ];
  const table = new SortableTable({
    caption:
      `What removing a kind of error would gain: of mAP at tIoU ${content.tiou}, as the costs below; of ` +
      "normalised mAP by DETAD, whose budget of 10G the counts and shares have, too",
    columns,
    sortedBy: columns.length - 4,
  });
  table.fill(rows);
  root.replaceChildren(table.element);
}

// On a narrow page letters stand for the kind
function kindLabel(kind, kinds) {
  const swatch = make("span", { className: "swatch" });
  const { colour, mark } = kinds.get(kind);
  if (colour) swatch.style.setProperty("--kind", colour);
  else swatch.classList.add("missed");
  const letters = make("abbr", { className: "narrow", textContent: mark, title: kind });
  return make("span", { className: "kind" }, swatch, make("span", { className: "word", textContent: kind }), letters);
}
