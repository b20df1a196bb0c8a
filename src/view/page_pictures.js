// ---- pictures ----

function picturePixels(p) {
  p.shades ??= bytes(p.pixels);
  return p.shades;
}

// The colour of the picture at pixel i of what is shown, its top row first.
function pictureColour(p, i) {
  const shades = picturePixels(p), W = p.picture.width, x = i % W, y = Math.floor(i / W);
  const from = ((p.upward ? p.picture.height - 1 - y : y) * W + x) * p.picture.channels;
  if (p.picture.channels === 1) return shades[from] * 0x010101;
  return shades[from] << 16 | shades[from + 1] << 8 | shades[from + 2];
}

function pictureSize(p) {
  const room = Math.min(420, (document.body.clientWidth - 60) / 2), wide = p.picture.width >= 2 * p.picture.height;
  const width = wide ? Math.min(600, document.body.clientWidth - 40) : room * Math.min(1, p.picture.width / p.picture.height);
  return { width, height: width * p.picture.height / p.picture.width };
}

// Where patch n lies in what is shown: pixels of the picture.
function patchBox(p, n) {
  const x = n % p.columns * p.step_x, y = Math.floor(n / p.columns) * p.step_y;
  return { x, y: p.upward ? p.picture.height - y - p.height : y, width: p.width, height: p.height };
}

// The mean of the weights of the patches that cover each pixel.
function spread(p, weights) {
  const W = p.picture.width, sum = new Float32Array(W * p.picture.height), covered = new Uint16Array(sum.length);
  for (let n = 0; n < p.rows * p.columns; n++) {
    const box = patchBox(p, n), w = weights[p.leading + n];
    for (let y = box.y; y < box.y + box.height; y++)
      for (let x = box.x; x < box.x + box.width; x++) {
        sum[y * W + x] += w;
        covered[y * W + x]++;
      }
  }
  for (let i = 0; i < sum.length; i++) if (covered[i] > 1) sum[i] /= covered[i];
  return sum;
}

function overlayPixels(p, weights) {
  const values = spread(p, weights);
  let most = 0;
  for (const v of values) if (v > most) most = v;
  const high = find("stretch").checked && most > 0 ? most : 1;
  return pixels(p.picture.width, p.picture.height, i => {
    const c = pictureColour(p, i), grey = 0.3 * (c >> 16) + 0.59 * (c >> 8 & 255) + 0.11 * (c & 255), over = packed(values[i], high);
    const share = 0.45 + 0.3 * Math.min(values[i] / high, 1);
    const mix = shift => Math.round(share * (over >> shift & 255) + (1 - share) * grey);
    return mix(16) << 16 | mix(8) << 8 | mix(0);
  });
}

// The weights that are laid over the picture: of the chosen query to the patches.
function queryWeights(row) { return shown.rows.length === 1 ? shown.row(0) : shown.row(row ?? 0); }

function drawPictures() {
  const p = kind().patches;
  find("places").hidden = !p;
  find("words").hidden = !!p;
  if (!p) return;
  const size = pictureSize(p), row = at ? at.row : null, mark = getComputedStyle(document.documentElement).getPropertyValue("--mark");
  p.drawn ??= pixels(p.picture.width, p.picture.height, i => pictureColour(p, i));
  const pen = sized(find("picture"), size.width, size.height), ratio = size.width / p.picture.width;
  pen.drawImage(p.drawn, 0, 0, size.width, size.height);
  if (row !== null && row >= p.leading) {
    const box = patchBox(p, row - p.leading);
    pen.strokeStyle = mark;
    pen.lineWidth = 3;
    pen.strokeRect(box.x * ratio, box.y * ratio, box.width * ratio, box.height * ratio);
  }
  const over = sized(find("overlay"), size.width, size.height);
  over.drawImage(overlayPixels(p, queryWeights(row)), 0, 0, size.width, size.height);
  const name = shown.rows[row ?? 0], spectrogram = input().task === "audio" ? "; time runs right, frequency up" : "";
  find("picture-caption").textContent = "what the model saw: choose a patch" + spectrogram;
  find("overlay-caption").textContent = "where " + name + " attends";
  if (p.leading) {
    shadePieces("leading", row !== null && row < p.leading ? row : -1, () => null);
  }
}

function patchUnder(event) {
  const p = kind().patches, box = find("picture").getBoundingClientRect();
  const x = (event.clientX - box.left) / box.width * p.picture.width;
  let y = (event.clientY - box.top) / box.height * p.picture.height;
  if (p.upward) y = p.picture.height - y;
  const column = Math.min(Math.floor(x / p.step_x), p.columns - 1), row = Math.min(Math.floor(y / p.step_y), p.rows - 1);
  return column >= 0 && row >= 0 ? p.leading + row * p.columns + column : null;
}

function movePatch(event) {
  const p = kind().patches, up = p.upward ? p.columns : -p.columns;
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: up, ArrowDown: -up }[event.key];
  if (!step) return;
  event.preventDefault();
  const now = at && at.row !== null ? at.row - p.leading : -1, next = now < 0 ? 0 : now + step;
  if (next >= 0 && next < p.rows * p.columns) move(p.leading + next, null);
}

