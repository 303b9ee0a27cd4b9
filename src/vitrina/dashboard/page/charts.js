// The charts: rows made into what Vega draws, and a tip with the values under the pointer.

const DAY = 86_400_000;
// How many `--heat-…` there are, and from which on a figure in a cell needs the other ink.
const HEATS = 7;
const DARK_HEAT = 4;

// Numbers to draw, each beside its text. A date ends where the next day begins.
const plain = (columns) => (row) => {
  const drawn = {};
  for (const column of columns) {
    const value = row[column];
    drawn[`${column}_text`] = shown(column, value);
    if (value === null) drawn[column] = null;
    else if (data.units[column] === "money") drawn[column] = Number(value) / 100;
    else if (data.units[column] === "share") drawn[column] = Number(value) / 1e6;
    else if (data.units[column] === "text") drawn[column] = label(value);
    else if (data.units[column] === "date") {
      drawn[column] = Date.parse(value);
      drawn[`${column}_end`] = drawn[column] + DAY;
    } else drawn[column] = value;
  }
  return drawn;
};

// The names at the lines' ends, moved apart where they would cover each other.
const lineEnds = (rows) => {
  const last = new Map();
  for (const row of rows) if (row.moving_average_7_days !== null) last.set(row.region, row);
  const ends = [...last.values()]
    .map((row) => ({
      region: row.region,
      sale_date: row.sale_date,
      value: row.moving_average_7_days,
      place: row.moving_average_7_days,
    }))
    .sort((a, b) => a.value - b.value);
  const gap = Math.max(...rows.map((row) => row.total_sales_amount)) * 0.06;
  for (let at = 1; at < ends.length; at += 1) {
    ends[at].place = Math.max(ends[at].place, ends[at - 1].place + gap);
  }
  return ends;
};

const leaderRuns = (rows) => {
  const runs = [];
  for (const row of rows) {
    const run = runs.at(-1);
    if (run && run.leader === row.leader && run.end === row.sale_date) {
      run.end = row.sale_date_end;
    } else {
      runs.push({ leader: row.leader, sale_date: row.sale_date, end: row.sale_date_end });
    }
  }
  const whole = rows.at(-1).sale_date_end - rows[0].sale_date;
  for (const run of runs) {
    run.middle = (run.sale_date + run.end) / 2;
    run.named = run.end - run.sale_date > 0.15 * whole;
  }
  return runs;
};

// Steps of a round size from the smallest value to the largest, a colour each, and their key.
const heated = (rows, panel) => {
  const values = rows.map((row) => row[panel.value]);
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const size = roundUp((most - least) / (HEATS - 1)) || roundUp(most) || 1;
  const first = Math.floor(least / size);
  const level = (value) => Math.floor(value / size) - first;
  const keys = Array.from({ length: level(most) + 1 }, (_, at) => {
    const range = [first + at, first + at + 1].map((step) => compact(step * size)).join(" – ");
    return make("span", { class: "key", style: `--colour: var(--heat-${at})` }, range);
  });
  find(panel.id).querySelector(".keys").replaceChildren(...keys);
  return rows.map((row) => ({
    ...row,
    heat: `var(--heat-${level(row[panel.value])})`,
    ink: level(row[panel.value]) >= DARK_HEAT ? "var(--on-heat)" : "var(--ink)",
  }));
};

// What a chart has besides its rows, or adds to them.
const dress = {
  amount_by_day_region(rows) {
    const averageName = say("column.moving_average_7_days");
    const hover = [...grouped(rows, (row) => row.sale_date)].map(([, ofDay]) => {
      const strip = {
        sale_date: ofDay[0].sale_date,
        sale_date_end: ofDay[0].sale_date_end,
        sale_date_text: ofDay[0].sale_date_text,
      };
      for (const row of ofDay) {
        const place = data.regions.findIndex((region) => label(region) === row.region);
        strip[`region_${place}`] =
          row.moving_average_7_days === null
            ? row.total_sales_amount_text
            : `${row.total_sales_amount_text} (${averageName}: ${row.moving_average_7_days_text})`;
      }
      return strip;
    });
    return { rows, hover, ends: lineEnds(rows) };
  },
  average_by_day(rows) {
    const sold = (row) => row && row.average_sale_amount !== null;
    const alone = rows.filter((row, at) => sold(row) && !sold(rows[at - 1]) && !sold(rows[at + 1]));
    return { rows, alone };
  },
  region_lead: (rows) => ({ rows, runs: leaderRuns(rows) }),
  weekday_month: (rows, panel) => ({ rows: heated(rows, panel) }),
  day_region: (rows, panel) => ({ rows: heated(rows, panel) }),
  sales_by_region: (rows) => ({
    rows: rows.map((row) => ({
      ...row,
      label: `${row.total_sales_amount_text} · ${row.share_text}`,
    })),
  }),
  pareto(rows) {
    const steps = rows.map((row) => ({
      ...row,
      from: row.sales_rank - 0.5,
      to: row.sales_rank + 0.5,
    }));
    return {
      rows: steps,
      chosen: choice.products.size ? steps.filter(inProducts(choice)) : [],
    };
  },
  rejects_by_reason(rows, panel) {
    const sums = new Map();
    for (const { reason, rejected_rows } of rows) {
      sums.set(reason, (sums.get(reason) ?? 0) + rejected_rows);
    }
    const reasons = [...sums.keys()].sort((a, b) => sums.get(b) - sums.get(a) || compare(a, b));
    const placed = heated(rows, panel).map((row) => ({
      ...row,
      order: reasons.indexOf(row.reason),
    }));
    const imports = new Set(rows.map((row) => row.import_date)).size;
    return { rows: placed, figures: imports <= 8 ? placed : [] };
  },
  imports: (rows) => ({
    rows: rows.map((row) => ({
      ...row,
      weight: row.import_date === Date.parse(data.import_date) ? 1 : 0.5,
    })),
  }),
};

const tip = document.getElementById("tip");
const placeTip = (event) => {
  const beside = 14;
  const { offsetWidth: width, offsetHeight: height } = tip;
  const left = event.clientX + beside + width > innerWidth ? -beside - width : beside;
  const top = event.clientY + beside + height > innerHeight ? -beside - height : beside;
  tip.style.left = `${Math.max(4, event.clientX + left)}px`;
  tip.style.top = `${Math.max(4, event.clientY + top)}px`;
};
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
  if (!event.target.closest(".drawing")) hideTip();
});

const views = new Map();

const newView = async (panel, tables) => {
  const place = document.querySelector(`#${panel.id} .drawing`);
  const chart = data.charts[panel.id];
  for (const source of chart.data) {
    if (source.name in tables) source.values = tables[source.name];
  }
  const { view } = await vegaEmbed(place, chart, {
    actions: false,
    defaultStyle: false,
    expressionFunctions: { whole, compact, percent, monthOnAxis },
    // Only errors: it warns of every layer that has no rows just now.
    logLevel: 1,
    renderer: "svg",
    tooltip: showTip,
  });
  place.addEventListener("pointerdown", (event) => {
    // Vega looks at pointers that move; a tap is none.
    if (event.pointerType !== "touch") return;
    event.target.dispatchEvent(new PointerEvent("pointermove", event));
  });
  if (panel.id === "sales_by_region") {
    view.addEventListener("click", (_, item) => {
      const region = data.regions.find((each) => label(each) === item?.datum?.region);
      if (region) toggle("regions", region);
    });
  }
  return view;
};

// Draws a panel's chart, or lets the one that is there follow its new rows.
const drawChart = async (panel, rows) => {
  const drawn = rows.map(plain([...panel.columns]));
  const tables = dress[panel.id]?.(drawn, panel) ?? { rows: drawn };
  const view = views.get(panel.id);
  if (!view) return void views.set(panel.id, await newView(panel, tables));
  for (const [name, tuples] of Object.entries(tables)) view.data(name, tuples);
  await view.runAsync();
};
