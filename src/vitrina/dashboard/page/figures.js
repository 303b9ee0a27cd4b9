// The panels' rows for a choice of regions and products: what their SQL gives in ClickHouse.
// Money is cents and a share millionths, both BigInt, so that every figure is exact.

const read = (column, value) => {
  const exact = ["money", "share"].includes(data.units[column]);
  return exact && value !== null ? BigInt(value) : value;
};
const rowsOf = (name) => {
  const table = Object.entries(data.tables[name]);
  // What has no rows has no columns either.
  const count = table[0]?.[1].length ?? 0;
  return Array.from({ length: count }, (_, at) =>
    Object.fromEntries(table.map(([column, values]) => [column, read(column, values[at])])),
  );
};

const cells = rowsOf("cells").map((row) => ({
  ...row,
  total_sales_amount_before: BigInt(row.total_sales_amount_before),
}));
const days = rowsOf("days");

// Half up to the cent.
const average = (cents, count) =>
  count ? (2n * cents + BigInt(count)) / (2n * BigInt(count)) : null;
// Half up to a millionth.
const shareOf = (part, all) => (all ? (2_000_000n * part + all) / (2n * all) : null);
// Half away from zero to a millionth.
const change = (now, before) => {
  if (before === null || now === null) return null;
  const [to, from] = [BigInt(now), BigInt(before)];
  if (!from) return null;
  const size = shareOf(to > from ? to - from : from - to, from);
  return to < from ? -size : size;
};

const sum = (rows, column, zero) => rows.reduce((total, row) => total + row[column], zero);
const amountOf = (rows) => sum(rows, "total_sales_amount", 0n);
const salesOf = (rows) => sum(rows, "total_sales", 0);
const grouped = (rows, key) => {
  const groups = new Map();
  for (const row of rows) {
    const name = key(row);
    if (!groups.has(name)) groups.set(name, []);
    groups.get(name).push(row);
  }
  return groups;
};
const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
const byAmount = (key) => (a, b) =>
  compare(b.total_sales_amount, a.total_sales_amount) || compare(a[key], b[key]);

const inRegions = (choice) => (row) => !choice.regions.size || choice.regions.has(row.region);
const inProducts = (choice) => (row) =>
  !choice.products.size || choice.products.has(row.product_id);
const chosenCells = (choice) => cells.filter(inRegions(choice)).filter(inProducts(choice));
const chosenDays = (choice) => days.filter(inRegions(choice));

const totals = (choice) => {
  const chosen = chosenCells(choice);
  const before = chosen.filter((row) => row.total_sales_before);
  return {
    sales: salesOf(chosen),
    amount: amountOf(chosen),
    salesBefore: before.length ? sum(before, "total_sales_before", 0) : null,
    amountBefore: before.length ? sum(before, "total_sales_amount_before", 0n) : null,
  };
};

const byDay = (choice) =>
  [...grouped(chosenDays(choice), (row) => row.sale_date)].map(([sale_date, rows]) => ({
    sale_date,
    total_sales: salesOf(rows),
    total_sales_amount: amountOf(rows),
    average_sale_amount: average(amountOf(rows), salesOf(rows)),
  }));

const ranked = (choice) => {
  const sold = cells.filter(inRegions(choice)).filter((row) => row.total_sales);
  const products = [...grouped(sold, (row) => row.product_id)].map(([product_id, rows]) => ({
    product_id,
    total_sales: salesOf(rows),
    total_quantity: sum(rows, "total_quantity", 0),
    total_sales_amount: amountOf(rows),
  }));
  const all = amountOf(products);
  let running = 0n;
  return products.sort(byAmount("product_id")).map((row, at) => {
    const above = running * 100n;
    running += row.total_sales_amount;
    return {
      ...row,
      sales_rank: at + 1,
      share: shareOf(row.total_sales_amount, all),
      running_share: shareOf(running, all),
      abc_class: above < all * 80n ? "A" : above < all * 95n ? "B" : "C",
      average_sale_amount: average(row.total_sales_amount, row.total_sales),
    };
  });
};

const compute = {
  total_sales_amount(choice) {
    const { amount, amountBefore } = totals(choice);
    return [
      {
        total_sales_amount: amount,
        total_sales_amount_before: amountBefore,
        change: change(amount, amountBefore),
      },
    ];
  },
  total_sales(choice) {
    const { sales, salesBefore } = totals(choice);
    return [
      {
        total_sales: sales,
        total_sales_before: salesBefore,
        change: change(sales, salesBefore),
      },
    ];
  },
  average_sale_amount(choice) {
    const { sales, amount, salesBefore, amountBefore } = totals(choice);
    const [now, before] = [average(amount, sales), average(amountBefore, salesBefore)];
    return [
      {
        average_sale_amount: now,
        average_sale_amount_before: before,
        change: change(now, before),
      },
    ];
  },
  average_gauge(choice) {
    const rows = byDay(choice);
    const averages = rows.map((row) => row.average_sale_amount).filter((each) => each !== null);
    averages.sort(compare);
    return [
      {
        average_sale_amount: average(amountOf(rows), salesOf(rows)),
        lowest: averages[0] ?? null,
        highest: averages.at(-1) ?? null,
      },
    ];
  },
  amount_by_day_region: chosenDays,
  amount_by_day: byDay,
  average_by_day: byDay,
  region_lead(choice) {
    const placed = chosenDays(choice).filter((row) => row.moving_average_7_days);
    return [...grouped(placed, (row) => row.sale_date)].map(([sale_date, rows]) => {
      const [first, second] = rows.sort(
        (a, b) =>
          compare(b.moving_average_7_days, a.moving_average_7_days) ||
          compare(a.region, b.region),
      );
      return {
        sale_date,
        leader: first.region,
        leader_amount: first.moving_average_7_days,
        lead: second ? first.moving_average_7_days - second.moving_average_7_days : null,
      };
    });
  },
  weekday_month(choice) {
    const at = (row) => {
      const weekday = new Date(row.sale_date).getUTCDay() || 7;
      return `${row.sale_date.slice(0, 7)}-01 ${weekday}`;
    };
    return [...grouped(byDay(choice), at)]
      .map(([key, rows]) => ({
        month: key.slice(0, 10),
        weekday: Number(key.slice(11)),
        days: rows.length,
        total_sales_amount: amountOf(rows),
        average_day_amount: average(amountOf(rows), rows.length),
      }))
      .sort((a, b) => compare(a.month, b.month) || a.weekday - b.weekday);
  },
  day_region: chosenDays,
  sales_by_region(choice) {
    const sold = chosenCells(choice).filter((row) => row.total_sales);
    const all = amountOf(sold);
    return [...grouped(sold, (row) => row.region)]
      .map(([region, rows]) => ({
        region,
        total_sales: salesOf(rows),
        total_sales_amount: amountOf(rows),
        average_sale_amount: average(amountOf(rows), salesOf(rows)),
        share: shareOf(amountOf(rows), all),
      }))
      .sort(byAmount("region"));
  },
  pareto: ranked,
  top_products: (choice) => ranked(choice).filter(inProducts(choice)).slice(0, 20),
};

// Of the imports as a whole, whatever regions and products are chosen.
for (const { id } of data.panels) {
  if (!(id in compute)) {
    const rows = rowsOf(id);
    compute[id] = () => rows;
  }
}

// The age depends on the day the page is looked at, not on the day it was made.
compute.import_age = () => {
  const [{ import_date }] = rowsOf("import_age");
  const today = new Intl.DateTimeFormat("sv-SE", { timeZone: "Europe/Moscow" }).format();
  return [{ age_days: (Date.parse(today) - Date.parse(import_date)) / 86_400_000, import_date }];
};
