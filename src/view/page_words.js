// ---- words ----

// A sequence runs as most of its letters do; each word in it runs by itself.
function direction(words) {
  const text = words.join(""), rightToLeft = text.match(/[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]/g) ?? [];
  return 2 * rightToLeft.length > (text.match(/\p{L}/gu) ?? []).length ? "rtl" : "ltr";
}

// Words of any direction in one line of text.
function tellIn(element, ...parts) {
  element.replaceChildren(...parts.map((part, i) => {
    const node = document.createElement(i % 2 ? "span" : "bdi");
    node.textContent = part;
    return node;
  }));
}

function fillPieces(id, name, words, choose) {
  const panel = find(id), title = document.createElement("b");
  title.textContent = name;
  panel.replaceChildren(title, ...words.map((word, i) => {
    const span = document.createElement("span");
    span.textContent = word;
    span.dir = "auto";
    span.dataset.index = i;
    return span;
  }));
  panel.dir = direction(words);
  panel.setAttribute("aria-label", name + "; arrow keys choose a word");
  panel.classList.toggle("long", words.length > 200);
  panel.onpointerover = event => {
    const index = event.target.dataset.index;
    if (index !== undefined) choose(Number(index));
  };
}

// weight(i) shades the pieces; null leaves them plain.
function shadePieces(id, chosen, weight) {
  const spans = find(id).querySelectorAll("span"), high = highest();
  spans.forEach((span, i) => {
    const w = weight(i), plain = w === null;
    span.className = i === chosen ? "chosen" : "";
    span.style.background = plain ? "" : `rgb(var(--shade) / ${Math.min(w / high, 1).toFixed(3)})`;
    span.title = plain ? "" : number(w);
  });
}

// In a panel that is scrolled, the word of which is told comes into view.
function bringForward(id, index) {
  const panel = find(id), span = panel.querySelectorAll("span")[index];
  if (panel.classList.contains("long")) panel.scrollTop = span.offsetTop - panel.offsetTop - panel.clientHeight / 2;
}

function keysOf(id, chosen, count, choose) {
  find(id).onkeydown = event => {
    const rightward = getComputedStyle(find(id)).direction === "rtl" ? -1 : 1;
    const step = { ArrowRight: rightward, ArrowLeft: -rightward, ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const next = chosen() === null ? 0 : Math.min(Math.max(chosen() + step, 0), count() - 1);
    choose(next);
    const span = find(id).querySelectorAll("span")[next];
    if (span) span.scrollIntoView({ block: "nearest" });
  };
}

