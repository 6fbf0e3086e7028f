// The page: its controls, and what they change.

const $ = (id) => document.getElementById(id);
const graph = new Picture($("graph"), { upwards: () => state.flames, chosen: chooseOne });
const callers = new Picture($("callers"), { upwards: () => true, chosen: chooseOne });
const callees = new Picture($("callees"), { upwards: () => false, chosen: chooseOne });
const table = new FunctionTable($("functions"), $("more"), chooseOne);
let weights = null;

// What is looked at changed: everything is weighed again.
function reweigh() {
  weights = weigh();
  retree();
}

function retree() {
  research();
  if (state.tab === "graph") graph.show(wholeTree(weights));
  if (state.tab === "functions") table.show(functionsOf(weights), weights.whole, matcher());
  if (state.tab === "one" && state.one >= 0) {
    const trees = treesOfOne(weights, state.one);
    const row = functionsOf(weights).find((of) => of.name === state.one);
    const none = data.sides.map(() => 0);
    const { own, total } = row || { own: none, total: none };
    const words = [...data.names[state.one].slice(0, 2), ...numbersOf(own, total, weights.whole)];
    $("one-name").textContent = words.filter((part) => part !== "").join("  ·  ");
    // Each as high as it needs to be, and both together about as high as there is room.
    for (const [picture, tree] of [[callers, trees.callers], [callees, trees.callees]]) {
      const most = Math.max(10 * ROW, Math.floor($("panel-one").clientHeight * 0.42));
      picture.canvas.style.height = `${Math.min(most, tree.rows.length * ROW)}px`;
    }
    callers.show(trees.callers);
    callees.show(trees.callees);
  }
}

function research() {
  const matches = matcher();
  for (const picture of [graph, callers, callees]) {
    picture.matches = matches;
    picture.draw();
  }
  if (!matches) { $("matched").textContent = ""; return; }
  const { sums, share } = matchedShare(weights, matches);
  $("matched").textContent = isDiff
    ? `${sums.map((sum, side) => percent(sum / (weights.whole[side] || 1))).join(" → ")} matched`
    : `${percent(share)} matched`;
}

function chooseOne(name) {
  if (data.names[name][2] === GROUP) return;
  state.one = name;
  $("tab-one").disabled = false;
  openTab("one");
}

function openTab(tab) {
  state.tab = tab;
  for (const name of ["graph", "functions", "one"]) {
    const isOpen = name === tab;
    $(`tab-${name}`).setAttribute("aria-selected", String(isOpen));
    $(`tab-${name}`).tabIndex = isOpen ? 0 : -1;
    $(`panel-${name}`).hidden = !isOpen;
  }
  showTip(null);
  retree();
}

function toggle(name) {
  state[name] = !state[name];
  $(name).setAttribute("aria-pressed", String(state[name]));
  if (name === "flames") graph.draw();
  else if (state.tab === "graph") retree();
  else openTab("graph");
}

function reset() {
  state.filters.clear();
  for (const select of $("filters").querySelectorAll("select")) select.value = "";
  state.words = "";
  $("search").value = "";
  reweigh();
  say([]);
}

function option(text, value) {
  const made = document.createElement("option");
  made.textContent = text;
  made.value = value;
  return made;
}

// A filter for each label that tells samples apart.
function makeFilters() {
  const most = 1000;
  for (const key of data.keys) {
    const texts = new Set(labelSets.map((labels) => labels.get(key)));
    texts.delete(undefined);
    $("group").append(option(key, key));
    if (texts.size < 2 || texts.size > most) continue;
    const label = document.createElement("label");
    const select = document.createElement("select");
    select.append(option(`every ${key}`, ""));
    const compare = (one, other) => one.localeCompare(other, "en", { numeric: true });
    // The first entry stands for all, so that values begin with a mark no value can be without.
    Array.from(texts).sort(compare).forEach((text) => select.append(option(text, `=${text}`)));
    select.setAttribute("aria-label", key);
    select.addEventListener("change", () => {
      if (select.value === "") state.filters.delete(key);
      else state.filters.set(key, select.value.slice(1));
      reweigh();
    });
    label.append(select);
    $("filters").append(label);
  }
}

function makeLegend() {
  const entry = ([word, colour]) => {
    const made = document.createElement("span");
    const dot = document.createElement("i");
    dot.style.background = colour;
    made.append(dot, word);
    return made;
  };
  const present = new Set(Array.from(callName.subarray(1), (name) => data.names[name][2]));
  const entries = isDiff
    ? [["shrank", "#4694e2"], ["unchanged", "#e2e5e9"], ["grew", "#f07d26"]]
    : data.kinds.filter((_, at) => present.has(at));
  $("legend").replaceChildren(...entries.map(entry));
}

function aboutWords() {
  const sides = data.sides.map((side) => side.about);
  const words = isDiff ? [`before: ${sides[0]}`, `after: ${sides[1]}`] : sides;
  const lost = data.sides.reduce((sum, side) => sum + side.lost, 0);
  if (lost > 0) words.push(`${lost.toLocaleString("en")} samples lost`);
  if (data.small > 0) words.push(`${data.small.toLocaleString("en")} small calls drawn as [small]`);
  return words.join("  ·  ");
}

function begin() {
  $("title").textContent = data.title;
  $("about").textContent = aboutWords();
  data.values.forEach(([word], at) => $("value").append(option(word.replace("_", "-"), String(at))));
  $("value").value = String(state.value);
  $("value-label").hidden = data.values.length < 2;
  $("group").append(option("whole", ""));
  makeFilters();
  $("group").value = state.group;
  $("inverted").setAttribute("aria-pressed", String(state.inverted));
  makeLegend();

  $("value").addEventListener("change", () => { state.value = Number($("value").value); reweigh(); });
  $("group").addEventListener("change", () => { state.group = $("group").value; retree(); });
  $("search").addEventListener("input", () => {
    state.words = $("search").value;
    if (state.tab === "functions") retree();
    else research();
  });
  $("inverted").addEventListener("click", () => toggle("inverted"));
  $("flames").addEventListener("click", () => toggle("flames"));
  $("reset").addEventListener("click", reset);
  for (const tab of ["graph", "functions", "one"]) {
    $(`tab-${tab}`).addEventListener("click", () => openTab(tab));
  }
  $("tabs").addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    const tabs = Array.from($("tabs").children).filter((tab) => !tab.disabled);
    const next = tabs[(tabs.indexOf(document.activeElement) + step + tabs.length) % tabs.length];
    next.focus();
    next.click();
  });
  document.addEventListener("keydown", (event) => {
    const isTyping = ["INPUT", "SELECT"].includes(event.target.tagName);
    if (event.key === "Escape") {
      if (isTyping) event.target.blur();
      for (const picture of [graph, callers, callees]) if (picture.tree) picture.zoom(0);
      say([]);
    }
    if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/") { event.preventDefault(); $("search").focus(); }
    if (event.key === "i") toggle("inverted");
    if (event.key === "f") toggle("flames");
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => research());
  weights = weigh();
  openTab("graph");
}

begin();
