// The drops. All views obey the emotion, the random masks that are compared with, and the size of the mask.
let drops = null;
const chosen = { emotion: "", baseline: "own", sizes: {} };
const phrases = read("phrases");
const say = (name, values = {}) => phrases[name].replace(/\{(\w+)\}/g, (_, key) => values[key] ?? "");
const minus = (text) => text.replace("-", "−");
const points = (units) => minus((units * drops.unit * 100).toFixed(1).replace(/^-(0\.0)$/, "$1"));
const fraction = (value) => minus(value.toFixed(2).replace(/^(-?)0\./, "$1."));
const qValue = (q) => (q < 0.001 ? "q < .001" : `q = ${q.toFixed(3).replace(/^0\./, ".")}`);

function ofSize(run) { // the chosen size, and the tests from the chosen baseline
  const size = drops.runs[run].sizes[chosen.sizes[run]], { own, all } = size.baselines;
  const tests = (chosen.baseline === "all" && all) || own;
  return { size, tests, own, all, rows: tests.attributes[chosen.emotion] };
}

function spread(run, i) { // the drop of each random mask itself, from the baseline of attribute i
  const { size, own, all, tests } = ofSize(run), random = size.random[chosen.emotion];
  let base = random.reduce((a, b) => a + b) / random.length;
  if (all && tests === own) base += own.attributes[chosen.emotion][i][0] - all.attributes[chosen.emotion][i][0];
  return random.map((accuracy) => base - accuracy);
}

function sayBar(name, [drop, low, high, q], random = null) {
  const values = { name, drop: points(drop) };
  if (random) values.random = say("random masks", { n: random.length, least: points(Math.min(...random)), most: points(Math.max(...random)) });
  if (low === null) return say("bar without interval", values);
  return say("bar", { ...values, low: points(low), high: points(high), q: qValue(q) });
}

function axes(chart, ticks, left, height, label) { // a chart whose units are pixels, with an axis below
  const wide = Math.max(280, chart.clientWidth), right = wide - 16, [low, high] = [ticks[0], ticks.at(-1)];
  chart.setAttribute("viewBox", `0 0 ${wide} ${height + 42}`);
  chart.replaceChildren();
  const draw = (tag, attributes, text = "", parent = chart) => parent.appendChild(make(tag, attributes, text, SVG));
  const x = (value) => left + ((right - left) * (Math.max(low, Math.min(high, value)) - low)) / (high - low);
  const every = (right - left) / (ticks.length - 1) < 34 ? 2 : 1, zero = ticks.indexOf(0);
  ticks.forEach((tick, i) => {
    draw("line", { class: tick === 0 ? "axis" : "grid", x1: x(tick), x2: x(tick), y1: 2, y2: height + 4 });
    if ((i - zero) % every === 0) draw("text", { class: "faint", x: x(tick), y: height + 20, "text-anchor": "middle" }, minus(String(tick)));
  });
  draw("text", { class: "faint", x: (left + right) / 2, y: height + 38, "text-anchor": "middle" }, label);
  return { draw, x, wide };
}

function bars(chart, names, rows, ticks, { tall, spreads, emotionOf, about }) {
  const { draw, x, wide } = axes(chart, ticks, 122, names.length * tall, say("points axis")), scale = 100 * drops.unit;
  names.forEach((name, i) => {
    const y = i * tall, row = rows[i], random = spreads && row && spreads(i);
    const said = row ? sayBar(name, row, random) : say("no drops", { emotion: emotionOf(name) });
    const group = draw("g", { class: "bar", tabindex: 0, "aria-label": said, "data-tip": said, ...about(name, said) });
    draw("rect", { x: 0, y, width: wide, height: tall, class: "row" }, "", group);
    if (random) {
      const ends = [Math.min(...random), Math.max(...random)].map((value) => x(value * scale));
      draw("rect", { class: "band", x: ends[0], width: ends[1] - ends[0], y: y + 2, height: tall - 3 }, "", group);
    }
    draw("text", { x: 116, y: y + tall / 2 + 4.5, "text-anchor": "end" }, row && row[4] ? `${name} *` : name, group);
    if (!row) return;
    const [drop, low, high, , star] = row, [from, to] = [x(0), x(drop * scale)];
    draw("rect", { class: star ? "strong" : "weak", x: Math.min(from, to), width: Math.abs(to - from), y: y + tall * 0.24, height: tall * 0.52 }, "", group);
    if (low !== null) draw("line", { class: "axis wide-line", x1: x(low * scale), x2: x(high * scale), y1: y + tall / 2, y2: y + tall / 2 }, "", group);
    for (const value of random || []) draw("circle", { class: "random", cx: x(value * scale), cy: y + tall / 2, r: 2.5 }, "", group);
  });
}

function weights(run, chart, rows) { // drop against human weight: what H3's r summarises
  const of = drops.runs[run].weights, pairs = drops.attributes.map((name, i) => ({ name, weight: of[i], drop: rows?.[i]?.[0] }));
  const known = pairs.filter(({ weight, drop }) => weight !== null && drop !== undefined);
  const { draw, x, wide } = axes(chart, [-0.2, 0, 0.2, 0.4, 0.6, 0.8], 52, 180, say("weight axis")), scale = 100 * drops.unit;
  const ticks = drops.scales[chosen.emotion ? "one" : "mean"], y = (value) => 8 + (168 * (ticks.at(-1) - Math.max(ticks[0], Math.min(ticks.at(-1), value)))) / (ticks.at(-1) - ticks[0]);
  for (const tick of ticks) {
    draw("line", { class: tick === 0 ? "axis" : "grid", x1: 52, x2: wide - 16, y1: y(tick), y2: y(tick) });
    draw("text", { class: "faint", x: 46, y: y(tick) + 4.5, "text-anchor": "end" }, minus(String(tick)));
  }
  draw("text", { class: "faint", transform: "translate(12 90) rotate(-90)", "text-anchor": "middle" }, chart.dataset.axis);
  const mean = (name) => known.reduce((sum, one) => sum + one[name], 0) / known.length, [w, d] = [mean("weight"), mean("drop")];
  const slope = known.reduce((sum, one) => sum + (one.weight - w) * (one.drop - d), 0) / known.reduce((sum, one) => sum + (one.weight - w) ** 2, 0);
  const line = [-0.05, 0.65].map((at) => ({ x: x(at), y: y((d + slope * (at - w)) * scale) }));
  if (known.length > 2) draw("line", { class: "strong", x1: line[0].x, y1: line[0].y, x2: line[1].x, y2: line[1].y });
  for (const { name, weight, drop } of known) {
    const said = say("weight", { name, weight: fraction(weight), drop: points(drop) });
    draw("circle", { class: "strong point", cx: x(weight), cy: y(drop * scale), r: 5, tabindex: 0, role: "img", "aria-label": said, "data-tip": said });
  }
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
  const percent = (units) => (units === null || units === undefined ? say("unknown") : points(units));
  for (const cell of table.querySelectorAll("td[data-run]")) {
    const { tests, rows } = ofSize(cell.dataset.run), [accuracy, majority] = drops.runs[cell.dataset.run].accuracy[emotion] ?? [];
    const row = tests.emotions[drops.emotions.indexOf(emotion)], r = tests.r[emotion];
    cell.textContent = {
      accuracy: percent(accuracy),
      majority: percent(majority),
      drop: row ? say(row[1] === null ? "mean drop without interval" : "mean drop", { drop: points(row[0]), low: points(row[1]), high: points(row[2]), q: qValue(row[3]) }) : say("unknown"),
      r: rows && typeof r === "number" ? fraction(r) : say("unknown"),
    }[cell.dataset.shows];
  }
  at("nearest").textContent = (drops.nearest[emotion] ?? []).join(", ") || say("unknown");
}

function drawDrops() {
  const { emotion } = chosen;
  for (const own of document.querySelectorAll(".sizes")) {
    const { run } = own.dataset, { tests, rows } = ofSize(run), [chart, scatter, emotions] = own.querySelectorAll("svg");
    own.querySelector("[role=status]").textContent = status(run);
    const masked = drops.attributes.map((_, i) => i).filter((i) => tests.attributes[""][i]); // this run has masks of these
    bars(chart, masked.map((i) => drops.attributes[i]), masked.map((i) => rows?.[i]), drops.scales[emotion ? "one" : "mean"], {
      tall: 24, spreads: (i) => spread(run, masked[i]), emotionOf: () => emotion, about: () => ({ role: "img" }),
    });
    weights(run, scatter, rows);
    const measured = drops.emotions.map((_, i) => i).filter((i) => drops.emotions[i] in drops.runs[run].accuracy);
    bars(emotions, measured.map((i) => drops.emotions[i]), measured.map((i) => tests.emotions[i]), drops.scales.emotions, {
      tall: 20, spreads: null, emotionOf: (name) => name,
      about: (name, said) => ({ role: "button", "data-emotion": name, "aria-pressed": name === emotion, "aria-label": say("choose", { said, name }) }),
    });
  }
  showEmotion();
}

// The slider moves every run that has the size
function slide(event) {
  const own = event.target.closest(".sizes"), k = drops.runs[own.dataset.run].sizes[event.target.value].k;
  for (const sizes of document.querySelectorAll(".sizes")) {
    const { run } = sizes.dataset, i = drops.runs[run].sizes.findIndex((size) => size.k === k), input = sizes.querySelector("input");
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
  drops = JSON.parse(new TextDecoder().decode(await unpack(read("dropped"))));
  for (const own of document.querySelectorAll(".sizes")) {
    const { run } = own.dataset, input = own.querySelector("input");
    chosen.sizes[run] = drops.runs[run].sizes.findIndex((size) => size.main);
    input?.setAttribute("aria-valuetext", say("masked", { k: whole.format(ofSize(run).size.k) }));
    input?.addEventListener("input", slide);
    own.querySelector("details").addEventListener("toggle", drawDrops);
  }
  for (const input of document.querySelectorAll("[name=baseline]")) {
    input.addEventListener("change", () => { chosen.baseline = input.value; drawDrops(); });
  }
  at("emotion").addEventListener("change", () => follow(at("emotion").value));
  const choose = (event) => {
    const name = event.target.closest?.("[data-emotion]")?.dataset.emotion;
    if (!name || (event.type === "keydown" && ![" ", "Enter"].includes(event.key))) return;
    event.preventDefault();
    const focused = event.target.closest("svg"), run = focused.closest(".sizes").dataset.run;
    follow(name === chosen.emotion ? "" : name);
    document.querySelector(`.sizes[data-run="${run}"] [data-emotion="${name}"]`).focus();
  };
  for (const kind of ["click", "keydown"]) document.addEventListener(kind, choose);
  drawDrops();
}
