// Call trees of what is looked at: whole, inverted, or above and below one function.
//
// A tree is arrays by node: name, parent, depth, own and total weights of each side, where its box
// begins and how wide it is (parts of 1), and for each depth the nodes from left to right.

class Growing {
  constructor() {
    this.name = [0];
    this.parent = [0];
    this.depth = [0];
    this.own = data.sides.map(() => [0]);
    this.total = null;
    this.calls = new Map();
  }

  call(parent, name) {
    const key = parent * data.names.length + name;
    let node = this.calls.get(key);
    if (node === undefined) {
      node = this.name.push(name) - 1;
      this.parent.push(parent);
      this.depth.push(this.depth[parent] + 1);
      this.own.forEach((weights) => weights.push(0));
      this.calls.set(key, node);
    }
    return node;
  }

  // Sums, and boxes side by side, the heaviest first.
  finish(whole) {
    const count = this.name.length;
    const total = this.own.map((weights) => {
      const sums = Float64Array.from(weights);
      for (let node = count - 1; node > 0; node--) sums[this.parent[node]] += sums[node];
      return sums;
    });
    const tree = {
      name: this.name, parent: this.parent, depth: this.depth, own: this.own, total, whole,
      from: new Float64Array(count), width: widthsOf(total), rows: [], children: [],
    };
    const { from, width } = tree;
    const none = [];
    const children = new Array(count).fill(none);
    for (let node = 1; node < count; node++) {
      const parent = this.parent[node];
      if (children[parent] === none) children[parent] = [node];
      else children[parent].push(node);
    }
    tree.children = children;
    const text = (node) => data.names[this.name[node]][0];
    const compare = (one, other) =>
      width[other] - width[one] || (text(one) < text(other) ? -1 : 1);
    let row = [0];
    while (row.length > 0) {
      tree.rows.push(row);
      const next = [];
      for (const parent of row) {
        let at = from[parent];
        if (children[parent].length > 1) children[parent].sort(compare);
        for (const node of children[parent]) {
          from[node] = at;
          at += width[node];
          next.push(node);
        }
      }
      row = next;
    }
    return tree;
  }
}

// The shares of all nodes, as `shareOf` says them.
function widthsOf(total) {
  const widths = new Float64Array(total[0].length);
  const known = total.filter((sums) => sums[0] > 0);
  for (const sums of known) {
    const scale = 1 / sums[0] / known.length;
    for (let node = 0; node < widths.length; node++) widths[node] += sums[node] * scale;
  }
  return widths;
}

// The name of the group that a sample stands in, as the view asks for it; 0, which is the root's,
// where there is none.
function groupOf(set) {
  const text = state.group === "" ? undefined : labelSets[set].get(state.group);
  return text === undefined ? 0 : groupName(text);
}

function wholeTree(weights) {
  // All names are made before nodes are counted by them.
  labelSets.forEach((_, set) => groupOf(set));
  const growing = new Growing();
  weights.samples.forEach((samples, side) => {
    // Threads and the like are told apart by filters only: here their samples are one.
    const sums = new Map();
    samples.call.forEach((call, at) => {
      const group = groupOf(samples.set[at]);
      const key = group * callName.length + call;
      sums.set(key, (sums.get(key) || 0) + samples.weight[at]);
    });
    const known = new Map();
    for (const [key, weight] of sums) {
      const call = key % callName.length;
      const group = Math.floor(key / callName.length);
      let node = 0;
      if (state.inverted) {
        for (let up = call; up > 0; up = callParent[up]) node = growing.call(node, callName[up]);
        if (group > 0) node = growing.call(node, group);
      } else {
        node = placed(growing, known, group > 0 ? growing.call(0, group) : 0, call);
      }
      growing.own[side][node] += weight;
    }
  });
  return growing.finish(weights.whole);
}

// The node of a call under the node of its group: up to a caller that is known, then down.
function placed(growing, known, under, call) {
  const missing = [];
  let up = call;
  let node;
  for (;;) {
    if (up === 0) { node = under; break; }
    node = known.get(under * callName.length + up);
    if (node !== undefined) break;
    missing.push(up);
    up = callParent[up];
  }
  while (missing.length > 0) {
    const down = missing.pop();
    node = growing.call(node, callName[down]);
    known.set(under * callName.length + down, node);
  }
  return node;
}

// Above and below the outermost calls of one function, so that recursion counts once.
function treesOfOne(weights, name) {
  const callers = new Growing();
  const callees = new Growing();
  callers.name[0] = name;
  callees.name[0] = name;
  const within = new Int32Array(callName.length).fill(-1);
  for (let call = 1; call < callName.length; call++) {
    const above = within[callParent[call]];
    const isOutermost = above < 0 && callName[call] === name;
    if (above < 0 && !isOutermost) continue;
    within[call] = isOutermost ? 0 : callees.call(above, callName[call]);
    weights.own.forEach((own, side) => { callees.own[side][within[call]] += own[call]; });
    if (!isOutermost) continue;
    let node = 0;
    for (let up = callParent[call]; up > 0; up = callParent[up]) node = callers.call(node, callName[up]);
    weights.total.forEach((total, side) => { callers.own[side][node] += total[call]; });
  }
  return { callers: callers.finish(weights.whole), callees: callees.finish(weights.whole) };
}

// All functions with what they weigh; recursion counts once.
function functionsOf(weights) {
  const rows = new Map();
  const row = (name) => {
    let found = rows.get(name);
    if (!found) {
      found = { name, own: data.sides.map(() => 0), total: data.sides.map(() => 0), last: -1 };
      rows.set(name, found);
    }
    return found;
  };
  weights.own.forEach((own, side) => {
    rows.forEach((found) => { found.last = -1; });
    for (let call = 1; call < callName.length; call++) {
      if (own[call] === 0) continue;
      row(callName[call]).own[side] += own[call];
      for (let up = call; up > 0; up = callParent[up]) {
        const found = row(callName[up]);
        if (found.last === call) continue;
        found.last = call;
        found.total[side] += own[call];
      }
    }
  });
  return Array.from(rows.values());
}

// The share of everything that has a matching function somewhere in its stack.
function matchedShare(weights, matches) {
  const within = new Uint8Array(callName.length);
  const sums = data.sides.map(() => 0);
  for (let call = 1; call < callName.length; call++) {
    within[call] = within[callParent[call]] || (matches(callName[call]) ? 1 : 0);
    if (within[call]) weights.own.forEach((own, side) => { sums[side] += own[call]; });
  }
  return { sums, share: shareOf(sums, weights.whole) };
}
