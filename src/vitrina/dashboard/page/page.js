// The page: its filters, and every panel following them.

const make = (tag, attributes, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
};
const find = (id) => document.getElementById(id);

const choice = { regions: new Set(), products: new Set() };
const products = new Set(cells.map((row) => row.product_id));

// The choice is kept in the address, so that a reload or a link shows the same.
const readAddress = () => {
  const named = new URLSearchParams(location.hash.slice(1));
  choice.regions = new Set(named.getAll("region").filter((each) => data.regions.includes(each)));
  choice.products = new Set(
    named.getAll("product").map(Number).filter((each) => products.has(each)),
  );
};
const writeAddress = () => {
  const named = new URLSearchParams();
  for (const region of choice.regions) named.append("region", region);
  for (const product of choice.products) named.append("product", product);
  history.replaceState(null, "", `#${named}`);
};
const toggle = (kind, value) => {
  if (!choice[kind].delete(value)) choice[kind].add(value);
  writeAddress();
  update();
};

const tableOf = (panel, rows) => {
  const numeric = (column) => !["text", "date", "flag"].includes(data.units[column]);
  const heads = panel.columns.map((column) =>
    make("th", { scope: "col", class: numeric(column) ? "number" : "" }, say(`column.${column}`)),
  );
  const body = rows.map((row) =>
    make(
      "tr",
      {},
      ...panel.columns.map((column, at) => {
        const kind = numeric(column) && column !== "weekday" ? "number" : "";
        const cell = at
          ? make("td", { class: kind })
          : make("th", { class: kind, scope: "row" });
        cell.append(panel.kind === "table" ? dressed(column, row, rows) : shown(column, row[column]));
        return cell;
      }),
    ),
  );
  const caption = make("caption", { class: "unseen" }, say(`${panel.id}.title`));
  return make(
    "table",
    {},
    caption,
    make("thead", {}, make("tr", {}, ...heads)),
    make("tbody", {}, ...body),
  );
};

// In a panel that is a table, some cells are more than their text.
const dressed = (column, row, rows) => {
  const text = shown(column, row[column]);
  switch (column) {
    case "product_id": {
      const pressed = choice.products.has(row.product_id);
      const button = make(
        "button",
        { type: "button", "aria-pressed": pressed, "data-product": row.product_id },
        text,
      );
      button.addEventListener("click", () => toggle("products", row.product_id));
      return button;
    }
    case "share": {
      // Ranked rows: the first has the largest share.
      const width = `${(100 * Number(row.share)) / Number(rows[0].share)}%`;
      return make("span", { class: "bar", style: `--part: ${width}` }, text);
    }
    case "abc_class":
      return make("span", { class: `class-${row.abc_class}` }, text);
    case "agrees":
      return make("span", { class: row.agrees ? "level good" : "level bad" }, text);
    default:
      return text;
  }
};

const levelOf = (panel, value) => {
  const reached = panel.thresholds.filter(([from]) => value >= from);
  return reached.at(-1)?.[1];
};

const drawStat = (panel, row) => {
  const value = row[panel.value];
  const article = find(panel.id);
  article.querySelector(".figure").textContent =
    panel.value === "age_days" ? say("unit.days", { count: whole(value) }) : shown(panel.value, value);
  const beside = article.querySelector(".beside");
  beside.replaceChildren();
  const number = data.units[panel.value] === "share" ? Number(value) / 1e6 : value;
  const level = value === null ? undefined : levelOf(panel, number);
  if (level) beside.append(make("span", { class: `level ${level}` }, say(`level.${level}`)), " ");
  if (panel.value === "age_days") {
    beside.append(say("page.newest", { import_date: shown("import_date", row.import_date) }));
    return;
  }
  const before = row[`${panel.value}_before`];
  if (row.change !== null) {
    const size = row.change < 0n ? -row.change : row.change;
    const [arrow, key] =
      row.change > 0n ? ["▲", "change_up"] : row.change < 0n ? ["▼", "change_down"] : ["", "change_none"];
    // What would round to 0.00 % is still a change.
    const little = size > 0n && size < 50n;
    const said = little
      ? say(`page.${key}_little`, { change: share(100n) })
      : say(`page.${key}`, { change: share(size) });
    beside.append(make("span", { "aria-hidden": "true" }, arrow), ` ${said}, `);
  }
  beside.append(
    before === null
      ? say("page.no_import_before")
      : say("page.before", { value: shown(panel.value, before) }),
  );
};

const drawGauge = (panel, row) => {
  const article = find(panel.id);
  article.querySelector(".figure").textContent = shown(panel.value, row[panel.value]);
  const gauge = article.querySelector(".gauge");
  gauge.replaceChildren();
  if (row.lowest === null) return;
  const [low, high, value] = [row.lowest, row.highest, row[panel.value]].map(Number);
  const place = high > low ? ((value - low) / (high - low)) * 100 : 50;
  const end = (column, key) =>
    make("span", {}, shown(column, row[column]), make("small", {}, say(key)));
  gauge.append(
    make(
      "div",
      {
        class: "track",
        role: "meter",
        "aria-labelledby": `${panel.id}-title`,
        "aria-valuemin": low / 100,
        "aria-valuemax": high / 100,
        "aria-valuenow": value / 100,
        "aria-valuetext": shown(panel.value, row[panel.value]),
      },
      make("span", { class: "needle", style: `left: ${place}%` }),
    ),
    make("div", { class: "ends" }, end("lowest", "page.lowest_day"), end("highest", "page.highest_day")),
  );
};

// Which chosen filters a panel cannot follow, in its head.
const showScope = (panel) => {
  const missed = ["region", "product"].filter(
    (name) => choice[`${name}s`].size && !panel.follows.includes(name),
  );
  const scope = find(panel.id).querySelector(".scope");
  const follows = panel.follows.includes("region") || panel.follows.includes("product");
  scope.hidden = !follows || !missed.length;
  scope.textContent = missed.map((name) => say(`page.not_by_${name}`)).join(", ");
};

const showClasses = (panel, rows) => {
  const keys = [...grouped(rows, (row) => row.abc_class)].map(([name, of]) =>
    make(
      "span",
      { class: `key class-${name}` },
      say("page.class", {
        name,
        count: whole(of.length),
        share: share(shareOf(amountOf(of), amountOf(rows))),
      }),
    ),
  );
  find(panel.id).querySelector(".keys").replaceChildren(...keys);
};

const emptyText = { region_lead: "page.no_lead", rejects_by_reason: "page.no_rejects" };

const drawPanel = async (panel) => {
  const rows = compute[panel.id](choice);
  const article = find(panel.id);
  showScope(panel);
  if (panel.kind === "stat") return drawStat(panel, rows[0]);
  if (panel.kind === "gauge") return drawGauge(panel, rows[0]);
  const empty = article.querySelector(".empty");
  empty.hidden = rows.length > 0;
  empty.textContent = rows.length ? "" : say(emptyText[panel.id] ?? "page.no_sales");
  const scroll = article.querySelector(".scroll");
  if (panel.kind === "table") {
    // Whoever pressed a button of the table stays at it.
    const at = scroll.contains(document.activeElement) && document.activeElement.dataset.product;
    scroll.replaceChildren(tableOf(panel, rows));
    if (at) scroll.querySelector(`[data-product="${at}"]`)?.focus({ preventScroll: true });
    return;
  }
  if (panel.id === "pareto") showClasses(panel, rows);
  // A long table is made when somebody looks at it.
  const details = article.querySelector("details");
  const fill = () => scroll.replaceChildren(...(details.open ? [tableOf(panel, rows)] : []));
  details.ontoggle = fill;
  fill();
  article.querySelector(".chart").hidden = !rows.length;
  if (rows.length) await drawChart(panel, rows);
};

const showFilters = () => {
  for (const box of find("regions").querySelectorAll("input")) {
    box.checked = choice.regions.has(box.value);
  }
  find("chosen").replaceChildren(
    ...[...choice.products].map((product) => {
      const remove = make(
        "button",
        { type: "button", "aria-label": say("page.remove_product", { product }) },
        `${product} ×`,
      );
      remove.addEventListener("click", () => {
        toggle("products", product);
        find("product").focus();
      });
      return make("li", {}, remove);
    }),
  );
  const parts = [
    [...choice.regions].map(label).join(", "),
    [...choice.products].map((product) => say("page.product", { product })).join(", "),
  ].filter(Boolean);
  find("shown").textContent = say("page.shown", { what: parts.join("; ") || say("page.whole") });
  find("reset").disabled = !parts.length;
};

// One drawing after another, and the newest choice wins.
let drawing = 0;
const update = async () => {
  drawing += 1;
  const mine = drawing;
  delete document.body.dataset.drawn;
  hideTip();
  showFilters();
  for (const panel of data.panels) {
    if (mine !== drawing) return;
    await drawPanel(panel);
  }
  if (mine === drawing) document.body.dataset.drawn = "true";
};

const addProduct = (input) => {
  const written = input.value.trim();
  if (!written) return;
  const product = Number(written);
  const known = products.has(product);
  find("product-error").textContent = known ? "" : say("page.no_such_product", { product: written });
  input.setAttribute("aria-invalid", !known);
  if (!known) return;
  input.value = "";
  if (!choice.products.has(product)) toggle("products", product);
};

const setUpFilters = () => {
  data.regions.forEach((region, at) => {
    const box = make("input", { type: "checkbox", value: region });
    box.addEventListener("change", () => toggle("regions", region));
    const swatch = make("span", { class: "swatch", style: `--colour: var(--region-${at % 8})` });
    find("regions").append(make("label", {}, box, swatch, label(region)));
  });
  const input = find("product");
  // Picking from the list is a choice; so are Enter and leaving the field.
  input.addEventListener("change", () => addProduct(input));
  const best = ranked(choice).slice(0, 200);
  find("product-list").append(...best.map((row) => make("option", { value: row.product_id })));
  find("filters").addEventListener("submit", (event) => {
    event.preventDefault();
    addProduct(input);
  });
  find("reset").addEventListener("click", () => {
    choice.regions.clear();
    choice.products.clear();
    writeAddress();
    update();
  });
  addEventListener("hashchange", () => {
    readAddress();
    update();
  });
};

const setUpTheme = () => {
  const select = find("theme");
  const apply = () => {
    document.documentElement.dataset.theme = select.value;
  };
  try {
    select.value = localStorage.getItem("vitrina-theme") ?? "auto";
  } catch {
    // A page opened from a file may have no storage: the theme is then not remembered.
  }
  apply();
  select.addEventListener("change", () => {
    apply();
    try {
      localStorage.setItem("vitrina-theme", select.value);
    } catch {
      // As above.
    }
  });
};

const showImport = () => {
  const import_date = shown("import_date", data.import_date);
  find("summary").textContent = days.length
    ? say("page.summary", {
        first_day: shown("import_date", days[0].sale_date),
        last_day: shown("import_date", days.at(-1).sale_date),
        import_date,
      })
    : say("page.newest", { import_date });
};

// A served page looks whether a batch has landed since, and shows it with the same choice.
const watch = () => {
  setInterval(async () => {
    try {
      const answer = await fetch("/version");
      if (answer.ok && (await answer.text()) !== data.version) location.reload();
    } catch {
      // Nobody serves it any more; what is shown stays.
    }
  }, 3000);
};

readAddress();
setUpTheme();
setUpFilters();
showImport();
update();
if (data.version) watch();
