// @ts-check
// The charts: rows made into what Vega draws, and a tip with the values under the pointer.

/** @typedef {{ data: (name: string, rows: Row[]) => void, runAsync: () => Promise<unknown>,
 *   addEventListener: (name: string, heard: (event: unknown, item: any) => void) => void }} View
 */
/** @typedef {Record<string, Row[]>} Drawn */

const DAY = 86_400_000;
// How many `--heat-…` there are, and from which on a figure in a cell needs the other ink.
const HEATS = 7;
const DARK_HEAT = 4;

// Numbers to draw, each beside its text. A date ends where the next day begins.
/** @type {(columns: string[]) => (row: Row) => Row} */
const plain = (columns) => (row) => {
  /** @type {Row} */
  const drawn = {};
  for (const column of columns) {
    const value = row[column];
    drawn[`${column}_text`] = shown(column, value);
    if (value === null) drawn[column] = null;
    else if (isDate(column)) {
      drawn[column] = Date.parse(value);
      drawn[`${column}_end`] = drawn[column] + DAY;
    } else if (unitOf(column) === "text") drawn[column] = label(column, value);
    else if (unitOf(column) === "id") drawn[column] = value;
    else drawn[column] = drawable(column, value);
  }
  return drawn;
};

// The names at the lines' ends, moved apart where they would cover each other.
/** @type {(rows: Row[], panel: Panel) => Row[]} */
const lineEnds = (rows, { x, value, series }) => {
  const last = new Map();
  for (const row of rows) if (row[value] !== null) last.set(row[series], row);
  const ends = [...last.values()]
    .map((row) => ({
      [series]: row[series],
      [x]: row[x],
      value: row[value],
      place: row[value],
    }))
    .sort((a, b) => a.value - b.value);
  const gap = Math.max(...rows.map((row) => row.total_sales_amount)) * 0.06;
  for (let at = 1; at < ends.length; at += 1) {
    ends[at].place = Math.max(ends[at].place, ends[at - 1].place + gap);
  }
  return ends;
};

// The days on end that one series leads.
/** @type {(rows: Row[], panel: Panel) => Row[]} */
const leaderRuns = (rows, { x, series }) => {
  /** @type {Row[]} */
  const runs = [];
  for (const row of rows) {
    const run = runs.at(-1);
    if (run && run[series] === row[series] && run.end === row[x]) run.end = row[`${x}_end`];
    else runs.push({ [series]: row[series], [x]: row[x], end: row[`${x}_end`] });
  }
  const all = runs[runs.length - 1].end - runs[0][x];
  for (const run of runs) {
    run.middle = (run[x] + run.end) / 2;
    run.named = run.end - run[x] > 0.15 * all;
  }
  return runs;
};

// Steps of a round size from the smallest value to the largest, a colour each, and their key.
/** @type {(rows: Row[], panel: Panel) => Row[]} */
const heated = (rows, panel) => {
  const values = rows.map((row) => row[panel.value]);
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const size = roundUp((most - least) / (HEATS - 1)) || roundUp(most) || 1;
  const first = Math.floor(least / size);
  // The largest may be the end of a step, and opens none of its own: shares end at 100 %.
  const last = Math.max(Math.ceil(most / size) - first - 1, 0);
  const said = { money: compactMoney, share: percent }[unitOf(panel.value)] ?? compact;
  /** @type {(value: number) => number} */
  const level = (value) => Math.min(Math.floor(value / size) - first, last);
  const keys = Array.from({ length: last + 1 }, (_, at) => {
    const range = [first + at, first + at + 1].map((step) => said(step * size)).join(" – ");
    return make("span", { class: "key", style: `--colour: var(--heat-${at})` }, range);
  });
  inPanel(panel, ".keys").replaceChildren(...keys);
  return rows.map((row) => ({
    ...row,
    heat: `var(--heat-${level(row[panel.value])})`,
    ink: level(row[panel.value]) >= DARK_HEAT ? "var(--on-heat)" : "var(--ink)",
  }));
};

// Rows of a heat map over the imports: the reasons with the most rows first, and with few
// imports the figures in the cells.
/** @type {(rows: Row[], panel: Panel) => Drawn} */
const overImports = (rows, { x, value, series }) => {
  const sums = new Map();
  for (const row of rows) sums.set(row[series], (sums.get(row[series]) ?? 0) + row[value]);
  const order = [...sums.keys()].sort((a, b) => sums.get(b) - sums.get(a) || compare(a, b));
  const placed = rows.map((row) => ({ ...row, order: order.indexOf(row[series]) }));
  const imports = new Set(rows.map((row) => row[x])).size;
  return { rows: placed, figures: imports <= 8 ? placed : [] };
};

// What a kind of chart has besides its rows, or adds to them.
/** @type {Record<string, (rows: Row[], panel: Panel) => Drawn>} */
const dress = {
  lines(rows, panel) {
    const { x, value, series } = panel;
    const name = data.columns[value].name;
    const hover = alike(rows, [x]).map((ofDay) => {
      /** @type {Row} */
      const strip = {};
      for (const each of [x, `${x}_end`, `${x}_text`]) strip[each] = ofDay[0][each];
      for (const row of ofDay) {
        const place = data.regions.findIndex((region) => label("region", region) === row[series]);
        const average = row[value] === null ? "" : ` (${name}: ${row[`${value}_text`]})`;
        strip[`region_${place}`] = row.total_sales_amount_text + average;
      }
      return strip;
    });
    return { rows, hover, ends: lineEnds(rows, panel) };
  },
  line(rows, panel) {
    /** @type {(row: Row | undefined) => boolean} */
    const sold = (row) => row !== undefined && row[panel.value] !== null;
    const alone = rows.filter((row, at) => sold(row) && !sold(rows[at - 1]) && !sold(rows[at + 1]));
    return { rows, alone };
  },
  state_timeline: (rows, panel) => ({ rows, runs: leaderRuns(rows, panel) }),
  heat_map(rows, panel) {
    const coloured = heated(rows, panel);
    if (panel.x === "import_date") return overImports(coloured, panel);
    const order = new Map(data.regions.map((region, at) => [label("region", region), at]));
    return { rows: coloured.map((row) => ({ ...row, order: order.get(row[panel.series]) })) };
  },
  bars: (rows, panel) => ({
    rows: rows.map((row, order) => ({
      ...row,
      order,
      label: `${row[`${panel.value}_text`]} · ${row.share_text}`,
    })),
  }),
  pareto(rows, { x }) {
    const steps = rows.map((row) => ({ ...row, from: row[x] - 0.5, to: row[x] + 0.5 }));
    const chosen = steps.filter((/** @type {Row} */ row) => choice.products.has(row.product_id));
    return { rows: steps, chosen };
  },
  import_bars: (rows, { x }) => ({
    rows: rows.map((row) => ({
      ...row,
      weight: row[x] === Date.parse(data.import_date) ? 1 : 0.5,
    })),
  }),
};

const tip = byId("tip");
/** @type {(event: PointerEvent) => void} */
const placeTip = (event) => {
  const beside = 14;
  const { offsetWidth: width, offsetHeight: height } = tip;
  const left = event.clientX + beside + width > innerWidth ? -beside - width : beside;
  const top = event.clientY + beside + height > innerHeight ? -beside - height : beside;
  tip.style.left = `${Math.max(4, event.clientX + left)}px`;
  tip.style.top = `${Math.max(4, event.clientY + top)}px`;
};
/** @type {(handler: unknown, event: PointerEvent, item: unknown, values?: Row) => void} */
const showTip = (_, event, __, values) => {
  // A finger that is lifted again has read nothing yet.
  if (!values && event.pointerType === "touch") return;
  tip.hidden = !values;
  if (!values) return;
  const [[, heading], ...figures] = Object.entries(values);
  const lines = figures
    .filter(([, value]) => value !== undefined && value !== "undefined")
    .map(([name, value]) => make("tr", {}, make("th", {}, name), make("td", {}, value)));
  tip.replaceChildren(make("strong", {}, heading), make("table", {}, ...lines));
  placeTip(event);
};

const hideTip = () => {
  tip.hidden = true;
};
addEventListener("scroll", hideTip, { passive: true });
addEventListener("pointerdown", (event) => {
  if (event.target instanceof Element && !event.target.closest(".drawing")) hideTip();
});

/** @type {Map<string, View>} */
const views = new Map();

/** @type {(panel: Panel, tables: Drawn) => Promise<View>} */
const newView = async (panel, tables) => {
  const place = inPanel(panel, ".drawing");
  const chart = data.charts[panel.id];
  for (const source of chart.data) {
    if (source.name in tables) source.values = tables[source.name];
  }
  const { view } = await vegaEmbed(place, chart, {
    actions: false,
    defaultStyle: false,
    expressionFunctions: { whole, compactMoney, percent, monthOnAxis },
    // Only errors: it warns of every layer that has no rows just now.
    logLevel: 1,
    renderer: "svg",
    tooltip: showTip,
  });
  place.addEventListener("pointerdown", (event) => {
    // Vega looks at pointers that move; a tap is none.
    if (event.pointerType !== "touch") return;
    event.target?.dispatchEvent(new PointerEvent("pointermove", event));
  });
  if (panel.x === "region") {
    view.addEventListener("click", (_, item) => {
      const region = data.regions.find((each) => label("region", each) === item?.datum?.region);
      if (region) toggle(choice.regions, region);
    });
  }
  return view;
};

// Draws a panel's chart, or lets the one that is there follow its new rows.
/** @type {(panel: Panel, rows: Row[]) => Promise<void>} */
const drawChart = async (panel, rows) => {
  const drawn = rows.map(plain([...panel.columns]));
  const tables = dress[panel.kind]?.(drawn, panel) ?? { rows: drawn };
  const view = views.get(panel.id);
  if (!view) {
    views.set(panel.id, await newView(panel, tables));
    return;
  }
  for (const [name, tuples] of Object.entries(tables)) view.data(name, tuples);
  await view.runAsync();
};
