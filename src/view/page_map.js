// ---- colours and cells ----

function packed(v, high) { return scale[Math.round(Math.min(Math.max(v / high, 0), 1) * (scale.length - 1))]; }

// A canvas of one pixel for each value.
function pixels(width, height, rgb) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const pen = canvas.getContext("2d"), image = pen.createImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    const c = rgb(i);
    image.data[4 * i] = c >> 16;
    image.data[4 * i + 1] = c >> 8 & 255;
    image.data[4 * i + 2] = c & 255;
    image.data[4 * i + 3] = 255;
  }
  pen.putImageData(image, 0, 0);
  return canvas;
}

// Sizes of the drawing: cells as large as the page allows, labels where they can be read.
function layout() {
  if (shown.layout && shown.layoutWidth === find("frame").clientWidth) return shown.layout;
  const pen = find("map").getContext("2d"), room = Math.max(280, find("frame").clientWidth);
  pen.font = "14px system-ui, 'Noto Sans', sans-serif";
  const widest = words => Math.min(160, words.reduce((most, w) => Math.max(most, pen.measureText(w).width), 0)) + 10;
  const left = widest(shown.rows), above = widest(shown.columns);
  let size = Math.min(36, Math.floor((room - left - 4) / shown.columns.length));
  if (size < 11) size = shown.columns.length > 400 || shown.rows.length > 400 ? 2 : 11;
  const labelled = size >= 11;
  shown.layoutWidth = find("frame").clientWidth;
  return shown.layout = { left: labelled ? left : 2, above: labelled ? above : 2, size, labelled };
}

function cut(pen, word, most) {
  if (pen.measureText(word).width <= most) return word;
  const letters = Array.from(word);
  while (letters.length && pen.measureText(letters.join("") + "…").width > most) letters.pop();
  return letters.join("") + "…";
}

// Sets a canvas to a size in CSS pixels, sharp on fine screens. Browsers refuse more than some 16000 pixels a side.
function sized(canvas, width, height) {
  const fine = Math.min(window.devicePixelRatio || 1, 16000 / Math.max(width, height));
  canvas.width = Math.ceil(width * fine);
  canvas.height = Math.ceil(height * fine);
  canvas.style.width = width + "px";
  canvas.style.height = "auto";
  const pen = canvas.getContext("2d");
  pen.scale(fine, fine);
  pen.imageSmoothingEnabled = false;
  return pen;
}

function drawMap() {
  const visible = shown.values !== null && find("view").selectedIndex === 0;
  find("frame").hidden = !visible;
  find("unmapped").hidden = shown.values !== null;
  if (!visible) return;
  const place = layout(), R = shown.rows.length, C = shown.columns.length, high = highest();
  const pen = sized(find("map"), place.left + place.size * C + 3, place.above + place.size * R + 3);
  pen.drawImage(pixels(C, R, i => packed(shown.values[i], high)), place.left, place.above, place.size * C, place.size * R);
  if (place.size >= 14) {
    pen.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--page");
    for (let j = 1; j <= C; j++) pen.fillRect(place.left + j * place.size - 1, place.above, 1, place.size * R);
    for (let i = 1; i <= R; i++) pen.fillRect(place.left, place.above + i * place.size - 1, place.size * C, 1);
  }
  if (place.labelled) drawLabels(pen, place);
}

function drawLabels(pen, place) {
  pen.font = Math.min(14, place.size * .85) + "px system-ui, 'Noto Sans', sans-serif";
  pen.fillStyle = getComputedStyle(document.body).color;
  pen.textBaseline = "middle";
  pen.textAlign = "right";
  shown.rows.forEach((word, i) => pen.fillText(cut(pen, word, 160), place.left - 6, place.above + (i + .5) * place.size));
  pen.textAlign = "left";
  shown.columns.forEach((word, j) => {
    pen.save();
    pen.translate(place.left + (j + .5) * place.size, place.above - 6);
    pen.rotate(-Math.PI / 2);
    pen.fillText(cut(pen, word, 160), 0, 0);
    pen.restore();
  });
}

// The frame around the chosen row, column or cell of the map.
function markMap() {
  const mark = find("mark");
  mark.hidden = !at;
  if (!at) return;
  const place = layout();
  const left = at.column === null ? place.left : place.left + at.column * place.size;
  const top = at.row === null ? place.above : place.above + at.row * place.size;
  mark.style.left = left - 1 + "px";
  mark.style.top = top - 1 + "px";
  mark.style.width = (at.column === null ? place.size * shown.columns.length : place.size) + 1 + "px";
  mark.style.height = (at.row === null ? place.size * shown.rows.length : place.size) + 1 + "px";
}

