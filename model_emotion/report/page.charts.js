// Charts. page.py puts this file, page.drops.js and page.numbers.js before page.js, in one script.
// Observable Plot draws each chart into an element with the class chart, and again if its width changes.
const makers = new Map(); // element -> function that returns its chart
const resized = new ResizeObserver((entries) => {
  for (const { target } of entries) if (target.clientWidth !== target.wide) paint(target);
});

// make: returns Plot's options; `told`, attributes for each element of the marks with the class told; and
// `drawn`, which gets the chart
function show(holder, make) {
  makers.set(holder, make);
  resized.observe(holder);
  paint(holder);
}

function paint(holder, folded = false) { // a folded chart is drawn when it is unfolded
  if (!folded && !holder.checkVisibility()) return;
  holder.wide = holder.clientWidth;
  const width = Math.max(200, holder.wide), { told = [], drawn, ...options } = makers.get(holder)(width);
  const chart = Plot.plot({ marginRight: 16, marginBottom: 42, ...options, width });
  for (const group of chart.querySelectorAll("g[aria-label]")) { // only elements with a role may have a label
    group.classList.add(`mark-${group.getAttribute("aria-label").replaceAll(" ", "-")}`);
    group.removeAttribute("aria-label");
  }
  chart.querySelectorAll(".told > *").forEach((element, i) => {
    for (const [name, value] of Object.entries(told[i])) element.setAttribute(name, value);
  });
  holder.replaceChildren(chart);
  drawn?.(chart);
}

function followLayout() {
  const unfolded = ({ target }) => target.querySelectorAll(".chart").forEach((holder) => paint(holder));
  document.addEventListener("toggle", unfolded, true);
  const paintAll = () => makers.forEach((_, holder) => paint(holder, true)); // what is folded is printed too
  for (const kind of ["beforeprint", "afterprint"]) addEventListener(kind, paintAll);
}

const tells = (said) => // attributes of an element that mouse and keyboard reach
  ({ class: "bar", tabindex: 0, role: "img", "aria-label": said, "data-tip": said });

const axis = (label, domain, more = {}) => ({
  label, domain, labelAnchor: "center", labelArrow: "none", grid: true, clamp: true,
  tickFormat: "~f", tickSpacing: 50, tickSize: 0, tickPadding: 8, ...more,
});

const shade = ({ strong }) => (strong ? "var(--blue)" : "var(--weak)");
const grey = { fill: "var(--line)", stroke: "var(--line)" };
const ends = (ticks) => [ticks[0], ticks.at(-1)];

// The small chart of a card: marks side by side, as columns or with intervals
function picture(holder) {
  const { marks, bars, band, scale, ticks } = JSON.parse(holder.dataset.picture);
  const y = (name) => (mark) => scale * (mark[name] ?? NaN);
  const title = ({ name, value, low, high }) => {
    const [is, from, to] = [value, low, high].map((number) => d3.format(".3~r")(scale * number));
    return low === null ? `${name}: ${is}` : `${name}: ${is} [${from}, ${to}]`;
  };
  show(holder, () => ({
    height: 144, marginTop: 8, marginRight: 2, marginBottom: 8, marginLeft: 38,
    x: { type: "band", domain: marks.map(({ name }) => name), padding: 0.24, axis: null },
    y: axis(null, ends(ticks).map((tick) => scale * tick), { ticks: ticks.map((tick) => scale * tick) }),
    marks: [
      band.length ? Plot.rect([0], { y1: scale * d3.min(band), y2: scale * d3.max(band), ...grey }) : null,
      Plot.ruleY([0], { stroke: "var(--ink)" }),
      bars ? Plot.barY(marks, { x: "name", y1: 0, y2: y("value"), fill: shade, insetTop: -1, title }) : [
        Plot.ruleX(marks, { x: "name", y1: y("low"), y2: y("high"), stroke: shade, strokeWidth: 2, title }),
        Plot.dot(marks, { x: "name", y: y("value"), r: 4, fill: shade, title }),
      ],
    ],
  }));
}

// The distribution of tau, with the two thresholds
function histogram(values, least, critical) {
  const bins = d3.bin().thresholds(60)(values).filter((bin) => bin.length);
  const thresholds = [["study's q", least, "var(--open)"], ["permutations", critical, "var(--bad)"]]
    .filter(([, tau]) => tau !== null);
  const edges = [...thresholds.map(([, tau]) => tau), ...bins.flatMap(({ x0, x1 }) => [x0, x1])];
  const [low, high] = d3.extent([-0.05, 0.05, ...edges]);
  const most = d3.max(bins, ({ length }) => length) ?? 1;
  show(at("histogram"), (wide) => ({
    height: 250, marginTop: 34, marginLeft: 64,
    x: axis(say("tau axis"), [low, high], { tickFormat: ".2f", tickSpacing: 80, grid: false }),
    y: axis(say("neurons axis"), [0, most], {
      type: "symlog", tickFormat: whole.format,
      ticks: [1, 10, 100, 1000, 10000].filter((tick) => tick <= most),
    }),
    told: bins.map(({ x0, x1, length }) => (
      tells(`tau ${x0.toFixed(3)} to ${x1.toFixed(3)}: ${whole.format(length)} neurons`))),
    marks: [
      Plot.rect(bins, {
        x1: "x0", x2: "x1", y1: 0, y2: "length", fill: "var(--blue)", inset: 0.5, className: "told",
      }),
      thresholds.map(([name, tau, colour], i) => [
        Plot.ruleX([tau], {
          stroke: colour, strokeWidth: 2, strokeDasharray: i ? "6 3" : null, insetTop: 14 * i - 16,
        }),
        Plot.text([`${name}: ${tau.toFixed(3)}`], {
          x: [tau], text: Plot.identity, fill: colour, stroke: "var(--ground)",
          frameAnchor: "top", lineAnchor: "bottom", dy: 14 * i - 18,
          textAnchor: (wide * (high - tau)) / (high - low) < 100 ? "end" : "middle",
        }),
      ]),
    ],
  }));
}
