// The drops. All views obey the emotion, the random masks that are compared with, and the size of the mask.
let drops = null;
const chosen = { emotion: "", baseline: "own", sizes: {} };
const phrases = read("phrases");
const say = (name, values = {}) => phrases[name].replace(/\{(\w+)\}/g, (_, key) => values[key] ?? "");
const minus = (text) => text.replace("-", "−");
const percent = (units) => (units ?? NaN) * drops.unit * 100;
const points = (units) => minus(percent(units).toFixed(1).replace(/^-(0\.0)$/, "$1"));
const fraction = (value) => minus(value.toFixed(2).replace(/^(-?)0\./, "$1."));
const qValue = (q) => (q < 0.001 ? "q < .001" : `q = ${q.toFixed(3).replace(/^0\./, ".")}`);

function ofSize(run) { // the chosen size, and the tests from the chosen baseline
  const size = drops.runs[run].sizes[chosen.sizes[run]], { own, all } = size.baselines;
  const tests = (chosen.baseline === "all" && all) || own;
  return { size, tests, own, all, rows: tests.attributes[chosen.emotion] };
}

function spread(run, i) { // the drop of each random mask itself, from the baseline of attribute i
  const { size, own, all, tests } = ofSize(run), random = size.random[chosen.emotion];
  const [from, to] = [own, all].map((of) => of?.attributes[chosen.emotion]?.[i]?.[0] ?? 0);
  const base = d3.mean(random) + (all && tests === own ? from - to : 0);
  return random.map((accuracy) => base - accuracy);
}

function sayBar(name, [drop, low, high, q], random) {
  const values = { name, drop: points(drop) }, [least, most] = d3.extent(random);
  if (random.length) {
    values.random = say("random masks", { n: random.length, least: points(least), most: points(most) });
  }
  if (low === null) return say("bar without interval", values);
  return say("bar", { ...values, low: points(low), high: points(high), q: qValue(q) });
}

// A bar for each name with its interval; behind it, a dot for each random mask, and a band as wide as these
function bars(holder, names, rows, ticks, { tall, spreads = () => [], emotionOf, about }) {
  const data = names.map((name, i) => {
    const row = rows[i], random = row ? spreads(i) : [], [drop, low, high, , strong] = row ?? [];
    const said = row ? sayBar(name, row, random) : say("no drops", { emotion: emotionOf(name) });
    const [least, most] = d3.extent(random, percent), of = [drop, low, high, ...random].map(percent);
    return { name, said, strong, drop: of[0], from: of[1], to: of[2], random: of.slice(3), least, most };
  });
  const y = "name", masks = data.flatMap(({ name, random }) => random.map((drop) => ({ name, drop })));
  const starred = new Set(data.filter(({ strong }) => strong).map(({ name }) => name));
  const labels = (some, fontWeight) => Plot.axisY(some, {
    fontWeight, fill: "var(--ink)", tickSize: 0, tickPadding: 6,
    tickFormat: (name) => (starred.has(name) ? `${name} *` : name),
  });
  const followed = names.filter((name) => name === chosen.emotion);
  const inset = 0.24 * tall, [marginLeft, marginRight] = [122, 16];
  show(holder, () => ({
    height: names.length * tall + 46, marginTop: 4, marginLeft, marginRight,
    x: axis(say("points axis"), ends(ticks)),
    y: { domain: names, padding: 0, label: null },
    told: data.map(({ name, said }) => ({ ...tells(said), ...about?.(said, name) })),
    marks: [
      Plot.barX(data, { y, x1: "least", x2: "most", ...grey, insetTop: 2, insetBottom: 2 }),
      Plot.ruleX([0], { stroke: "var(--ink)" }),
      labels(names.filter((name) => !followed.includes(name))),
      labels(followed, 700),
      Plot.barX(data, { y, x1: 0, x2: "drop", fill: shade, insetTop: inset, insetBottom: inset }),
      Plot.ruleY(data, { y, x1: "from", x2: "to", stroke: "var(--ink)", strokeWidth: 2 }),
      Plot.dot(masks, { y, x: "drop", r: 2.5, className: "random" }),
      Plot.cell(data, {
        y, fill: "transparent", insetLeft: -marginLeft, insetRight: -marginRight, className: "told rows",
      }),
    ],
  }));
}

function weights(run, holder, rows) { // drop against human weight: what H3's r summarises
  const known = drops.runs[run].weights
    .map((weight, i) => ({ name: drops.attributes[i], weight, units: rows?.[i]?.[0] }))
    .filter(({ weight, units }) => weight !== null && units !== undefined);
  const [low, high] = ends(drops.scales[chosen.emotion ? "one" : "mean"]);
  const x = "weight", drop = ({ units }) => percent(units), fill = "var(--blue)";
  show(holder, () => ({
    height: 222, marginTop: 8, marginLeft: 56,
    x: axis(say("weight axis"), [-0.2, 0.8]),
    y: axis(holder.dataset.axis, [low, high], { clamp: false, tickSpacing: 40 }), // the line needs all drops
    told: known.map(({ name, weight, units }) => (
      tells(say("weight", { name, weight: fraction(weight), drop: points(units) })))),
    marks: [
      Plot.ruleX([0], { stroke: "var(--ink)" }),
      Plot.ruleY([0], { stroke: "var(--ink)" }),
      Plot.linearRegressionY(known.length > 2 ? known : [], { x, y: drop, ci: 0, stroke: fill, clip: true }),
      Plot.dot(known, {
        x, y: (one) => Math.max(low, Math.min(high, drop(one))), r: 5, fill, className: "told",
      }),
    ],
  }));
}

function status(run) {
  const { size, tests, rows } = ofSize(run), { emotion } = chosen, r = tests.r[emotion];
  if (!rows) return say("no drops", { emotion });
  const stars = rows.filter((row) => row?.[4]).length, n = rows.filter(Boolean).length;
  let said = say("masked", { k: whole.format(size.k) }) + say("stars", { stars, n });
  if (!emotion && r) said += say("r", { r: fraction(r[0]), low: fraction(r[1]), high: fraction(r[2]) });
  if (emotion && typeof r === "number") said += say("r of emotion", { r: fraction(r) });
  return said;
}

function showEmotion() { // the table of the chosen emotion
  const table = at("followed"), { emotion } = chosen;
  table.hidden = !emotion;
  if (!emotion) return;
  table.caption.textContent = say("follow", { emotion });
  const known = (units) => (units === null || units === undefined ? say("unknown") : points(units));
  const meanDrop = ([drop, low, high, q]) => (low === null
    ? say("mean drop without interval", { drop: points(drop) })
    : say("mean drop", { drop: points(drop), low: points(low), high: points(high), q: qValue(q) }));
  for (const cell of table.querySelectorAll("td[data-run]")) {
    const { run, shows } = cell.dataset, { tests, rows } = ofSize(run);
    const [accuracy, majority] = drops.runs[run].accuracy[emotion] ?? [];
    const row = tests.emotions[drops.emotions.indexOf(emotion)], r = tests.r[emotion];
    cell.textContent = {
      accuracy: known(accuracy),
      majority: known(majority),
      drop: row ? meanDrop(row) : say("unknown"),
      r: rows && typeof r === "number" ? fraction(r) : say("unknown"),
    }[shows];
  }
  at("nearest").textContent = (drops.nearest[emotion] ?? []).join(", ") || say("unknown");
}

function drawDrops() {
  const { emotion } = chosen;
  for (const own of document.querySelectorAll(".sizes")) {
    const { run } = own.dataset, { tests, rows } = ofSize(run);
    const [chart, scatter, emotions] = own.querySelectorAll(".chart");
    own.querySelector("[role=status]").textContent = status(run);
    const masked = d3.range(drops.attributes.length).filter((i) => tests.attributes[""][i]); // by this run
    bars(chart, masked.map((i) => drops.attributes[i]), masked.map((i) => rows?.[i]),
      drops.scales[emotion ? "one" : "mean"],
      { tall: 24, spreads: (i) => spread(run, masked[i]), emotionOf: () => emotion });
    weights(run, scatter, rows);
    const measured = d3.range(drops.emotions.length).filter((i) => (
      drops.emotions[i] in drops.runs[run].accuracy));
    bars(emotions, measured.map((i) => drops.emotions[i]), measured.map((i) => tests.emotions[i]),
      drops.scales.emotions, {
        tall: 20, emotionOf: (name) => name,
        about: (said, name) => ({
          role: "button", "data-emotion": name, "aria-pressed": name === emotion,
          "aria-label": say("choose", { said, name }),
        }),
      });
  }
  showEmotion();
}

// The slider moves every run that has the size
function slide(event) {
  const own = event.target.closest(".sizes"), { k } = drops.runs[own.dataset.run].sizes[event.target.value];
  for (const sizes of document.querySelectorAll(".sizes")) {
    const { run } = sizes.dataset, input = sizes.querySelector("input");
    const i = drops.runs[run].sizes.findIndex((size) => size.k === k);
    if (i < 0) continue;
    chosen.sizes[run] = i;
    if (!input) continue;
    input.value = i;
    input.setAttribute("aria-valuetext", say("masked", { k: whole.format(k) }));
  }
  drawDrops();
}

function follow(emotion) { // everywhere on the page
  chosen.emotion = emotion;
  at("emotion").value = emotion;
  drawDrops();
  drawNumbers();
}

async function startDrops() {
  drops = await unpack(read("dropped")).json();
  for (const own of document.querySelectorAll(".sizes")) {
    const { run } = own.dataset, input = own.querySelector("input");
    chosen.sizes[run] = drops.runs[run].sizes.findIndex((size) => size.main);
    input?.setAttribute("aria-valuetext", say("masked", { k: whole.format(ofSize(run).size.k) }));
    input?.addEventListener("input", slide);
  }
  for (const input of document.querySelectorAll("[name=baseline]")) {
    input.addEventListener("change", () => { chosen.baseline = input.value; drawDrops(); });
  }
  at("emotion").addEventListener("change", () => follow(at("emotion").value));
  const choose = (event) => {
    const bar = event.target.closest?.("[data-emotion]"), name = bar?.dataset.emotion;
    if (!name || (event.type === "keydown" && ![" ", "Enter"].includes(event.key))) return;
    event.preventDefault();
    const { run } = bar.closest(".sizes").dataset;
    follow(name === chosen.emotion ? "" : name);
    document.querySelector(`.sizes[data-run="${run}"] [data-emotion="${name}"]`).focus();
  };
  for (const kind of ["click", "keydown"]) document.addEventListener(kind, choose);
  drawDrops();
}
