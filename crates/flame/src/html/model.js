// What the page holds, and what of it is looked at: `data`, `state`, weights of calls, words.

const data = JSON.parse(document.getElementById("data").textContent);
const isDiff = data.sides.length === 2;
const callParent = Int32Array.from(data.calls.parent);
const callName = Int32Array.from(data.calls.name);
const GROUP = data.kinds.findIndex(([word]) => word === "process");

const state = {
  tab: "graph",
  value: data.value,
  group: data.group !== null && data.keys.includes(data.group) ? data.group : "",
  filters: new Map(),
  inverted: data.inverted,
  flames: false,
  words: "",
  one: -1,
};

// Names beyond those of frames, such as processes: they are made when a view needs them.
const groupNames = new Map();
function groupName(text) {
  let id = groupNames.get(text);
  if (id === undefined) {
    id = data.names.push([text, "", GROUP, data.kinds[GROUP][1]]) - 1;
    groupNames.set(text, id);
  }
  return id;
}

// Each set of labels as a map; and its text for one key.
const labelSets = data.sets.map((set) => {
  const labels = new Map();
  for (let at = 0; at < set.length; at += 2) labels.set(data.keys[set[at]], data.texts[set[at + 1]]);
  return labels;
});

// The samples that the filters let through, one side after the other: call, set, weight.
function samplesOf(side) {
  const { samples } = data.sides[side];
  const step = 2 + data.values.length;
  const passes = labelSets.map((labels) =>
    Array.from(state.filters).every(([key, text]) => labels.get(key) === text));
  const found = { call: [], set: [], weight: [] };
  for (let at = 0; at < samples.length; at += step) {
    const weight = samples[at + 2 + state.value];
    if (weight === 0 || !passes[samples[at + 1]]) continue;
    found.call.push(samples[at]);
    found.set.push(samples[at + 1]);
    found.weight.push(weight);
  }
  return found;
}

// What is looked at as weights: of each call itself, and with all that it calls.
function weigh() {
  const samples = data.sides.map((_, side) => samplesOf(side));
  const own = samples.map((side) => {
    const weights = new Float64Array(callName.length);
    side.call.forEach((call, at) => { weights[call] += side.weight[at]; });
    return weights;
  });
  const total = own.map((weights) => {
    const sums = Float64Array.from(weights);
    for (let call = sums.length - 1; call > 0; call--) sums[callParent[call]] += sums[call];
    return sums;
  });
  return { samples, own, total, whole: total.map((sums) => sums[0]) };
}

// Shares: of one profile the part of the whole, of two the mean of both parts.
function shareOf(weights, whole) {
  const parts = weights.map((weight, side) => (whole[side] > 0 ? weight / whole[side] : 0));
  const known = whole.filter((sum) => sum > 0).length;
  return known > 0 ? parts.reduce((sum, part) => sum + part, 0) / known : 0;
}

function pointsOf(weights, whole) {
  const part = (side) => (whole[side] > 0 ? (100 * weights[side]) / whole[side] : 0);
  return part(1) - part(0);
}

function coresOf(weights) {
  const isTime = data.values[state.value][1] === "nanoseconds";
  if (!isTime || data.sides.some((side) => side.duration === 0)) return null;
  return weights.map((weight, side) => weight / data.sides[side].duration);
}

function amount(value) {
  if (data.values[state.value][1] === "count") {
    return `${Math.round(value).toLocaleString("en")} ${value === 1 ? "sample" : "samples"}`;
  }
  for (const [unit, size] of [["s", 1e9], ["ms", 1e6], ["µs", 1e3]]) {
    if (value >= size) {
      const shown = value / size;
      return `${shown.toFixed(shown < 10 ? 2 : shown < 1000 ? 1 : 0)} ${unit}`;
    }
  }
  return `${Math.round(value)} ns`;
}

function percent(part) {
  return `${(100 * part).toFixed(2)}%`;
}

function signed(number, digits) {
  return `${number < 0 ? "−" : "+"}${Math.abs(number).toFixed(digits)}`;
}

// The numbers of something, in words: a line each.
function numbersOf(own, total, whole) {
  if (!isDiff) {
    const lines = [`${percent(shareOf(total, whole))} · ${amount(total[0])}`];
    lines.push(`self ${percent(shareOf(own, whole))} · ${amount(own[0])}`);
    const cores = coresOf(total);
    if (cores) lines[0] += ` · ${cores[0].toFixed(3)} cores`;
    return lines;
  }
  const part = (weights, side) => percent(whole[side] > 0 ? weights[side] / whole[side] : 0);
  const line = (weights) =>
    `${part(weights, 0)} → ${part(weights, 1)} (${signed(pointsOf(weights, whole), 2)} points)`;
  const lines = [line(total), `self ${line(own)}`];
  const cores = coresOf(total);
  if (cores) lines.push(`${cores[0].toFixed(3)} → ${cores[1].toFixed(3)} cores`);
  return lines;
}

// A test of a name's text: a regular expression, or the words themselves where they are none.
function matcher() {
  if (state.words === "") return null;
  let test;
  try {
    const pattern = new RegExp(state.words, "i");
    test = (text) => pattern.test(text);
  } catch (error) {
    const words = state.words.toLowerCase();
    test = (text) => text.toLowerCase().includes(words);
  }
  const known = new Map();
  return (name) => {
    let is = known.get(name);
    if (is === undefined) {
      const [text, place] = data.names[name];
      is = test(text) || (place !== "" && test(place));
      known.set(name, is);
    }
    return is;
  };
}

function colourOf(tree, node) {
  if (!isDiff) return data.names[tree.name[node]][3];
  // Ten percentage points are the strongest colour, as in the SVG.
  const change = pointsOf(tree.total.map((sums) => sums[node]), tree.whole) / 10;
  const strength = Math.sqrt(Math.min(1, Math.abs(change)));
  const still = [226, 229, 233];
  const full = change > 0 ? [240, 125, 38] : [70, 148, 226];
  const mixed = still.map((from, at) => Math.round(from + (full[at] - from) * strength));
  return `rgb(${mixed.join(",")})`;
}

// Whether a colour wants light text.
function isDark(colour) {
  const hex = /^#(..)(..)(..)$/.exec(colour);
  const [red, green, blue] = hex
    ? hex.slice(1).map((part) => parseInt(part, 16))
    : colour.match(/\d+/g).map(Number);
  return 0.299 * red + 0.587 * green + 0.114 * blue < 125;
}
