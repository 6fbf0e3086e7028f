// chain.js SECONDS PID_FILE: as chain.c, in JavaScript; says in PID_FILE whose perf map it is.
'use strict';

const DEPTH = 20;

function leaf(x) {
  for (let i = 0; i < 20000; i++) {
    x = (Math.imul(x ^ (x >>> 7), 1103515245) + 12345) | 0;
  }
  return x;
}

function hot_a(x) {
  for (let i = 0; i < 7; i++) {
    x = leaf(x);
  }
  return x;
}

function hot_b(x) {
  for (let i = 0; i < 2; i++) {
    x = leaf(x);
  }
  return x;
}

function hot_c(x) {
  return leaf(x);
}

function dispatch(which, x) {
  switch (which) {
    case 0:
      return hot_a(x);
    case 1:
      return hot_b(x);
    default:
      return hot_c(x);
  }
}

function rec(depth, which, x) {
  return depth > 1 ? rec(depth - 1, which, x) : dispatch(which, x);
}

function body(seconds) {
  let x = 1;
  while (process.cpuUsage().user / 1e6 < seconds) {
    for (let which = 0; which < 3; which++) {
      x = rec(DEPTH, which, x);
    }
  }
  return x;
}

if (process.argv[3]) {
  require('fs').writeFileSync(process.argv[3], String(process.pid));
}
process.exitCode = body(Number(process.argv[2])) === 0.5 ? 1 : 0;
