// Tables whose columns sort them. What a table shows is text: names of files are data.
//
// A column is { name, value(row), cell(row), text, wide, title }: `value` is what it is sorted by, a
// number, a text or null (null stands last in either order); `cell` is what it shows, a text or an
// element; `text` columns stand left and begin with the first of the alphabet; `wide` columns are
// hidden where the page is narrow; a `long` one holds long names.

const MISSING = "–";
const ROWS_AT_ONCE = 100;
const ALPHABET = new Intl.Collator("en", { numeric: true }); // made once: making it is what takes time

const percent = (value, digits = 2) => (value === null ? MISSING : value.toFixed(digits));
const signed = (value, digits = 2) => {
  if (value === null) return MISSING;
  return `${value < 0 ? "−" : value > 0 ? "+" : ""}${Math.abs(value).toFixed(digits)}`;
};

function compare(a, b, descending) {
  if (a === null || b === null) return (a === null) - (b === null);
  const order = typeof a === "string" ? ALPHABET.compare(a, b) : a - b;
  return descending ? -order : order;
}

function choice(words, options, onchange) {
  const select = make("select", { onchange: () => onchange(select.selectedIndex) });
  for (const name of options) select.append(make("option", { textContent: name }));
  return { label: make("label", {}, words, select), select };
}

class SortableTable {
  // sortedBy: number of a column; decorate(row, element): for links and marks of a whole row
  constructor({ caption, columns, sortedBy = 0, decorate = () => {} }) {
    this.columns = columns;
    this.decorate = decorate;
    this.body = make("tbody");
    this.more = make("button", { type: "button", hidden: true, onclick: () => this.showMore() });
    this.headers = columns.map((column, number) => this.header(column, number));
    const head = make("thead", {}, make("tr", {}, ...this.headers));
    this.element = captioned(caption, make("table", {}, head, this.body));
    this.element.classList.add("sortable");
    this.element.append(this.more);
    this.rows = [];
    this.count = ROWS_AT_ONCE;
    this.order(sortedBy, !columns[sortedBy].text);
  }

  header(column, number) {
    const button = make("button", { type: "button", textContent: column.name, title: column.title ?? "" });
    button.addEventListener("click", () => {
      const turns = this.sortedBy === number;
      this.order(number, turns ? !this.descending : !column.text);
    });
    return make("th", { scope: "col", className: this.classOf(column) }, button);
  }

  classOf(column) {
    return ["text", "wide", "long"].filter((name) => column[name]).join(" ");
  }

  order(number, descending) {
    this.sortedBy = number;
    this.descending = descending;
    this.headers.forEach((header, place) => {
      if (place === number) header.setAttribute("aria-sort", descending ? "descending" : "ascending");
      else header.removeAttribute("aria-sort");
    });
    this.fill(this.rows);
  }

  // Rows of another method or filter; as many as before are shown
  fill(rows) {
    const { value } = this.columns[this.sortedBy];
    const keys = new Map(rows.map((row) => [row, value(row)]));
    this.rows = [...rows].sort((a, b) => compare(keys.get(a), keys.get(b), this.descending));
    this.render();
  }

  render() {
    this.body.replaceChildren(...this.rows.slice(0, this.count).map((row) => this.line(row)));
    const rest = this.rows.length - this.count;
    this.more.hidden = rest <= 0;
    this.more.textContent = `Show ${Math.min(rest, ROWS_AT_ONCE)} more of ${rest.toLocaleString("en")}`;
  }

  showMore() {
    const first = this.count;
    this.count += ROWS_AT_ONCE;
    this.render();
    this.body.rows[first]?.querySelector("a, button")?.focus();
  }

  line(row) {
    const cells = this.columns.map((column) => {
      const content = column.cell ? column.cell(row) : column.value(row);
      return make("td", { className: this.classOf(column) }, content ?? MISSING);
    });
    const element = make("tr", {}, ...cells);
    this.decorate(row, element);
    return element;
  }
}

// A table that stays in its order: rows of texts and elements
function plainTable(caption, names, rows) {
  const head = names.map((name, place) =>
    make("th", { scope: "col", className: place ? "" : "text" }, name),
  );
  const lines = rows.map((row) => {
    const [first, ...rest] = row;
    const cells = rest.map((content) => make("td", {}, content));
    return make("tr", {}, make("th", { scope: "row", className: "text" }, first), ...cells);
  });
  const table = make("table", {}, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...lines));
  return captioned(caption, table);
}

// A table in a frame that scrolls sideways; its caption stays in sight
function captioned(caption, table) {
  table.setAttribute("aria-label", caption);
  const frame = make("div", { className: "scroll", tabIndex: 0, role: "group", "aria-label": caption }, table);
  return make("div", {}, make("p", { className: "quiet caption", textContent: caption }), frame);
}

// Text with a bar of its size behind it
function withBar(words, share) {
  const element = make("span", { className: "bar-cell", textContent: words });
  element.style.setProperty("--share", `${clamp(share || 0, 0, 1) * 100}%`);
  return element;
}
