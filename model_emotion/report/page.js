// What the page does besides its charts
function at(id) {
  return document.getElementById(id);
}

function read(id) {
  return JSON.parse(at(id).textContent);
}

const whole = new Intl.NumberFormat("en");

function unpack(packed) { // base64 of gzip -> Response
  const bytes = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip")));
}

function make(tag, attributes = {}, text = "") {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.textContent = text;
  return element;
}

// Figures
async function showFigures() {
  const pictures = read("pictures"), addresses = {};
  for (const image of document.querySelectorAll("img[data-svg]")) {
    const name = image.dataset.svg;
    const svg = addresses[name] ? null : await unpack(pictures[name]).arrayBuffer();
    addresses[name] ??= URL.createObjectURL(new Blob([svg], { type: "image/svg+xml" }));
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
    let [x, y] = term ? [box.left, box.top] : [box.left + box.width / 2 + 12, box.top - 10];
    if (mouse && !term) [x, y] = [mouse.clientX + 12, mouse.clientY - 10];
    const above = y - tip.offsetHeight, most = document.documentElement.clientWidth - tip.offsetWidth - 8;
    tip.style.left = `${Math.max(4, Math.min(x, most))}px`;
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
  const scrolled = () => (target && target === document.activeElement ? place() : hide());
  document.addEventListener("scroll", scrolled, true);
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
}

// Claims: those with all the words and the verdict
function filterClaims() {
  const words = at("words").value.toLowerCase().split(/\s+/).filter(Boolean), status = at("status").value;
  const some = words.length || status;
  let found = 0;
  for (const section of document.querySelectorAll("details.claims")) {
    let here = 0;
    for (const row of section.querySelectorAll("tbody tr")) {
      const text = row.textContent.toLowerCase();
      const wanted = !status || row.dataset.status === status;
      row.hidden = !(wanted && words.every((word) => text.includes(word)));
      here += !row.hidden;
    }
    found += here;
    section.hidden = !here;
    const count = section.querySelector(".count");
    count.textContent = some ? `${here} of ${count.dataset.all}` : count.dataset.all;
    section.open = Boolean(here && some);
  }
  at("found").textContent = some ? `${found} ${found === 1 ? "claim" : "claims"}` : "";
}

// The searchlight
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
  taus[run] ??= numbers(await unpack(world.tau).arrayBuffer());
  const attribute = at("attribute"), layer = at("layer");
  const before = [attribute.selectedIndex, layer.selectedIndex];
  const layers = d3.range(1, world.layers + 1).map((i) => make("option", { value: i }, i));
  attribute.replaceChildren(...world.attributes.map((name) => make("option", {}, name)));
  layer.replaceChildren(make("option", { value: 0 }, "all"), ...layers);
  attribute.selectedIndex = Math.max(0, Math.min(before[0], world.attributes.length - 1));
  layer.selectedIndex = Math.max(0, Math.min(before[1], world.layers));
  drawCounts(world);
  look();
}

function luminance(rgb) { // as WCAG defines it
  const linear = (part) => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
  const [r, g, b] = rgb.map((part) => linear(part / 255));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function count(name, a, l, n, most) { // a button of the table of counts
  const said = `${name}, layer ${l + 1}: ${whole.format(n)} neurons`, shade = Math.sqrt(n / most);
  const button = make("button", { type: "button", "aria-label": said }, whole.format(n));
  const ground = [29, 95, 166].map((part) => Math.round(255 + shade * (part - 255)));
  button.style.background = `rgb(${ground})`;
  button.style.color = luminance(ground) < 0.179 ? "#fff" : "#000"; // where both have the same contrast
  button.addEventListener("click", () => {
    at("attribute").selectedIndex = a;
    at("layer").selectedIndex = l + 1;
    at("neurons").open = true;
    look();
  });
  return button;
}

function drawCounts(world) {
  const table = at("counts"), most = Math.max(1, ...world.counts.flat());
  const head = make("tr");
  const layers = world.counts[0].map((_, i) => make("th", { scope: "col", class: "n" }, i + 1));
  head.append(make("th", { scope: "col" }, "layer"), ...layers);
  const body = world.attributes.map((name, a) => {
    const row = make("tr");
    row.append(make("th", { scope: "row" }, name));
    world.counts[a].forEach((n, l) => {
      const cell = make("td");
      cell.append(count(name, a, l, n, most));
      row.append(cell);
    });
    return row;
  });
  table.replaceChildren(table.caption, make("thead"), make("tbody"));
  table.tHead.append(head);
  table.tBodies[0].append(...body);
}

function look() { // at the chosen attribute and layer
  const run = at("run").value, world = searchlights[run], neurons = world.layers * world.width;
  const a = at("attribute").selectedIndex, layer = Number(at("layer").value), name = world.attributes[a];
  const of = taus[run].subarray(a * neurons, (a + 1) * neurons), tau = (neuron) => of[neuron] / world.digits;
  const [from, to] = layer ? [(layer - 1) * world.width, layer * world.width] : [0, neurons];
  document.querySelectorAll("#counts button").forEach((button, i) => {
    const here = Math.floor(i / world.layers) === a && (i % world.layers) + 1 === layer;
    button.setAttribute("aria-pressed", here);
  });
  const there = d3.range(from, to).filter((neuron) => of[neuron] !== world.undefined);
  const where = layer ? `layer ${layer}` : "all layers";
  at("seen").textContent = `${run}, ${name}, ${where}: ${whole.format(there.length)} neurons`;
  histogram(there.map(tau), world.least[a], world.critical[a]);
  there.sort((x, y) => of[y] - of[x] || x - y);
  const best = there.slice(0, 15).map((neuron) => [
    whole.format(neuron + 1), Math.floor(neuron / world.width) + 1, (neuron % world.width) + 1,
    tau(neuron).toFixed(3),
  ]);
  fill(at("best"), `Largest tau with ${name}`, ["neuron", "layer", "unit", "tau"], best);
  one(at("neuron").value ? Number(at("neuron").value) : there.length ? there[0] + 1 : 1);
}

function one(number) { // a neuron, from 1: its tau with every attribute
  const run = at("run").value, world = searchlights[run], neurons = world.layers * world.width;
  if (!(Number.isInteger(number) && number >= 1 && number <= neurons)) {
    fill(at("one"), `There are neurons 1 to ${whole.format(neurons)}`, [], []);
    return;
  }
  const rows = world.attributes.map((name, a) => {
    const tau = taus[run][a * neurons + number - 1];
    return [name, tau === world.undefined ? "none" : (tau / world.digits).toFixed(3)];
  });
  const [layer, unit] = [Math.floor((number - 1) / world.width) + 1, ((number - 1) % world.width) + 1];
  const caption = `Neuron ${whole.format(number)}: layer ${layer}, unit ${unit}`;
  fill(at("one"), caption, ["attribute", "tau"], rows);
}

function fill(table, caption, head, rows) {
  const line = (cells, tag) => {
    const row = make("tr");
    row.append(...cells.map((cell, i) => {
      const scope = tag === "th" ? { scope: "col" } : i ? {} : { scope: "row" };
      return make(i ? tag : "th", { ...scope, class: i ? "n" : "" }, cell);
    }));
    return row;
  };
  table.replaceChildren(make("caption", {}, caption), make("thead"), make("tbody"));
  if (head.length) table.tHead.append(line(head, "th"));
  table.tBodies[0].append(...rows.map((cells) => line(cells, "td")));
}

at("run").addEventListener("change", searchlight);
for (const id of ["attribute", "layer"]) at(id).addEventListener("change", look);
at("neuron").addEventListener("input", look);
for (const id of ["words", "status"]) at(id).addEventListener("input", filterClaims);
addEventListener("hashchange", openTarget);

async function start() {
  const library = await unpack(read("library")).text();
  document.head.append(make("script", {}, library)); // runs at once, and defines d3 and Plot
  followLayout();
  document.querySelectorAll("[data-picture]").forEach(picture);
  searchlight();
  startDrops();
  startNumbers();
}
start();
tips();
followSections();
showFigures().then(openTarget);
