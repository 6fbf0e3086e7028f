// A call tree on a canvas: only what can be seen is drawn, row by row.

const ROW = 19;
const FONT = '12px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace';

class Picture {
  constructor(canvas, { upwards, chosen }) {
    this.canvas = canvas;
    this.upwards = upwards;
    this.chosen = chosen;
    this.tree = null;
    this.matches = null;
    this.top = 0;
    this.hovered = -1;
    canvas.addEventListener("mousemove", (event) => this.hover(this.nodeAt(event), event));
    canvas.addEventListener("mouseleave", () => this.hover(-1));
    canvas.addEventListener("click", (event) => {
      const node = this.nodeAt(event);
      if (node >= 0) { this.cursor = node; this.zoom(node); }
    });
    canvas.addEventListener("dblclick", (event) => {
      const node = this.nodeAt(event);
      if (node >= 0) this.chosen(this.tree.name[node]);
    });
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.scroll(this.isUp() ? -event.deltaY : event.deltaY);
    }, { passive: false });
    canvas.addEventListener("keydown", (event) => this.key(event));
    canvas.addEventListener("focus", () => this.draw());
    canvas.addEventListener("blur", () => { showTip(null); this.draw(); });
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  show(tree) {
    this.tree = tree;
    this.focus = 0;
    this.cursor = 0;
    this.top = 0;
    this.hover(-1);
    this.draw();
  }

  isUp() { return this.upwards(); }

  zoom(node) {
    this.focus = node;
    const visible = Math.floor(this.canvas.clientHeight / ROW) * ROW;
    const y = this.tree.depth[node] * ROW;
    if (y < this.top || y > this.top + visible - 3 * ROW) this.top = Math.max(0, y - 2 * ROW);
    this.draw();
    say(this.words(node));
  }

  scroll(by) {
    const most = Math.max(0, this.tree.rows.length * ROW - this.canvas.clientHeight);
    this.top = Math.min(most, Math.max(0, this.top + by));
    this.draw();
  }

  words(node) {
    const { tree } = this;
    const [text, place] = data.names[tree.name[node]];
    const numbers = numbersOf(tree.own.map((of) => of[node]), tree.total.map((of) => of[node]), tree.whole);
    return [node === 0 && tree.name[0] === 0 ? "all" : text, place, ...numbers];
  }

  // Where a node stands on the canvas: boxes above the one that is zoomed to are as wide as all.
  place(node) {
    const { tree, focus } = this;
    const width = this.canvas.clientWidth;
    const scale = width / tree.width[focus];
    const y = tree.depth[node] * ROW - this.top;
    return {
      x: (tree.from[node] - tree.from[focus]) * scale,
      y: this.isUp() ? this.canvas.clientHeight - y - ROW : y,
      width: tree.width[node] * scale,
    };
  }

  // The first node of a row that ends to the right of `at`.
  firstAfter(row, at) {
    const { from, width } = this.tree;
    let [low, high] = [0, row.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (from[row[middle]] + width[row[middle]] > at) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  nodeAt(event) {
    if (!this.tree) return -1;
    const box = this.canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const fromRoot = this.isUp() ? this.canvas.clientHeight - y : y;
    const row = this.tree.rows[Math.floor((fromRoot + this.top) / ROW)];
    if (!row) return -1;
    const { from, width } = this.tree;
    const at = from[this.focus] + (x / this.canvas.clientWidth) * width[this.focus];
    const node = row[this.firstAfter(row, at)];
    return node !== undefined && from[node] <= at ? node : -1;
  }

  hover(node, event) {
    if (node !== this.hovered) {
      this.hovered = node;
      this.draw();
    }
    if (node < 0) return showTip(null);
    this.canvas.style.cursor = "pointer";
    showTip(this.words(node), event.clientX, event.clientY);
  }

  key(event) {
    const { tree, cursor } = this;
    const siblings = cursor > 0 ? tree.children[tree.parent[cursor]] : [0];
    const at = siblings.indexOf(cursor);
    const [deeper, back] = this.isUp() ? ["ArrowUp", "ArrowDown"] : ["ArrowDown", "ArrowUp"];
    const moves = {
      [deeper]: () => tree.children[cursor][0],
      [back]: () => tree.parent[cursor],
      ArrowLeft: () => siblings[at - 1],
      ArrowRight: () => siblings[at + 1],
      Home: () => 0,
    };
    if (event.key === "Enter" || event.key === " ") this.zoom(cursor);
    else if (event.key === "s") this.chosen(tree.name[cursor]);
    else if (moves[event.key]) this.move(moves[event.key]());
    else return;
    event.preventDefault();
  }

  move(node) {
    if (node === undefined) return;
    this.cursor = node;
    const { from, width } = this.tree;
    const inside = from[node] >= from[this.focus] - 1e-12
      && from[node] + width[node] <= from[this.focus] + width[this.focus] + 1e-12;
    if (!inside) this.focus = this.tree.parent[node];
    const y = this.tree.depth[node] * ROW;
    if (y < this.top) this.top = y;
    if (y + ROW > this.top + this.canvas.clientHeight) this.top = y + ROW - this.canvas.clientHeight;
    this.draw();
    say(this.words(node));
  }

  draw() {
    if (!this.tree || this.canvas.clientWidth === 0) return;
    const { canvas, tree, focus } = this;
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    pen.font = FONT;
    pen.textBaseline = "middle";
    this.letter = pen.measureText("0123456789").width / 10;
    const style = getComputedStyle(document.documentElement);
    this.inks = Object.fromEntries(["ink", "match", "small", "accent", "panel"]
      .map((word) => [word, style.getPropertyValue(`--${word}`).trim()]));
    if (tree.width[0] === 0) {
      pen.fillStyle = this.inks.ink;
      pen.fillText("Nothing passes the filters.", 8, 20);
      return;
    }
    const first = Math.max(0, Math.floor(this.top / ROW));
    const last = Math.min(tree.rows.length - 1, Math.ceil((this.top + height) / ROW));
    const end = tree.from[focus] + tree.width[focus];
    const pixel = tree.width[focus] / width;
    for (let depth = first; depth <= last; depth++) {
      const row = tree.rows[depth];
      let at = this.firstAfter(row, tree.from[focus] + pixel * 1e-6);
      while (at < row.length && tree.from[row[at]] < end - pixel * 1e-6) {
        const node = row[at];
        if (tree.width[node] >= pixel * 0.7) {
          this.box(pen, node);
          at++;
          continue;
        }
        // What is narrower than a pixel is drawn as one, and all that shares it is passed over.
        this.sliver(pen, node);
        at = Math.max(at + 1, this.firstAfter(row, tree.from[node] + pixel));
      }
    }
    this.scrollMark(pen, width, height);
    if (document.activeElement === canvas) this.outline(pen, this.cursor, this.inks.accent, 2);
    if (this.hovered >= 0) this.outline(pen, this.hovered, this.inks.ink, 1);
  }

  // How far there is to scroll, where there is.
  scrollMark(pen, width, height) {
    const whole = this.tree.rows.length * ROW;
    if (whole <= height) return;
    const length = Math.max(20, (height * height) / whole);
    const from = ((height - length) * this.top) / (whole - height);
    pen.globalAlpha = 0.45;
    pen.fillStyle = this.inks.ink;
    pen.fillRect(width - 4, this.isUp() ? height - from - length : from, 3, length);
  }

  sliver(pen, node) {
    const { x, y } = this.place(node);
    pen.globalAlpha = 1;
    const isMatch = this.matches && this.matches(this.tree.name[node]);
    pen.fillStyle = isMatch ? this.inks.match : this.inks.small;
    pen.fillRect(x, y, 1, ROW - 1);
  }

  box(pen, node) {
    const box = this.place(node);
    const left = Math.max(0, box.x);
    const right = Math.min(this.canvas.clientWidth, box.x + box.width);
    const isMatch = this.matches && this.matches(this.tree.name[node]);
    const isAbove = this.tree.depth[node] < this.tree.depth[this.focus];
    const colour = isMatch ? this.inks.match : colourOf(this.tree, node);
    pen.globalAlpha = isAbove || (this.matches && !isMatch) ? 0.5 : 1;
    pen.fillStyle = colour;
    const width = Math.max(right - left - 1, 0.7);
    pen.beginPath();
    pen.roundRect(left, box.y, width, ROW - 1, width > 6 ? 2 : 0);
    pen.fill();
    const room = Math.floor((width - 7) / this.letter);
    if (room < 2) return;
    const whole = node === 0 && this.tree.name[0] === 0 ? "all" : data.names[this.tree.name[node]][0];
    const text = whole.length <= room ? whole : `${whole.slice(0, room - 1)}…`;
    pen.globalAlpha = isAbove ? 0.8 : 1;
    pen.fillStyle = isMatch || (!isDiff && isDark(colour)) ? "#ffffff" : "#17222b";
    if (this.matches && !isMatch) pen.fillStyle = this.inks.ink;
    pen.fillText(text, left + 4, box.y + ROW / 2);
  }

  outline(pen, node, colour, thick) {
    const { x, y, width } = this.place(node);
    const left = Math.max(1, x);
    const right = Math.min(this.canvas.clientWidth - 1, x + width);
    if (right <= left) return;
    pen.globalAlpha = 1;
    pen.strokeStyle = colour;
    pen.lineWidth = thick;
    pen.strokeRect(left + 0.5, y + 0.5, Math.max(1, right - left - 2), ROW - 2);
  }
}

function showTip(lines, x, y) {
  const tip = document.getElementById("tip");
  tip.hidden = lines === null;
  if (lines === null) return;
  const [name, ...rest] = lines;
  const bold = document.createElement("b");
  bold.textContent = name;
  const spans = rest.filter((line) => line !== "").map((line) => {
    const span = document.createElement("span");
    span.textContent = line;
    return span;
  });
  tip.replaceChildren(bold, ...spans);
  const { width, height } = tip.getBoundingClientRect();
  tip.style.left = `${Math.max(4, Math.min(x + 14, window.innerWidth - width - 8))}px`;
  tip.style.top = `${y + 20 + height > window.innerHeight ? y - height - 12 : y + 18}px`;
}

function say(lines) {
  document.getElementById("status").textContent = lines.filter((line) => line !== "").join("  ·  ");
}
