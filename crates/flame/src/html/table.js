// The functions as a table that can be sorted.

const hasCores = data.sides.every((side) => side.duration > 0);
const COLUMNS = isDiff
  ? [
    { word: "self before", of: (row, whole) => row.own[0] / (whole[0] || 1), text: percent },
    { word: "self after", of: (row, whole) => row.own[1] / (whole[1] || 1), text: percent },
    { word: "change", of: (row, whole) => pointsOf(row.own, whole), change: true },
    { word: "change of total", of: (row, whole) => pointsOf(row.total, whole), change: true },
    ...(hasCores ? [{ word: "cores", of: (row) => coreChange(row.own), change: true }] : []),
    { word: "function", of: (row) => data.names[row.name][0], name: true },
  ]
  : [
    { word: "self", of: (row, whole) => row.own[0] / (whole[0] || 1), text: percent, bar: true },
    { word: "total", of: (row, whole) => row.total[0] / (whole[0] || 1), text: percent, bar: true },
    { word: "amount", of: (row) => row.own[0], text: amount },
    { word: "function", of: (row) => data.names[row.name][0], name: true },
  ];
const STEP = 200;

function coreChange(weights) {
  const cores = coresOf(weights);
  return cores ? cores[1] - cores[0] : NaN;
}

class FunctionTable {
  constructor(table, more, chosen) {
    this.table = table;
    this.more = more;
    this.chosen = chosen;
    this.sorted = isDiff ? 2 : 0;
    this.down = true;
    this.shown = STEP;
    const head = document.createElement("tr");
    COLUMNS.forEach((column, at) => {
      const cell = document.createElement("th");
      cell.scope = "col";
      const button = document.createElement("button");
      button.textContent = column.word;
      button.addEventListener("click", () => {
        this.down = this.sorted === at ? !this.down : !column.name;
        this.sorted = at;
        this.fill();
      });
      cell.append(button);
      head.append(cell);
    });
    table.tHead.replaceChildren(head);
    more.addEventListener("click", () => { this.shown += 5 * STEP; this.fill(); });
  }

  show(rows, whole, matches) {
    this.rows = matches ? rows.filter((row) => matches(row.name)) : rows;
    this.whole = whole;
    this.shown = STEP;
    this.fill();
  }

  fill() {
    const column = COLUMNS[this.sorted];
    const size = (row) => {
      const value = column.of(row, this.whole);
      return column.change ? Math.abs(value) : value;
    };
    const compare = column.name
      ? (one, other) => (size(one) < size(other) ? 1 : -1)
      : (one, other) => size(other) - size(one) || other.total[0] - one.total[0];
    const sorted = Array.from(this.rows).sort(this.down ? compare : (one, other) => compare(other, one));
    Array.from(this.table.tHead.rows[0].cells).forEach((cell, at) => {
      if (at === this.sorted) cell.setAttribute("aria-sort", this.down ? "descending" : "ascending");
      else cell.removeAttribute("aria-sort");
    });
    const body = sorted.slice(0, this.shown).map((row) => this.row(row));
    this.table.tBodies[0].replaceChildren(...body);
    this.more.hidden = sorted.length <= this.shown;
    this.more.textContent = `${(sorted.length - this.shown).toLocaleString("en")} more`;
  }

  row(row) {
    const line = document.createElement("tr");
    for (const column of COLUMNS) {
      const cell = line.insertCell();
      const value = column.of(row, this.whole);
      if (column.name) this.name(cell, row);
      else if (column.change) {
        cell.textContent = Number.isNaN(value) ? "" : signed(value, column.word === "cores" ? 3 : 2);
        cell.className = Math.abs(value) < 0.005 ? "quiet" : value > 0 ? "grew" : "shrank";
      } else if (column.bar) {
        cell.className = "bar";
        const bar = document.createElement("i");
        bar.style.width = `${100 * value}%`;
        const text = document.createElement("span");
        text.textContent = column.text(value);
        cell.append(bar, text);
      } else cell.textContent = column.text(value);
    }
    return line;
  }

  name(cell, row) {
    const [text, place, , colour] = data.names[row.name];
    const button = document.createElement("button");
    button.title = "Callers and callees";
    const dot = document.createElement("span");
    dot.className = "dot";
    dot.style.background = colour;
    button.append(dot, text);
    button.addEventListener("click", () => this.chosen(row.name));
    const where = document.createElement("span");
    where.className = "place";
    where.textContent = place;
    cell.append(button, where);
  }
}
