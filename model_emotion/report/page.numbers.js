// Published against regenerated: every number is a point, and the cells of large tables are squares
const PLOT = { left: 56, top: 10, tall: 250 };
let compared = null, dots = [];

function ratio(published, regenerated, limit) { // the difference, as a share of what is allowed
  if (limit === null || limit === undefined) return null;
  const apart = regenerated - published;
  return limit ? apart / limit : apart ? Math.sign(apart) : 0;
}

function listDots() { // the numbers of the chosen kind, or all
  const kind = at("kind").value;
  dots = [];
  for (const [name, of] of Object.entries(compared.kinds)) {
    if (of.grid || (kind && kind !== name)) continue;
    const low = of.published.reduce((a, b) => Math.min(a, b)), high = of.published.reduce((a, b) => Math.max(a, b));
    const scaled = (value) => (high > low ? (value - low) / (high - low) : 0.5);
    of.published.forEach((published, i) => {
      const regenerated = of.regenerated[i], key = of.keys[i], apart = ratio(published, regenerated, of.limits?.[i]);
      dots.push({ kind: name, key, published, regenerated, apart, limit: of.limits?.[i], x: scaled(published), y: scaled(regenerated) });
    });
  }
}

function sayDot(dot) {
  const { kind, key, published, regenerated, apart, limit } = dot, values = { kind, key, published: minus(String(published)), regenerated: minus(String(regenerated)) };
  if (apart !== null) values.limit = limit ? say("limit", { share: Math.abs(100 * apart).toFixed(0) }) : apart ? "" : say("limit of exact");
  return say(key ? "number" : "number without key", values);
}

function frame(chart, ticks, label) { // axes of one of the two charts; units are pixels
  const wide = Math.max(280, chart.clientWidth), { left, top, tall } = PLOT, right = wide - 16;
  chart.setAttribute("viewBox", `0 0 ${wide} ${top + tall + 44}`);
  chart.replaceChildren();
  const draw = (tag, attributes, text = "") => chart.appendChild(make(tag, attributes, text, SVG));
  const x = (value) => left + (right - left) * value, y = (value) => top + (tall * (ticks.at(-1) - value)) / (ticks.at(-1) - ticks[0]);
  for (const tick of [0, 0.2, 0.4, 0.6, 0.8, 1]) {
    draw("line", { class: "grid", x1: x(tick), x2: x(tick), y1: top, y2: top + tall });
    draw("text", { class: "faint", x: x(tick), y: top + tall + 18, "text-anchor": "middle" }, tick);
  }
  for (const tick of ticks) {
    draw("line", { class: "grid", x1: left, x2: right, y1: y(tick), y2: y(tick) });
    draw("text", { class: "faint", x: left - 6, y: y(tick) + 4.5, "text-anchor": "end" }, minus(String(tick)));
  }
  draw("text", { class: "faint", x: (left + right) / 2, y: top + tall + 38, "text-anchor": "middle" }, chart.dataset.axis);
  draw("text", { class: "faint", transform: `translate(12 ${top + tall / 2}) rotate(-90)`, "text-anchor": "middle" }, label);
  return { draw, x, y };
}

function drawNumbers() {
  if (!compared) return;
  const kind = at("kind").value, [left, right] = document.querySelectorAll("svg.numbers");
  const both = [frame(left, [0, 0.2, 0.4, 0.6, 0.8, 1], say("regenerated axis")), frame(right, [-100, -50, 0, 50, 100], say("apart axis"))];
  const most = Math.max(...Object.values(compared.kinds).flatMap((of) => (of.grid ?? []).map(([, , n]) => n)));
  for (const [name, of] of Object.entries(compared.kinds)) {
    if (kind && kind !== name) continue;
    const { draw, x, y } = both[0], step = 1 / compared.grid;
    for (const [column, row, n] of of.grid ?? []) {
      const said = say("square", { kind: name, n: whole.format(n), all: whole.format(of.n) });
      draw("rect", { class: "cells", x: x(column * step), y: y((row + 1) * step), width: x(step) - x(0), height: y(0) - y(step), "fill-opacity": (0.15 + 0.85 * (Math.log1p(n) / Math.log1p(most))).toFixed(2), "data-tip": said });
    }
  }
  const path = (of, { x, y }, value) => of.map((dot) => `M${x(dot.x).toFixed(1)} ${y(value(dot)).toFixed(1)}h0`).join("");
  const followed = chosen.emotion, mine = (dot) => followed && dot.key.split(", ").includes(followed);
  const values = [(dot) => dot.y, (dot) => 100 * dot.apart], groups = [["points", (dot) => !mine(dot)], ["points mine", mine]];
  both.forEach((plot, side) => {
    const shown = dots.filter((dot) => side === 0 || dot.apart !== null);
    for (const [name, wanted] of groups) plot.draw("path", { class: name, d: path(shown.filter(wanted), plot, values[side]) });
    plot.ring = plot.draw("circle", { class: "ring", r: 6, visibility: "hidden" });
    plot.value = values[side];
  });
  left.plots = right.plots = both;
  point(Number(at("step").value));
}

function point(i) { // at one number, in both charts and in words
  const dot = dots[i], plots = document.querySelector("svg.numbers").plots, step = at("step");
  at("number").textContent = dot ? sayDot(dot) : "";
  for (const { x, y, ring, value } of plots) {
    const there = dot && (value(dot) !== 0 || dot.apart !== null);
    ring.setAttribute("visibility", there ? "visible" : "hidden");
    if (there) for (const [name, at] of [["cx", x(dot.x)], ["cy", y(value(dot))]]) ring.setAttribute(name, at);
  }
  if (!dot) return;
  step.value = i;
  step.setAttribute("aria-valuetext", sayDot(dot));
}

function nearestDot(event) { // to the mouse, within 12 pixels
  const chart = event.currentTarget, side = Number(chart.dataset.side), { x, y, value } = chart.plots[side], box = chart.getBoundingClientRect();
  let best = -1, least = 12 ** 2;
  dots.forEach((dot, i) => {
    if (side && dot.apart === null) return;
    const far = (x(dot.x) - (event.clientX - box.left)) ** 2 + (y(value(dot)) - (event.clientY - box.top)) ** 2;
    if (far < least) [best, least] = [i, far];
  });
  return best;
}

function chooseKind() {
  const kind = at("kind").value, of = compared.kinds[kind], step = at("step");
  listDots();
  step.max = Math.max(0, dots.length - 1);
  step.value = 0;
  step.disabled = !dots.length;
  at("about-kind").textContent = of ? say("kind", { kind, claim: of.claim, n: whole.format(of.n), largest: of.largest })
    : say("kinds", { points: whole.format(dots.length), cells: whole.format(Object.values(compared.kinds).reduce((sum, { grid, n }) => sum + (grid ? n : 0), 0)) });
  drawNumbers();
}

async function startNumbers() {
  if (!at("compared")) return; // the page has no run with published numbers
  compared = JSON.parse(new TextDecoder().decode(await unpack(read("compared"))));
  at("kind").addEventListener("change", chooseKind);
  at("step").addEventListener("input", () => point(Number(at("step").value)));
  for (const chart of document.querySelectorAll("svg.numbers")) {
    chart.addEventListener("mousemove", (event) => {
      const i = nearestDot(event);
      if (i < 0) {
        delete chart.dataset.tip;
        return;
      }
      point(i);
      chart.dataset.tip = sayDot(dots[i]);
    });
    chart.addEventListener("mouseleave", () => { delete chart.dataset.tip; });
  }
  chooseKind();
}
