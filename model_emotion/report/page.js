// page.py puts page.drops.js and page.numbers.js before this file, in one script
function at(id) {
  return document.getElementById(id);
}

function read(id) {
  return JSON.parse(at(id).textContent);
}

const whole = new Intl.NumberFormat("en");
const SVG = "http://www.w3.org/2000/svg";

async function unpack(packed) { // base64 of gzip -> ArrayBuffer
  const bytes = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}

function make(tag, attributes = {}, text = "", namespace = null) {
  const element = namespace ? document.createElementNS(namespace, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.textContent = text;
  return element;
}

// Figures
async function showFigures() {
  const pictures = read("pictures"), addresses = {};
  for (const image of document.querySelectorAll("img[data-svg]")) {
    const name = image.dataset.svg;
    addresses[name] ??= URL.createObjectURL(new Blob([await unpack(pictures[name])], { type: "image/svg+xml" }));
    image.src = addresses[name];
  }
}

function openTarget() { // a link to a figure unfolds it
  const target = location.hash && at(decodeURIComponent(location.hash.slice(1)));
  if (target instanceof HTMLDetailsElement) {
    target.open = true;
    target.scrollIntoView();
  }
}

// The section in view
function followSections() {
  const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]));
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      for (const link of links.values()) link.removeAttribute("aria-current");
      links.get(entry.target.getAttribute("aria-labelledby"))?.setAttribute("aria-current", "true");
    }
  }, { rootMargin: "-15% 0px -80% 0px" });
  for (const section of document.querySelectorAll("main > section")) seen.observe(section);
}

// The numbers of whatever is under the mouse or has the focus, and the meaning of a term of the glossary
function tips() {
  const tip = at("tip");
  let target = null;
  const place = (mouse = null) => { // above the target, or above the mouse
    const term = target.matches(".term"), box = target.getBoundingClientRect();
    const [x, y] = mouse && !term ? [mouse.clientX + 12, mouse.clientY - 10] : [term ? box.left : box.left + box.width / 2 + 12, box.top - (term ? 0 : 10)];
    const above = y - tip.offsetHeight;
    tip.style.left = `${Math.max(4, Math.min(x, document.documentElement.clientWidth - tip.offsetWidth - 8))}px`;
    tip.style.top = `${above >= 4 ? above : mouse && !term ? y + 24 : box.bottom}px`;
  };
  const show = (event) => {
    if (event.target === tip) return; // the mouse may move onto an explanation
    target = event.target.closest?.("[data-tip], .term");
    tip.hidden = !target;
    if (!target) return;
    const term = target.matches(".term");
    tip.textContent = term ? at(target.getAttribute("aria-describedby")).textContent : target.dataset.tip;
    tip.toggleAttribute("data-stays", term);
    place(event.type === "mousemove" ? event : null);
  };
  const hide = () => { tip.hidden = true; };
  for (const kind of ["mousemove", "focusin", "click"]) document.addEventListener(kind, show);
  document.addEventListener("focusout", hide);
  document.addEventListener("scroll", () => (target && target === document.activeElement ? place() : hide()), true);
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
}

// Claims: those with all the words and the verdict
function filterClaims() {
  const words = at("words").value.toLowerCase().split(/\s+/).filter(Boolean), status = at("status").value;
  let found = 0;
  for (const section of document.querySelectorAll("details.claims")) {
    let here = 0;
    for (const row of section.querySelectorAll("tbody tr")) {
      const text = row.textContent.toLowerCase();
      row.hidden = !(words.every((word) => text.includes(word)) && (!status || row.dataset.status === status));
      here += !row.hidden;
    }
    found += here;
    section.hidden = !here;
    const count = section.querySelector(".count");
    count.textContent = words.length || status ? `${here} of ${count.dataset.all}` : count.dataset.all;
    section.open = Boolean(here && (words.length || status));
  }
  at("found").textContent = words.length || status ? `${found} ${found === 1 ? "claim" : "claims"}` : "";
}

// The searchlight
const BINS = 60;
const searchlights = read("searchlights");
const taus = {};

function numbers(buffer) { // what small_first in page.py wrote: low bytes, then high ones, the sign lowest
  const bytes = new Uint8Array(buffer), n = bytes.length / 2;
  return Int16Array.from({ length: n }, (_, i) => {
    const zigzag = bytes[i] | (bytes[n + i] << 8);
    return (zigzag >>> 1) ^ -(zigzag & 1);
  });
}

async function searchlight() {
  const run = at("run").value, world = searchlights[run];
  taus[run] ??= numbers(await unpack(world.tau));
  const attribute = at("attribute"), layer = at("layer"), chosen = [attribute.selectedIndex, layer.selectedIndex];
  attribute.replaceChildren(...world.attributes.map((name) => make("option", {}, name)));
  layer.replaceChildren(make("option", { value: 0 }, "all"), ...Array.from({ length: world.layers }, (_, i) => make("option", { value: i + 1 }, i + 1)));
  attribute.selectedIndex = Math.max(0, Math.min(chosen[0], world.attributes.length - 1));
  layer.selectedIndex = Math.max(0, Math.min(chosen[1], world.layers));
  drawCounts(world);
  look();
}

function luminance(rgb) { // as WCAG defines it
  const [r, g, b] = rgb.map((part) => part / 255).map((part) => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function drawCounts(world) {
  const table = at("counts"), most = Math.max(1, ...world.counts.flat());
  const head = make("tr");
  head.append(make("th", { scope: "col" }, "layer"), ...world.counts[0].map((_, i) => make("th", { scope: "col", class: "n" }, i + 1)));
  const body = world.attributes.map((name, a) => {
    const row = make("tr");
    row.append(make("th", { scope: "row" }, name));
    world.counts[a].forEach((count, l) => {
      const cell = make("td"), shade = Math.sqrt(count / most);
      const button = make("button", { type: "button", "aria-label": `${name}, layer ${l + 1}: ${whole.format(count)} neurons` }, whole.format(count));
      const ground = [29, 95, 166].map((part) => Math.round(255 + shade * (part - 255)));
      button.style.background = `rgb(${ground})`;
      button.style.color = luminance(ground) < 0.179 ? "#fff" : "#000"; // where both have the same contrast
      button.addEventListener("click", () => { at("attribute").selectedIndex = a; at("layer").selectedIndex = l + 1; at("neurons").open = true; look(); });
      cell.append(button);
      row.append(cell);
    });
    return row;
  });
  table.replaceChildren(table.caption, make("thead"), make("tbody"));
  table.tHead.append(head);
  table.tBodies[0].append(...body);
}

function look() { // at the chosen attribute and layer
  const run = at("run").value, world = searchlights[run], a = at("attribute").selectedIndex, layer = Number(at("layer").value);
  const neurons = world.layers * world.width, of = taus[run].subarray(a * neurons, (a + 1) * neurons);
  const [from, to] = layer ? [(layer - 1) * world.width, layer * world.width] : [0, neurons];
  document.querySelectorAll("#counts button").forEach((button, i) => {
    button.setAttribute("aria-pressed", Math.floor(i / world.layers) === a && (i % world.layers) + 1 === layer);
  });
  const there = Array.from({ length: to - from }, (_, i) => from + i).filter((neuron) => of[neuron] !== world.undefined);
  at("seen").textContent = `${run}, ${world.attributes[a]}, ${layer ? `layer ${layer}` : "all layers"}: ${whole.format(there.length)} neurons`;
  histogram(world, a, there.map((neuron) => of[neuron] / world.digits));
  there.sort((x, y) => of[y] - of[x] || x - y);
  fill(at("best"), `Largest tau with ${world.attributes[a]}`, ["neuron", "layer", "unit", "tau"],
    there.slice(0, 15).map((neuron) => [whole.format(neuron + 1), Math.floor(neuron / world.width) + 1, (neuron % world.width) + 1, (of[neuron] / world.digits).toFixed(3)]));
  one(at("neuron").value ? Number(at("neuron").value) : there.length ? there[0] + 1 : 1);
}

function one(number) { // a neuron, from 1: its tau with every attribute
  const run = at("run").value, world = searchlights[run], neurons = world.layers * world.width;
  if (!(Number.isInteger(number) && number >= 1 && number <= neurons)) {
    fill(at("one"), `There are neurons 1 to ${whole.format(neurons)}`, [], []);
    return;
  }
  const rows = world.attributes.map((name, a) => [name, taus[run][a * neurons + number - 1]]).map(([name, tau]) => [name, tau === world.undefined ? "none" : (tau / world.digits).toFixed(3)]);
  fill(at("one"), `Neuron ${whole.format(number)}: layer ${Math.floor((number - 1) / world.width) + 1}, unit ${((number - 1) % world.width) + 1}`, ["attribute", "tau"], rows);
}

function fill(table, caption, head, rows) {
  const line = (cells, tag) => {
    const row = make("tr");
    row.append(...cells.map((cell, i) => make(i ? tag : "th", { ...(i && tag === "td" ? {} : { scope: tag === "th" ? "col" : "row" }), class: i ? "n" : "" }, cell)));
    return row;
  };
  table.replaceChildren(make("caption", {}, caption), make("thead"), make("tbody"));
  if (head.length) table.tHead.append(line(head, "th"));
  table.tBodies[0].append(...rows.map((cells) => line(cells, "td")));
}

function histogram(world, a, values) {
  const chart = at("histogram"), wide = Math.max(300, chart.clientWidth), right = wide - 10; // units are pixels
  chart.setAttribute("viewBox", `0 0 ${wide} 240`);
  const marks = [world.least[a], world.critical[a]];
  const low = Math.min(-0.05, ...values.length ? [values.reduce((x, y) => Math.min(x, y))] : []);
  const high = Math.max(0.05, ...values.length ? [values.reduce((x, y) => Math.max(x, y))] : [], ...marks.filter((mark) => mark !== null)) + 0.005;
  const step = (high - low) / BINS, counts = new Array(BINS).fill(0);
  for (const value of values) counts[Math.min(BINS - 1, Math.floor((value - low) / step))] += 1;
  const most = Math.max(1, ...counts), across = right - 50, x = (value) => 50 + (across * (value - low)) / (high - low), y = (count) => 200 - (170 * Math.log1p(count)) / Math.log1p(most);
  const parts = [];
  const draw = (tag, attributes, text) => parts.push(make(tag, attributes, text, SVG));
  for (let power = 1; power <= most; power *= 10) {
    draw("text", { x: 44, y: y(power) + 4, "text-anchor": "end", class: "faint" }, whole.format(power));
    draw("line", { x1: 50, x2: right, y1: y(power), y2: y(power), class: "grid" });
  }
  counts.forEach((count, i) => {
    if (!count) return;
    const said = `tau ${(low + i * step).toFixed(3)} to ${(low + (i + 1) * step).toFixed(3)}: ${whole.format(count)} neurons`;
    draw("rect", { class: "bar strong", x: x(low + i * step) + 0.5, y: y(count), width: across / BINS - 1, height: 200 - y(count), tabindex: 0, role: "img", "aria-label": said, "data-tip": said });
  });
  [["study's q", "var(--open)"], ["permutations", "var(--bad)"]].forEach(([name, colour], i) => {
    if (marks[i] === null) return;
    draw("line", { x1: x(marks[i]), x2: x(marks[i]), y1: 18 + 14 * i, y2: 200, style: `stroke: ${colour}`, "stroke-width": 2, "stroke-dasharray": i ? "6 3" : "none" });
    draw("text", { x: x(marks[i]), y: 12 + 14 * i, "text-anchor": x(marks[i]) > wide - 120 ? "end" : "middle", style: `fill: ${colour}` }, `${name}: ${marks[i].toFixed(3)}`);
  });
  const every = [0.05, 0.1, 0.2, 0.5].find((size) => (high - low) / size <= wide / 60) ?? 0.5;
  for (let tick = Math.ceil(low / every); tick * every <= high; tick++) draw("text", { x: x(tick * every), y: 218, "text-anchor": "middle", class: "faint" }, (tick * every).toFixed(2));
  draw("text", { x: 50 + across / 2, y: 236, "text-anchor": "middle", class: "faint" }, "tau; neurons on a logarithmic scale");
  chart.replaceChildren(...parts);
}

at("run").addEventListener("change", searchlight);
for (const id of ["attribute", "layer"]) at(id).addEventListener("change", look);
at("neuron").addEventListener("input", look);
for (const id of ["words", "status"]) at(id).addEventListener("input", filterClaims);
addEventListener("hashchange", openTarget);
let width = innerWidth;
function redraw() { // charts whose units are pixels
  if (taus[at("run").value]) look();
  if (drops) drawDrops();
  drawNumbers();
}
addEventListener("resize", () => { if (innerWidth !== width) redraw(); width = innerWidth; });
for (const kind of ["beforeprint", "afterprint"]) addEventListener(kind, redraw);
tips();
followSections();
searchlight();
startDrops();
startNumbers();
showFigures().then(openTarget);
