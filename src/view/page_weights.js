"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const find = id => document.getElementById(id);
const MOST_ROLLED = 600; // positions of a roll-out that is worked out whole
const sides = { translate: ["translation", "source"], summarize: ["summary", "text"], text: ["label", "text"],
                image: ["label", "image"], audio: ["label", "recording"] };
const scale = data.scale.map(hex => parseInt(hex.slice(1), 16));
const number = x => x.toFixed(4);
let shown = null; // { rows, columns, row(i), values, most }: what is looked at; values null where it is too large
let at = null;    // { row, column }: the chosen cell; column null: a whole row, row null: a whole column

function input() { return data.inputs[find("input").selectedIndex]; }
function kind() { return input().attention[find("kind").selectedIndex]; }

// ---- weights ----

function bytes(base64) {
  const text = atob(base64), array = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) array[i] = text.charCodeAt(i);
  return array;
}

function stored(k) { // little-endian, 65535 is 1
  if (!k.numbers) {
    const b = bytes(k.weights);
    k.numbers = new Uint16Array(b.length / 2);
    for (let i = 0; i < k.numbers.length; i++) k.numbers[i] = b[2 * i] | b[2 * i + 1] << 8;
  }
  return k.numbers;
}

// Calls each(row, column, weight) for what is stored of one head: every weight, or the largest of each row.
function eachWeight(k, layer, head, each) {
  const numbers = stored(k), R = k.rows.length, C = k.columns.length, first = (layer * k.heads + head) * R;
  if (!k.kept) {
    for (let i = 0; i < R; i++)
      for (let j = 0; j < C; j++) each(i, j, numbers[(first + i) * C + j] / 65535);
    return;
  }
  for (let i = 0; i < R; i++)
    for (let e = 0; e < k.kept; e++) {
      const place = 2 * ((first + i) * k.kept + e);
      if (numbers[place + 1]) each(i, numbers[place], numbers[place + 1] / 65535);
    }
}

function mean(k, layers, heads) {
  const C = k.columns.length, values = new Float32Array(k.rows.length * C), share = 1 / (layers.length * heads.length);
  for (const l of layers)
    for (const h of heads) eachWeight(k, l, h, (i, j, w) => { values[i * C + j] += w * share; });
  return values;
}

const upTo = n => Array.from({ length: n }, (_, i) => i);

// (mean of the heads + I) / 2 of a layer, its rows made to sum to 1.
function mixed(k, layer) {
  k.mixed ??= [];
  if (k.mixed[layer]) return k.mixed[layer];
  const n = k.rows.length, values = mean(k, [layer], upTo(k.heads));
  for (let i = 0; i < n; i++) {
    let sum = 0;
    values[i * n + i] += 1;
    for (let j = 0; j < n; j++) sum += values[i * n + j];
    for (let j = 0; j < n; j++) values[i * n + j] /= sum;
  }
  return k.mixed[layer] = values;
}

function rolledRow(k, last, row) {
  const n = k.rows.length;
  let from = mixed(k, last).slice(row * n, (row + 1) * n);
  for (let layer = last - 1; layer >= 0; layer--) {
    const values = mixed(k, layer), next = new Float32Array(n);
    for (let i = 0; i < n; i++)
      if (from[i] > 0)
        for (let j = 0; j < n; j++) next[j] += from[i] * values[i * n + j];
    from = next;
  }
  return from;
}

function rolls(k) { return k.kind === "encoder" || k.kind === "decoder"; }

// What the choosers ask for.
function look() {
  const k = kind(), C = k.columns.length, layer = find("layer").selectedIndex - 1, head = find("head").selectedIndex - 1;
  const rollOut = layer >= k.layers;
  find("head").disabled = rollOut;
  let values = null;
  if (!rollOut)
    values = mean(k, layer < 0 ? upTo(k.layers) : [layer], head < 0 ? upTo(k.heads) : [head]);
  else if (C <= MOST_ROLLED) {
    values = new Float32Array(k.rows.length * C);
    for (let i = 0; i < k.rows.length; i++) values.set(rolledRow(k, k.layers - 1, i), i * C);
  }
  let most = 0;
  if (values) for (const v of values) if (v > most) most = v;
  const row = i => values ? values.subarray(i * C, (i + 1) * C) : rolledRow(k, k.layers - 1, i);
  return { rows: k.rows, columns: k.columns, row, values, most };
}

function highest() {
  if (!find("stretch").checked) return 1;
  if (!shown.values && at && at.row !== null) return Math.max(1e-9, ...shown.row(at.row));
  return shown.most > 0 ? shown.most : 1;
}

