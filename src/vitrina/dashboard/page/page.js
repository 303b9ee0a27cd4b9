// @ts-check
// The page: its filters, and every panel following them.

/** @type {(tag: string, attributes: Record<string, unknown>, ...children: (Node | string)[]) =>
 *   HTMLElement} */
const make = (tag, attributes, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    element.setAttribute(name, String(value));
  }
  element.append(...children);
  return element;
};
/** @type {(panel: Panel, selector: string) => HTMLElement} */
const inPanel = (panel, selector) => {
  const element = byId(panel.id).querySelector(selector);
  if (!(element instanceof HTMLElement)) throw new Error(`${panel.id} has no ${selector}`);
  return element;
};

const tables = Object.fromEntries(
  Object.entries(data.tables).map(([name, table]) => [
    name,
    rowsOfTable(table, Object.fromEntries(Object.keys(table).map((each) => [each, unitOf(each)]))),
  ]),
);
// The day where the store is: a page may be looked at long after it was made.
const today = new Intl.DateTimeFormat("sv-SE", { timeZone: data.time_zone }).format();

/** @type {Choice} */
const choice = { regions: new Set(), products: new Set() };
const cent = 10n ** BigInt(data.decimals.money - 2);
/** @type {(chosen: Choice) => (place: number) => Row[]} */
const answers = (chosen) => queries(data.steps, tables, chosen, today, cent);
// The products of all imports by what is written of them, those of this one and the best first.
/** @type {Map<string, number | string>} */
const products = new Map();
const everything = { regions: new Set(), products: new Set() };
for (const rows of [answers(everything)(data.best_products), ...Object.values(tables)]) {
  if (!rows.length || !("product_id" in rows[0])) continue;
  for (const { product_id } of rows) products.set(String(product_id), product_id);
}

// The choice is kept in the address, so that a reload or a link shows the same.
const readAddress = () => {
  const named = new URLSearchParams(location.hash.slice(1));
  choice.regions = new Set(named.getAll("region").filter((each) => data.regions.includes(each)));
  choice.products = new Set(named.getAll("product").flatMap((each) => products.get(each) ?? []));
};
const writeAddress = () => {
  const named = new URLSearchParams();
  for (const region of choice.regions) named.append("region", region);
  for (const product of choice.products) named.append("product", String(product));
  history.replaceState(null, "", `#${named}`);
};
/** @type {(chosen: Set<any>, value: string | number) => void} */
const toggle = (chosen, value) => {
  if (!chosen.delete(value)) chosen.add(value);
  writeAddress();
  update();
};

/** @type {(column: string) => boolean} */
const isNumeric = (column) => !isDate(column) && !["text", "flag", "weekday"].includes(unitOf(column));

/** @type {(panel: Panel, rows: Row[]) => HTMLElement} */
const tableOf = (panel, rows) => {
  /** @type {(column: string) => boolean} */
  const isText = (column) => typeof rows[0]?.[column] === "string";
  const kinds = panel.columns.map((column) =>
    isNumeric(column) && !isText(column) ? "number" : "",
  );
  const heads = panel.columns.map((column, at) =>
    make("th", { scope: "col", class: kinds[at] }, data.columns[column].name),
  );
  const body = rows.map((row) =>
    make(
      "tr",
      {},
      ...panel.columns.map((column, at) => {
        const cell = at
          ? make("td", { class: kinds[at] })
          : make("th", { class: kinds[at], scope: "row" });
        cell.append(panel.kind === "table" ? dressed(column, row, rows) : shown(column, row[column]));
        // A name that is long is cut, and there in full under the pointer.
        if (["id", "text"].includes(unitOf(column))) cell.title = cell.textContent ?? "";
        return cell;
      }),
    ),
  );
  const caption = make("caption", { class: "unseen" }, panel.title);
  return make(
    "table",
    {},
    caption,
    make("thead", {}, make("tr", {}, ...heads)),
    make("tbody", {}, ...body),
  );
};

// In a panel that is a table, some cells are more than their text.
/** @type {(column: string, row: Row, rows: Row[]) => Node | string} */
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
      button.addEventListener("click", () => toggle(choice.products, row.product_id));
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

/** @type {(panel: Panel, value: any) => string | undefined} */
const levelOf = (panel, value) => {
  if (value === null) return undefined;
  const number = drawable(panel.value, value);
  return panel.thresholds.filter(([from]) => number >= from).at(-1)?.[1];
};

// How far a figure is from that of the previous import.
/** @type {(change: bigint) => (Node | string)[]} */
const changeSaid = (change) => {
  const size = change < 0n ? -change : change;
  const [arrow, key] =
    change > 0n ? ["▲", "change_up"] : change < 0n ? ["▼", "change_down"] : ["", "change_none"];
  // What would round to 0.00 % is still a change.
  const little = size > 0n && size < 50n;
  const said = little
    ? say(`page.${key}_little`, { change: share(100n) })
    : say(`page.${key}`, { change: share(size) });
  return [make("span", { "aria-hidden": "true" }, arrow), ` ${said}, `];
};

/** @type {(panel: Panel, row: Row) => void} */
const drawStat = (panel, row) => {
  const value = row[panel.value];
  const days = unitOf(panel.value) === "days" && value !== null;
  inPanel(panel, ".figure").textContent = days ? countedDays(value) : shown(panel.value, value);
  const beside = inPanel(panel, ".beside");
  beside.replaceChildren();
  const level = levelOf(panel, value);
  if (level) beside.append(make("span", { class: `level ${level}` }, say(`level.${level}`)), " ");
  if ("import_date" in row) {
    beside.append(say("page.newest", { import_date: shown("import_date", row.import_date) }));
    return;
  }
  const before = row[`${panel.value}_before`];
  if (row.change !== null) beside.append(...changeSaid(row.change));
  beside.append(
    before === null
      ? say("page.no_import_before")
      : say("page.before", { value: shown(panel.value, before) }),
  );
};

/** @type {(panel: Panel, row: Row) => void} */
const drawGauge = (panel, row) => {
  inPanel(panel, ".figure").textContent = shown(panel.value, row[panel.value]);
  const gauge = inPanel(panel, ".gauge");
  gauge.replaceChildren();
  if (row.lowest === null) return;
  const [low, high, value] = ["lowest", "highest", panel.value].map((column) =>
    drawable(column, row[column]),
  );
  const place = high > low ? ((value - low) / (high - low)) * 100 : 50;
  /** @type {(column: string, key: string) => HTMLElement} */
  const end = (column, key) =>
    make("span", {}, shown(column, row[column]), make("small", {}, say(key)));
  gauge.append(
    make(
      "div",
      {
        class: "track",
        role: "meter",
        "aria-labelledby": `${panel.id}-title`,
        "aria-valuemin": low,
        "aria-valuemax": high,
        "aria-valuenow": value,
        "aria-valuetext": shown(panel.value, row[panel.value]),
      },
      make("span", { class: "needle", style: `left: ${place}%` }),
    ),
    make("div", { class: "ends" }, end("lowest", "page.lowest_day"), end("highest", "page.highest_day")),
  );
};

// Which chosen filters a panel cannot follow, in its head.
/** @type {(panel: Panel) => void} */
const showScope = (panel) => {
  const missed = [
    ...(choice.regions.size ? ["region"] : []),
    ...(choice.products.size ? ["product"] : []),
  ].filter((name) => !panel.follows.includes(name));
  const follows = panel.follows.includes("region") || panel.follows.includes("product");
  const scope = inPanel(panel, ".scope");
  scope.hidden = !follows || !missed.length;
  scope.textContent = missed.map((name) => say(`page.not_by_${name}`)).join(", ");
};

/** @type {(panel: Panel, classes: Row[]) => void} */
const showClasses = (panel, classes) => {
  const keys = classes.map((row) =>
    make(
      "span",
      { class: `key class-${row.abc_class}` },
      say("page.class", {
        name: row.abc_class,
        count: whole(row.products),
        share: share(row.share),
      }),
    ),
  );
  inPanel(panel, ".keys").replaceChildren(...keys);
};

/** @type {(panel: Panel, rows: Row[]) => void} */
const drawTable = (panel, rows) => {
  const scroll = inPanel(panel, ".scroll");
  // A reader who pressed a button of the table stays at it.
  const focused = document.activeElement;
  const at = focused instanceof HTMLElement && scroll.contains(focused) && focused.dataset.product;
  scroll.replaceChildren(tableOf(panel, rows));
  if (!at) return;
  for (const button of scroll.querySelectorAll("button")) {
    if (button.dataset.product === at) button.focus({ preventScroll: true });
  }
};

// A long table is made when somebody looks at it.
/** @type {(panel: Panel, rows: Row[]) => void} */
const foldTable = (panel, rows) => {
  const scroll = inPanel(panel, ".scroll");
  const details = byId(panel.id).querySelector("details");
  if (!details) return;
  const fill = () => scroll.replaceChildren(...(details.open ? [tableOf(panel, rows)] : []));
  details.ontoggle = fill;
  fill();
};

/** @type {(panel: Panel, rowsOf: (place: number) => Row[]) => Promise<void>} */
const drawPanel = async (panel, rowsOf) => {
  const rows = rowsOf(panel.rows);
  showScope(panel);
  if (panel.kind === "stat") return drawStat(panel, rows[0]);
  if (panel.kind === "gauge") return drawGauge(panel, rows[0]);
  const empty = inPanel(panel, ".empty");
  empty.hidden = rows.length > 0;
  empty.textContent = rows.length ? "" : panel.empty;
  if (panel.kind === "table") return drawTable(panel, rows);
  if (panel.key !== null) showClasses(panel, rowsOf(panel.key));
  foldTable(panel, rows);
  inPanel(panel, ".chart").hidden = !rows.length;
  if (rows.length) await drawChart(panel, rows);
};

const showFilters = () => {
  for (const box of byId("regions").querySelectorAll("input")) {
    box.checked = choice.regions.has(box.value);
  }
  byId("chosen").replaceChildren(
    ...[...choice.products].map((product) => {
      const remove = make(
        "button",
        { type: "button", "aria-label": say("page.remove_product", { product }) },
        `${product} ×`,
      );
      remove.addEventListener("click", () => {
        toggle(choice.products, product);
        byId("product").focus();
      });
      return make("li", {}, remove);
    }),
  );
  const parts = [
    [...choice.regions].map((region) => label("region", region)).join(", "),
    [...choice.products].map((product) => say("page.product", { product })).join(", "),
  ].filter(Boolean);
  byId("shown").textContent = say("page.shown", { what: parts.join("; ") || say("page.whole") });
  byId("reset").toggleAttribute("disabled", !parts.length);
};

// One drawing after another, and the newest choice wins.
let drawing = 0;
const update = async () => {
  drawing += 1;
  const mine = drawing;
  delete document.body.dataset.drawn;
  hideTip();
  showFilters();
  const rowsOf = answers(choice);
  for (const panel of data.panels) {
    if (mine !== drawing) return;
    await drawPanel(panel, rowsOf);
  }
  if (mine === drawing) document.body.dataset.drawn = "true";
};

// What is written, without regard to capitals if that leaves one.
/** @type {(written: string) => number | string | undefined} */
const productOf = (written) => {
  const found = products.get(written);
  if (found !== undefined) return found;
  const alike = [...products.keys()].filter((each) => each.toLowerCase() === written.toLowerCase());
  return alike.length === 1 ? products.get(alike[0]) : undefined;
};

/** @type {(input: HTMLInputElement) => void} */
const addProduct = (input) => {
  const written = input.value.trim();
  if (!written) return;
  const product = productOf(written);
  const known = product !== undefined;
  byId("product-error").textContent = known ? "" : say("page.no_such_product", { product: written });
  input.setAttribute("aria-invalid", String(!known));
  if (!known) return;
  input.value = "";
  offerProducts("");
  if (!choice.products.has(product)) toggle(choice.products, product);
};

// The best of those that have what is written in them; a list of thousands would be slow.
/** @type {(written: string) => void} */
const offerProducts = (written) => {
  const offered = [];
  for (const name of products.keys()) {
    if (!name.toLowerCase().includes(written.toLowerCase())) continue;
    if (offered.push(make("option", { value: name })) === 100) break;
  }
  byId("product-list").replaceChildren(...offered);
};

/** @type {(region: string, at: number) => HTMLElement} */
const regionBox = (region, at) => {
  const name = label("region", region);
  const box = make("input", { type: "checkbox", value: region });
  box.addEventListener("change", () => toggle(choice.regions, region));
  const swatch = make("span", { class: "swatch", style: `--colour: var(--region-${at % 8})` });
  return make("label", { title: name }, box, swatch, make("span", { class: "name" }, name));
};

// The largest are in view, the others, by name, behind a button.
const offerRegions = () => {
  const boxes = data.regions.map(regionBox);
  const more = byId("more-regions");
  const hidden = boxes.slice(data.largest);
  more.before(...boxes.slice(0, data.largest));
  more.hidden = !hidden.length;
  const [summary, list] = more.children;
  summary.textContent = say("page.more_regions", { count: whole(hidden.length) });
  hidden.sort((one, other) => one.title.localeCompare(other.title, locale));
  list.append(...hidden);
};

const setUpFilters = () => {
  offerRegions();
  const input = /** @type {HTMLInputElement} */ (byId("product"));
  offerProducts("");
  input.addEventListener("input", () => offerProducts(input.value.trim()));
  // Picking from the list is a choice; so are Enter and leaving the field.
  input.addEventListener("change", () => addProduct(input));
  byId("filters").addEventListener("submit", (event) => {
    event.preventDefault();
    addProduct(input);
  });
  byId("reset").addEventListener("click", () => {
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
  const select = /** @type {HTMLSelectElement} */ (byId("theme"));
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
  byId("summary").textContent = data.first_day
    ? say("page.summary", {
        first_day: shown("import_date", data.first_day),
        last_day: shown("import_date", data.last_day),
        import_date,
      })
    : say("page.newest", { import_date });
};

// A served page asks whether a batch has landed since, and shows it with the same choice.
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
