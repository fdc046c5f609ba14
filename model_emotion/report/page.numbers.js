// Published against regenerated: every number is a point, and the cells of large tables are squares
let compared = null, dots = [], rings = [];

function percentOf(limit, apart) { // a difference, in per cent of what is allowed
  if (limit === null || limit === undefined) return null;
  return 100 * (limit ? apart / limit : Math.sign(apart));
}

function listDots() { // the numbers of the chosen kind, or all
  const wanted = at("kind").value;
  dots = Object.entries(compared.kinds).flatMap(([kind, of]) => {
    if (of.grid || (wanted && wanted !== kind)) return [];
    const scaled = d3.scaleLinear(d3.extent(of.published), [0, 1]); // .5 if there is only one number
    return of.published.map((published, i) => {
      const regenerated = of.regenerated[i], limit = of.limits?.[i];
      const share = percentOf(limit, regenerated - published), [x, y] = [published, regenerated].map(scaled);
      return { kind, key: of.keys[i], published, regenerated, limit, x, y, share };
    });
  });
}

function sayDot({ kind, key, published, regenerated, share, limit }) {
  const values = { kind, key, published: minus(`${published}`), regenerated: minus(`${regenerated}`) };
  if (limit) values.limit = say("limit", { share: Math.abs(share).toFixed(0) });
  else if (share === 0) values.limit = say("limit of exact");
  return say(key ? "number" : "number without key", values);
}

function drawNumbers() {
  if (!compared) return;
  const wanted = at("kind").value, step = 1 / compared.grid, { emotion } = chosen;
  const most = d3.max(Object.values(compared.kinds).flatMap(({ grid = [] }) => grid), ([, , n]) => n);
  const squares = Object.entries(compared.kinds).flatMap(([kind, { grid = [], n: all }]) => (
    wanted && wanted !== kind ? [] : grid.map(([column, row, n]) => ({
      x1: column * step, x2: (column + 1) * step, y1: row * step, y2: (row + 1) * step, n,
      said: say("square", { kind, n: whole.format(n), all: whole.format(all) }),
    }))));
  const mine = ({ key }) => emotion && key.split(", ").includes(emotion);
  const [x, corners] = ["x", { x1: "x1", x2: "x2", y1: "y1", y2: "y2" }];
  const scatter = (holder, side, y, label, domain, cells) => {
    const shown = dots.filter((dot) => dot[y] !== null);
    const gapped = shown.flatMap((dot) => [dot, {}]); // one path: thousands of circles would be slow
    show(holder, () => ({
      height: 304, marginTop: 10, marginLeft: 60,
      x: axis(holder.dataset.axis, [0, 1]),
      y: axis(label, domain, { clamp: false }),
      opacity: { type: "symlog", domain: [0, most], range: [0.15, 1] },
      told: cells.map(({ said }) => ({ "data-tip": said })),
      marks: [
        Plot.rect(cells, { ...corners, fill: "var(--weak)", fillOpacity: "n", className: "told" }),
        Plot.line(gapped, { x, y, stroke: "var(--blue)", strokeWidth: 3, className: "points" }),
        Plot.dot(shown.filter(mine), { x, y, r: 3, fill: "var(--open)" }),
      ],
      drawn: (chart) => follows(chart, side, shown, y),
    }));
  };
  const [left, right] = document.querySelectorAll(".chart.numbers");
  scatter(left, 0, "y", say("regenerated axis"), [0, 1], squares);
  scatter(right, 1, "share", say("apart axis"), [-100, 100], []);
}

function follows(chart, side, shown, y) { // a ring on one number, and the number next to the mouse
  const place = [["x", "x"], ["y", y]].map(([scale, name]) => (dot) => chart.scale(scale).apply(dot[name]));
  const ring = d3.select(chart).append("circle").attr("class", "ring").attr("r", 6);
  rings[side] = (dot) => {
    const there = dot && dot[y] !== null;
    ring.attr("visibility", there ? "visible" : "hidden");
    if (there) ring.attr("cx", place[0](dot)).attr("cy", place[1](dot));
  };
  const tree = d3.quadtree(shown, ...place);
  chart.addEventListener("mousemove", (event) => {
    const dot = tree.find(...d3.pointer(event, chart), 12);
    delete chart.dataset.tip;
    if (!dot) return;
    point(dots.indexOf(dot));
    chart.dataset.tip = sayDot(dot);
  });
  rings[side](dots[at("step").value]);
}

function point(i) { // at one number, in both charts and in words
  const dot = dots[i], step = at("step");
  at("number").textContent = dot ? sayDot(dot) : "";
  for (const ring of rings) ring(dot);
  if (!dot) return;
  step.value = i;
  step.setAttribute("aria-valuetext", sayDot(dot));
}

function chooseKind() {
  const kind = at("kind").value, of = compared.kinds[kind], step = at("step");
  listDots();
  step.max = Math.max(0, dots.length - 1);
  step.value = 0;
  step.disabled = !dots.length;
  const cells = d3.sum(Object.values(compared.kinds), ({ grid, n }) => (grid ? n : 0));
  at("about-kind").textContent = of
    ? say("kind", { kind, claim: of.claim, n: whole.format(of.n), largest: of.largest })
    : say("kinds", { points: whole.format(dots.length), cells: whole.format(cells) });
  drawNumbers();
  point(0);
}

async function startNumbers() {
  if (!at("compared")) return; // the page has no run with published numbers
  compared = await unpack(read("compared")).json();
  at("kind").addEventListener("change", chooseKind);
  at("step").addEventListener("input", () => point(Number(at("step").value)));
  chooseKind();
}
