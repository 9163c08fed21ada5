// The page's data are columns: numbers, or words with a place in the list for every row; null where unknown.
const data = JSON.parse(document.getElementById("data").textContent);
const at = (id) => document.getElementById(id);
const AXES = ["x", "y", "u", "v"], CHOICES = [...AXES, "c", "f"];
const NONE = "", UNKNOWN = "unknown", PANELS = 16, LISTED = 100, FEW = 8;
// Okabe and Ito 2008, then Tol's muted set
const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#882255", "#999933", "#44aa99",
  "#332288", "#ddcc77", "#aa4499", "#cc6677", "#117733", "#88ccee", "#666666"];
const state = new URLSearchParams(location.hash.slice(1));
let view = null, drawn = 0, shown = [];

function element(name, text, facts = {}) {
  const made = Object.assign(document.createElement(name), facts);
  if (text !== undefined) made.textContent = text; // never HTML
  return made;
}

const table = () => data.tables[Number(at("table").value)];
const column = (id) => table().columns.find((one) => one.name === at(id).value);
const valueAt = (one, i) => one.numbers ? one.numbers[i] : one.codes[i] === null ? null : one.words[one.codes[i]];
const distinct = (one) => one.words ? one.words.length : new Set(one.numbers.filter((value) => value !== null)).size;
const whole = (one) => one.words || one.numbers.every((value) => value === null || Number.isInteger(value));
const known = (one) => (one.numbers || one.codes).reduce((sum, value) => sum + (value !== null), 0);

// ---- choices ----

function fill(id, columns, none) {
  const select = at(id), groups = new Map();
  select.replaceChildren();
  if (none) select.append(element("option", none, {value: NONE}));
  for (const one of columns) {
    const name = distinct(one) > 1 ? one.group : "The same in all";
    if (!groups.has(name)) groups.set(name, element("optgroup", undefined, {label: name}));
    groups.get(name).append(element("option", one.name, {value: one.name}));
  }
  for (const [name, group] of groups) if (name !== "The same in all") select.append(group);
  if (groups.has("The same in all")) select.append(groups.get("The same in all"));
}

// What is most telling first: a score over depth, over batches or over what was learned.
function first(columns, ...wanted) {
  const varying = columns.filter((one) => distinct(one) > 1);
  for (const test of wanted) {
    const found = varying.filter(test);
    if (found.length) return found.reduce((best, one) => known(one) > known(best) ? one : best).name;
  }
  return (varying[0] || columns[0]).name;
}

function defaults() {
  const columns = table().columns, called = (name) => (one) => one.name === name, of = (group) => (one) => one.group === group;
  const score = of("Scores"), decoded = of("Decoding"), similar = of("Similarity"), heldout = of("Held-out images");
  const depth = called("relative depth"), mean = called("mean of regions"), steps = called("batches trained");
  const chosen = {c: columns.some(called("task")) ? "task" : first(columns, called("same task"), called("task of one")), f: NONE};
  if (table().noun === "pairs") {
    return {...chosen, x: first(columns, called("layer")), y: first(columns, similar), u: first(columns, score, called("tasks")),
      v: first(columns, similar)};
  }
  return {...chosen, x: first(columns, depth, steps, heldout), y: first(columns, mean, score, decoded, similar, heldout),
    u: first(columns, depth, decoded, heldout, steps), v: first(columns, table().noun === "layers" ? decoded : mean, table().noun === "layers" ? similar : score, similar, heldout)};
}

function choose(kept) {
  const columns = table().columns, start = defaults();
  for (const id of AXES) fill(id, columns);
  fill("c", columns, "none");
  fill("f", columns.filter((one) => distinct(one) <= 2 * PANELS), "none");
  for (const id of CHOICES) {
    const asked = kept.get(id);
    const there = asked !== null && [...at(id).options].some((option) => option.value === asked);
    at(id).value = there ? asked : start[id];
  }
  for (const id of AXES) at("log" + id).checked = kept.get("log" + id) === "1";
}

function remember() {
  const now = new URLSearchParams({t: table().noun});
  for (const id of CHOICES) now.set(id, at(id).value);
  for (const id of AXES) if (at("log" + id).checked) now.set("log" + id, "1");
  history.replaceState(null, "", "#" + now);
}

// ---- drawing ----

function rowsOf() {
  const chosen = Object.fromEntries(CHOICES.map((id) => [id, column(id)]));
  const from = table(), server = at("server").value.replace(/\/+$/, "");
  let panels = chosen.f ? [...new Set(from.names.map((_, i) => valueAt(chosen.f, i)))].filter((value) => value !== null) : [];
  if (chosen.f && chosen.f.words) panels = chosen.f.words.slice();
  else panels.sort((a, b) => a - b);
  const kept = new Set(panels.slice(0, PANELS)), rows = [];
  let unplaced = 0, elsewhere = 0;
  for (let i = 0; i < from.names.length; i++) {
    const row = {i, j: ((i * 0.618034) % 1) - 0.5, n: from.names[i], r: from.runs[i]};
    for (const id of CHOICES) row[id] = chosen[id] ? valueAt(chosen[id], i) : null;
    if (from.paths[i]) row.l = server + "/#/" + from.paths[i];
    if (row.x === null || row.y === null) { unplaced++; continue; }
    if (chosen.f && !kept.has(row.f)) { elsewhere++; continue; }
    if (row.c === null) row.c = chosen.c && chosen.c.numbers && !coded(chosen.c) ? null : UNKNOWN;
    else if (chosen.c && coded(chosen.c)) row.c = String(row.c);
    rows.push(row);
  }
  const said = [`${rows.length} of ${from.names.length} ${from.noun}`];
  if (from.total > from.names.length) said.push(`a sample of ${from.total}, the same every time`);
  if (unplaced) said.push(`${unplaced} lack x or y of plot 1`);
  if (elsewhere) said.push(`${elsewhere} are in no panel shown` + (panels.length > PANELS ? ` (the first ${PANELS} of ${panels.length})` : ""));
  return {rows, chosen, said: said.join("; ") + "."};
}

const coded = (one) => Boolean(one.words) || (whole(one) && distinct(one) <= FEW);

function axis(id, one) {
  if (one.words) {
    return {field: id, type: "nominal", title: one.name, sort: one.words, axis: {labelAngle: id === "x" || id === "u" ? -30 : 0, labelLimit: 150}};
  }
  const some = one.numbers.filter((value) => value !== null);
  const scale = {nice: false, padding: 8};
  if (!at("log" + id).checked) scale.zero = false;
  else scale.type = some.some((value) => value <= 0) ? "symlog" : "log";
  return {field: id, type: "quantitative", title: one.name, scale};
}

function colour(one) {
  if (!one) return {value: COLOURS[0]};
  if (!coded(one)) return {field: "c", type: "quantitative", title: one.name, scale: {scheme: "viridis"}};
  const words = one.words ? one.words.slice() : [...new Set(one.numbers.filter((value) => value !== null))].sort((a, b) => a - b).map(String);
  const range = words.map((word, i) => (one.name.startsWith("task") && data.tasks[word]) || COLOURS[i % COLOURS.length]);
  const legend = {symbolLimit: 40, columns: words.length > 20 ? 2 : 1, labelLimit: 180, symbolOpacity: 1};
  if (known(one) < table().names.length) { words.push(UNKNOWN); range.push("#c9c3b4"); }
  return {field: "c", type: "nominal", title: one.name, sort: words, legend, scale: {domain: words, range}};
}

function plot(x, y, brush, chosen, size, many) {
  const both = {and: [{param: "one"}, {param: "two"}]};
  const rest = getComputedStyle(document.documentElement).getPropertyValue("--rest").trim();
  const encoding = {
    x: axis(x, chosen[x]), y: axis(y, chosen[y]), href: {field: "l"},
    color: {condition: {test: both, ...colour(chosen.c)}, value: rest},
    opacity: {condition: {test: both, value: many ? 0.55 : 0.85}, value: 0.35},
  };
  if (chosen[x].words) encoding.xOffset = {field: "j", type: "quantitative", scale: {domain: [-0.7, 0.7]}};
  if (chosen[y].words) encoding.yOffset = {field: "j", type: "quantitative", scale: {domain: [-0.7, 0.7]}};
  return {
    ...size, transform: [{filter: `isValid(datum.${x}) && isValid(datum.${y})`}],
    params: [{name: brush, select: {type: "interval", encodings: ["x", "y"]}}],
    mark: {type: "circle", size: many ? 18 : 45, stroke: null, cursor: "pointer", aria: false, tooltip: {content: "data"}}, encoding,
  };
}

// Made when a point is under the pointer: words for every point at every move of a brush would take seconds.
function hover(chosen) {
  return (row, escaped) => {
    const lines = [["network", row.n], ["run", row.r || "none"]];
    for (const id of CHOICES) if (chosen[id] && !lines.some(([name]) => name === chosen[id].name)) lines.push([chosen[id].name, row[id] ?? UNKNOWN]);
    return "<table>" + lines.map((line) => `<tr><td class="key">${escaped(line[0])}</td><td class="value">${escaped(line[1])}</td></tr>`).join("") + "</table>";
  };
}

function specification(rows, chosen) {
  const wide = at("plot").clientWidth, beside = wide >= 900, many = rows.length > 2000;
  const legend = chosen.c ? 190 : 20, room = beside ? (wide - legend - 170) / 2 : wide - legend - 80;
  const panels = chosen.f ? new Set(rows.map((row) => row.f)).size : 1;
  const columns = Math.max(1, Math.min(panels, Math.floor(room / 170)));
  const size = chosen.f ? {width: Math.max(90, room / columns - 24), height: Math.max(110, Math.min(220, room / columns))}
    : {width: room, height: Math.min(420, Math.max(260, room * 0.75))};
  const make = (x, y, brush) => chosen.f
    ? {facet: {field: "f", type: chosen.f.words ? "nominal" : "ordinal", title: chosen.f.name, sort: chosen.f.words || "ascending"},
      columns, spec: plot(x, y, brush, chosen, size, many)}
    : plot(x, y, brush, chosen, size, many);
  const style = getComputedStyle(document.documentElement), ink = style.getPropertyValue("--ink").trim();
  const line = style.getPropertyValue("--line").trim();
  const words = {labelColor: ink, titleColor: ink, titleFontWeight: 500};
  return {
    data: {values: rows}, [beside ? "hconcat" : "vconcat"]: [make("x", "y", "one"), make("u", "v", "two")], spacing: 30,
    background: null, padding: 4,
    config: {font: "system-ui, sans-serif", view: {stroke: line}, axis: {...words, gridColor: line, gridOpacity: 0.5, domainColor: line, tickColor: line, titleLimit: room},
      legend: words, header: words, facet: {spacing: 14}, concat: {spacing: 24}},
  };
}

async function draw() {
  const mine = ++drawn, began = performance.now();
  remember();
  const {rows, chosen, said} = rowsOf();
  at("said").textContent = said;
  const made = await vegaEmbed("#plot", specification(rows, chosen), {
    actions: {export: true, source: false, compiled: false, editor: false}, renderer: "canvas",
    loader: {target: "_blank", rel: "noopener"}, tooltip: {formatTooltip: hover(chosen), theme: matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"},
  });
  if (mine !== drawn) { made.finalize(); return; }
  if (view) view.finalize();
  view = made.view;
  shown = rows;
  for (const name of ["one", "two"]) view.addSignalListener(name, () => { clearTimeout(list.timer); list.timer = setTimeout(list, 80); });
  list();
  window.explore = {view, rows, ms: performance.now() - began, chosen: selected};
  document.body.dataset.drawn = String(mine);
}

// ---- what is brushed ----

function inside(row, box) {
  return Object.entries(box || {}).every(([field, span]) => {
    if (!Array.isArray(span)) return true;
    if (typeof row[field] === "number") return row[field] >= Math.min(...span) && row[field] <= Math.max(...span);
    return span.includes(row[field]);
  });
}

function selected() {
  const boxes = ["one", "two"].map((name) => view.signal(name));
  return shown.filter((row) => boxes.every((box) => inside(row, box)));
}

function list() {
  const chosen = Object.fromEntries(CHOICES.map((id) => [id, column(id)])), found = selected(), noun = table().noun;
  const ids = CHOICES.filter((id, i) => chosen[id] && CHOICES.findIndex((other) => chosen[other] === chosen[id]) === i);
  at("count").textContent = `${found.length} ${found.length === shown.length ? noun : `of ${shown.length} ${noun} chosen`}`
    + (found.length > LISTED ? `, the first ${LISTED}` : "");
  at("heads").replaceChildren(element("th", "network"), element("th", "run"), ...ids.map((id) => element("th", chosen[id].name)));
  at("rows").replaceChildren(...found.slice(0, LISTED).map((row) => {
    const line = element("tr"), run = element("td", undefined, {className: "run"});
    run.append(row.l ? element("a", row.r, {href: row.l, target: "_blank", rel: "noopener"}) : element("span", row.r || "none"));
    line.append(element("td", row.n), run, ...ids.map((id) => element("td", row[id] === null ? "" : row[id])));
    return line;
  }));
}

// ---- beginning ----

function begin() {
  if (!data.tables.length) {
    at("controls").hidden = true;
    at("said").textContent = "There is no finished run to explore yet.";
    document.body.dataset.drawn = "0";
    return;
  }
  data.tables.forEach((one, i) => at("table").append(element("option", {networks: "a network", layers: "a layer of a network", pairs: "a pair of networks"}[one.noun], {value: i})));
  at("table").value = String(Math.max(0, data.tables.findIndex((one) => one.noun === state.get("t"))));
  at("server").value = data.server;
  choose(state);
  at("table").addEventListener("change", () => { choose(new URLSearchParams()); draw(); });
  for (const id of [...CHOICES, ...AXES.map((name) => "log" + name), "server"]) at(id).addEventListener("change", draw);
  at("controls").addEventListener("submit", (event) => event.preventDefault());
  let width = innerWidth;
  addEventListener("resize", () => { clearTimeout(begin.timer); if (innerWidth !== width) { width = innerWidth; begin.timer = setTimeout(draw, 200); } });
  draw();
}

begin();
