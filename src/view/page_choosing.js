// ---- choosing ----

function tell() {
  const row = at ? at.row : null, column = at ? at.column : null, of = row === null ? null : shown.row(row);
  if (!kind().patches) {
    const to = row === null && column !== null && shown.values;
    shadePieces("rows", row, i => to ? shown.row(i)[column] : null);
    shadePieces("columns", column, j => row !== null ? of[j] : null);
    if (row !== null && column === null) bringForward("columns", largest(of));
  }
  let words = [];
  if (row !== null && column !== null) words = [shown.rows[row], " attends to ", shown.columns[column], ": " + number(of[column])];
  else if (row !== null) {
    const most = largest(of);
    words = [shown.rows[row], " attends most to ", shown.columns[most], ": " + number(of[most])];
  } else if (column !== null && shown.values) {
    const to = shown.rows.map((_, i) => shown.row(i)[column]), most = largest(to);
    words = [shown.columns[column], " gets most from ", shown.rows[most], ": " + number(to[most])];
  }
  tellIn(find("cell"), ...words);
  find("high").textContent = highest() === 1 ? "1" : number(highest());
}

function followChoice() {
  tell();
  markMap();
  drawPictures();
  drawHeads();
}

let waiting = false;
function move(row, column) {
  if (at && at.row === row && at.column === column) return;
  at = { row, column };
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => { waiting = false; followChoice(); });
}

// Draws everything; what was chosen stays chosen where it still exists.
function show(kept) {
  shown = look();
  const fits = kept && (kept.row ?? 0) < shown.rows.length && (kept.column ?? 0) < shown.columns.length;
  const read = kind().kind === "pooling" || !["translate", "summarize"].includes(input().task);
  at = fits ? kept : read ? { row: 0, column: null } : null;
  drawMap();
  followChoice();
}

function fill(select, words) {
  const before = select.selectedIndex;
  select.replaceChildren(...words.map(word => new Option(word)));
  select.selectedIndex = before >= 0 && before < words.length ? before : 0;
}

function kindNames(k) {
  const [out, into] = sides[input().task];
  return { cross: [`${out} to ${into}`, out, into], encoder: [`${into} to itself`, into, `to ${into}`],
           decoder: [`${out} to itself`, out, "so far"], pooling: [`${out} to ${into}`, out, into] }[k.kind];
}

function chooseKind() {
  const k = kind(), names = kindNames(k), count = n => upTo(n).map(i => String(i + 1));
  fill(find("layer"), ["mean of all", ...count(k.layers), ...(rolls(k) ? ["roll-out"] : [])]);
  fill(find("head"), ["mean of all", ...count(k.heads)]);
  fillPieces("rows", names[1], k.rows, i => move(i, null));
  fillPieces("columns", names[2], k.columns, j => move(null, j));
  if (k.patches) {
    find("leading").hidden = k.patches.leading === 0 || k.rows.length === 1;
    fillPieces("leading", "read from", k.rows.slice(0, k.patches.leading), i => move(i, null));
  }
  find("kept").hidden = !k.kept;
  find("kept").textContent = k.kept ? `So many weights would not fit: of each row the ${k.kept} largest are kept, which hold ` +
    `${(100 * k.share).toFixed(1)} % of all; the others count as 0.` : "";
  show(null);
}

function chooseInput() {
  const a = input(), reads = ["text", "image", "audio"].includes(a.task);
  find("title").textContent = reads ? "What the model attends to" : `What the ${sides[a.task][0]} attends to`;
  document.title = "Attention: " + a.target;
  const label = document.createElement("b");
  label.textContent = a.target;
  label.dir = "auto";
  find("result").hidden = !reads;
  find("result").replaceChildren(a.task === "text" ? "label: " : a.source + ": ", label);
  fill(find("kind"), a.attention.map(k => kindNames(k)[0]));
  chooseKind();
}

function cellUnder(event) {
  const place = layout(), box = find("map").getBoundingClientRect();
  const column = Math.floor((event.clientX - box.left - place.left) / place.size);
  const row = Math.floor((event.clientY - box.top - place.above) / place.size);
  return row >= 0 && column >= 0 && row < shown.rows.length && column < shown.columns.length ? { row, column } : null;
}

function step(select, by) {
  const count = select.options.length;
  select.selectedIndex = (select.selectedIndex + by + count) % count;
  show(at);
}

find("map").onpointermove = event => {
  const cell = cellUnder(event);
  if (cell) move(cell.row, cell.column);
};
find("map").onkeydown = event => {
  const by = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
  if (!by) return;
  event.preventDefault();
  const clamp = (x, count) => Math.min(Math.max(x, 0), count - 1);
  if (!at) move(0, 0);
  else move(clamp((at.row ?? 0) + by[0], shown.rows.length), clamp((at.column ?? (by[1] ? -by[1] : 0)) + by[1], shown.columns.length));
};
find("picture").onpointermove = event => {
  const row = patchUnder(event);
  if (row !== null && shown.rows.length > 1) move(row, null);
};
find("picture").onkeydown = movePatch;
keysOf("rows", () => at ? at.row : null, () => shown.rows.length, i => move(i, null));
keysOf("columns", () => at ? at.column : null, () => shown.columns.length, j => move(null, j));
document.onkeydown = event => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.tagName === "SELECT") return;
  const by = event.shiftKey ? -1 : 1, key = event.key.toLowerCase();
  if (key === "l") step(find("layer"), by);
  else if (key === "h") step(find("head"), by);
  else if (key === "v") step(find("view"), by);
};
find("input").onchange = chooseInput;
find("kind").onchange = chooseKind;
for (const id of ["layer", "head", "view", "stretch"]) find(id).onchange = () => show(at);
window.onresize = () => { drawMap(); followChoice(); };
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { drawMap(); followChoice(); });
find("bar").style.background = `linear-gradient(to right, ${data.scale.filter((_, i) => i % 15 === 0).join(", ")})`;
fill(find("input"), data.inputs.map((s, i) => `${i + 1}. ${s.source}`.slice(0, 90)));
find("input-label").hidden = data.inputs.length < 2;
chooseInput();
