
(function () {
  "use strict";
  const CHARACTER = 7.25;
  const frame = document.getElementById("boxes");
  const detail = document.getElementById("detail");
  const found = document.getElementById("found");
  const left = Number(frame.dataset.from);
  const whole = Number(frame.dataset.width);

  // Every box as it was drawn: what zooming shows is made of these numbers, never of what is shown.
  const boxes = Array.from(frame.children, (group) => {
    const [title, rect, text] = group.children;
    const lines = title.textContent.split("\n");
    return {
      group, rect, text, lines,
      name: lines[0],
      x: Number(rect.getAttribute("x")) - left,
      y: Number(rect.getAttribute("y")),
      width: Number(rect.getAttribute("width")) + 0.6,
    };
  });
  const root = boxes[0];
  const ofGroup = new Map(boxes.map((box) => [box.group, box]));
  const grows = Math.sign((boxes[1] || root).y - root.y);

  function clip(name, width) {
    const room = Math.floor((width - 6) / CHARACTER);
    if (room < 2) return "";
    const letters = Array.from(name);
    return letters.length <= room ? name : letters.slice(0, room - 1).join("") + "…";
  }

  function zoom(to) {
    const scale = whole / to.width;
    for (const box of boxes) {
      const isBelow = (box.y - to.y) * grows >= 0;
      const overlaps = box.x < to.x + to.width - 0.01 && box.x + box.width > to.x + 0.01;
      box.group.setAttribute("display", overlaps ? "inline" : "none");
      if (!overlaps) continue;
      const from = isBelow ? (box.x - to.x) * scale : 0;
      const width = isBelow ? box.width * scale : whole;
      box.group.classList.toggle("above", !isBelow);
      box.rect.setAttribute("x", left + from);
      box.rect.setAttribute("width", Math.max(width - 0.6, 0.3));
      box.text.setAttribute("x", left + from + 3.5);
      box.text.textContent = clip(box.name, width);
    }
  }

  function search() {
    const words = prompt("Functions with (a regular expression):", "");
    if (words === null) return;
    let matches = () => false;
    if (words !== "") {
      try {
        const pattern = new RegExp(words, "i");
        matches = (box) => pattern.test(box.name);
      } catch (error) {
        matches = (box) => box.name.toLowerCase().includes(words.toLowerCase());
      }
    }
    // What is matched twice in one stack counts once: only boxes outside of those already counted.
    let share = 0;
    let end = -1;
    const matched = boxes.filter((box) => {
      const isMatch = box !== root && matches(box);
      box.group.classList.toggle("match", isMatch);
      return isMatch;
    });
    matched.sort((one, other) => one.x - other.x || other.width - one.width);
    for (const box of matched) {
      share += Math.max(0, box.x + box.width - Math.max(box.x, end));
      end = Math.max(end, box.x + box.width);
    }
    const percent = ((100 * share) / whole).toFixed(2);
    found.textContent = words === "" ? "" : `“${words}”: ${percent}% matched`;
  }

  function boxOf(event) {
    const group = event.target.closest && event.target.closest("#boxes > g");
    return group && ofGroup.get(group);
  }

  frame.addEventListener("click", (event) => { const box = boxOf(event); if (box) zoom(box); });
  frame.addEventListener("mouseover", (event) => {
    const box = boxOf(event);
    detail.textContent = box ? box.lines.join("  ·  ") : "";
  });
  frame.addEventListener("mouseleave", () => { detail.textContent = ""; });
  const controls = { all: () => zoom(root), search };
  for (const [name, act] of Object.entries(controls)) {
    const control = document.getElementById(name);
    control.addEventListener("click", act);
    control.addEventListener("keydown", (event) => { if (event.key === "Enter") act(); });
  }
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") zoom(root);
    if (event.key === "/") { event.preventDefault(); search(); }
  });
  document.getElementById("controls").setAttribute("visibility", "visible");
})();
