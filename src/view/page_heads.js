// ---- heads side by side ----

const SMALL = 96; // pixels of a small map's side

function smallMap(k, layer, head) {
  const R = k.rows.length, C = k.columns.length, W = Math.min(C, SMALL), H = Math.min(R, SMALL), cells = new Float32Array(W * H);
  let most = 0;
  eachWeight(k, layer, head, (i, j, w) => {
    const cell = Math.floor(i * H / R) * W + Math.floor(j * W / C);
    if (w > cells[cell]) cells[cell] = w;
    if (w > most) most = w;
  });
  const high = find("stretch").checked && most > 0 ? most : 1;
  return pixels(W, H, i => packed(cells[i], high));
}

function headRow(k, layer, head, row) {
  const values = new Float32Array(k.columns.length);
  eachWeight(k, layer, head, (i, j, w) => { if (i === row) values[j] = w; });
  return values;
}

function largest(values) {
  let most = 0;
  for (let i = 1; i < values.length; i++) if (values[i] > values[most]) most = i;
  return most;
}

function headButton(k, layer, head, row) {
  const button = document.createElement("button"), weights = headRow(k, layer, head, row), most = largest(weights);
  const caption = document.createElement("small");
  tellIn(caption, k.rows[row], " → ", k.columns[most], " " + weights[most].toFixed(2));
  button.type = "button";
  button.dataset.layer = layer;
  button.dataset.head = head;
  button.append(k.patches ? overlayPixels(k.patches, weights) : smallMap(k, layer, head), `layer ${layer + 1}, head ${head + 1}`, caption);
  button.onclick = () => {
    find("layer").selectedIndex = layer + 1;
    find("head").selectedIndex = head + 1;
    find("view").selectedIndex = 0;
    show(at);
    find(k.patches ? "picture" : "map").focus();
  };
  return button;
}

function drawHeads() {
  const k = kind(), visible = find("view").selectedIndex === 1, layer = find("layer").selectedIndex - 1;
  find("heads").hidden = !visible;
  if (!visible) return;
  const row = at && at.row !== null ? at.row : 0, buttons = [];
  const layers = layer >= 0 && layer < k.layers ? [layer] : upTo(k.layers);
  for (const l of layers) for (let h = 0; h < k.heads; h++) buttons.push(headButton(k, l, h, row));
  find("heads").replaceChildren(...buttons);
}

