// @ts-check
// Runs the queries that `query.py` has made into steps: exactly, and as ClickHouse does.
// Money and quantities are whole numbers of their last decimal, a share is millionths and a count
// a whole number, all of them BigInt. A rank, a weekday and an id that is a number are JavaScript's
// numbers; a date and any other id are text.

/** @typedef {string | number | bigint | null} Value */
/** @typedef {Record<string, any>} Row */
/** @typedef {Record<string, any>} Step */
/** @typedef {{ regions: Set<string>, products: Set<number | string> }} Choice */

// Half up to a millionth; nothing is negative.
/** @type {(part: any, all: any) => bigint | null} */
const shareOf = (part, all) => (all > 0n ? (2_000_000n * part + all) / (2n * all) : null);

// What is shown of all that is not among the largest.
const REST = "…";

// Functions of one row. A function of null is null.
/** @type {Record<string, (...values: any[]) => any>} */
const functions = {
  share: shareOf,
  // Half away from zero to a millionth.
  change(now, before, all) {
    const size = shareOf(now < before ? before - now : now - before, all);
    return size !== null && now < before ? -size : size;
  },
  minus: (one, other) => one - other,
  times: (one, other) => one * other,
  month: (day) => `${day.slice(0, 7)}-01`,
  weekday: (day) => new Date(day).getUTCDay() || 7,
  size: (number) => (number < 0n ? -number : number),
  positive: (number) => number > 0,
  known: () => true,
  equal: (one, other) => BigInt(one) === BigInt(other),
  at_most: (one, other) => BigInt(one) <= BigInt(other),
  largest: (name, place, count) => (place <= count ? name : REST),
  band(part, all, { percents, last }) {
    /** @type {(band: [string, number]) => boolean} */
    const below = ([, percent]) => part * 100n < all * BigInt(percent);
    return percents.find(below)?.[0] ?? last;
  },
};

/** @type {(one: string, other: string) => number} */
const compareTexts = (one, other) => {
  if (one === other) return 0;
  // By code points, which is how bytes of UTF-8 are ordered; JavaScript's own order is not.
  const [left, right] = [Array.from(one), Array.from(other)];
  const at = left.findIndex((character, place) => character !== right[place]);
  if (at < 0) return -1;
  if (at >= right.length) return 1;
  return Number(left[at].codePointAt(0)) - Number(right[at].codePointAt(0));
};
/** @type {(one: any, other: any) => number} */
const compare = (one, other) =>
  typeof one === "string" ? compareTexts(one, other) : one < other ? -1 : one > other ? 1 : 0;

// By columns, "-" before those of which the largest comes first.
/** @type {(by: string[]) => (one: Row, other: Row) => number} */
const inOrder = (by) => {
  const columns = by.map((name) =>
    name.startsWith("-") ? { name: name.slice(1), way: -1 } : { name, way: 1 },
  );
  return (one, other) => {
    for (const { name, way } of columns) {
      const order = compare(one[name], other[name]);
      if (order) return way * order;
    }
    return 0;
  };
};

// The rows that are alike in some columns, in the order in which they are first met.
/** @type {(rows: Row[], by: string[]) => Row[][]} */
const alike = (rows, by) => {
  const groups = new Map();
  for (const row of rows) {
    const key = by.length === 1 ? row[by[0]] : JSON.stringify(by.map((name) => row[name]));
    const group = groups.get(key);
    if (group) group.push(row);
    else groups.set(key, [row]);
  }
  return [...groups.values()];
};

/** @type {(row: Row, columns: string[]) => Row} */
const picked = (row, columns) => {
  /** @type {Row} */
  const some = {};
  for (const name of columns) some[name] = row[name];
  return some;
};

/** @type {(values: bigint[]) => bigint} */
const sum = (values) => values.reduce((total, value) => total + value, 0n);
/** @type {(values: Value[], wanted: number) => Value} */
const extreme = (values, wanted) => {
  const known = values.filter((value) => value !== null);
  if (!known.length) return null;
  return known.reduce((best, value) => (compare(value, best) === wanted ? value : best));
};

// Figures of many rows: of a group, one; of a window in its order, one for each row.
/** @type {Record<string, (values: any[]) => Value>} */
const aggregates = {
  sum,
  sum_or_null(values) {
    const known = values.filter((value) => value !== null);
    return known.length ? sum(known) : null;
  },
  least: (values) => extreme(values, -1),
  most: (values) => extreme(values, 1),
  count: (values) => BigInt(values.length),
};
/** @type {Record<string, (values: any[], isAfter: (at: number) => boolean) => Value[]>} */
const windows = {
  rank: (values) => values.map((_, at) => at + 1),
  // `isAfter`: whether the row at a place differs from the one before in what orders them.
  place(values, isAfter) {
    let place = 0;
    return values.map((_, at) => (at === 0 || isAfter(at) ? ++place : place));
  },
  running(values) {
    let total = 0n;
    return values.map((value) => (total += value));
  },
  whole(values) {
    const total = sum(values);
    return values.map(() => total);
  },
  highest(values) {
    const found = values.reduce((most, value) => (value > most ? value : most));
    return values.map(() => found);
  },
  next: (values) => values.map((_, at) => values[at + 1] ?? null),
};

// Gives the rows of any step, for one choice of the reader, and computes none of them twice.
// `cent` is a cent in the last decimal of money.
/** @type {(steps: Step[], tables: Record<string, Row[]>, choice: Choice, today: string,
 *   cent: bigint) => (place: number) => Row[]} */
const queries = (steps, tables, choice, today, cent) => {
  // What an expression of `expressions.py` gives for a row.
  /** @type {(expression: any) => (row: Row) => any} */
  const valueOf = (expression) => {
    if (typeof expression === "string") return (row) => row[expression];
    if (!Array.isArray(expression)) return () => expression;
    const [name, ...given] = expression;
    const work = name === "age" ? age : name === "average" ? average : functions[name];
    const parts = given.map(valueOf);
    return (row) => {
      const values = parts.map((part) => part(row));
      return values.includes(null) ? null : work(...values);
    };
  };
  /** @type {(day: string) => number} */
  const age = (day) => (Date.parse(today) - Date.parse(day)) / 86_400_000;
  // Half up to the cent.
  /** @type {(amount: bigint, count: bigint) => bigint | null} */
  const average = (amount, count) => {
    const whole = count * cent;
    return whole ? ((2n * amount + whole) / (2n * whole)) * cent : null;
  };
  /** @type {Record<string, (row: Row) => boolean>} */
  const chosen = {
    region: (row) => !choice.regions.size || choice.regions.has(row.region),
    product: (row) => !choice.products.size || choice.products.has(row.product_id),
    // The page shows every day of its import.
    days: () => true,
  };
  /** @type {(rows: Row[], of: any) => any[]} */
  const column = (rows, of) => rows.map(valueOf(of));
  /** @type {Record<string, (step: Step) => Row[]>} */
  const run = {
    table: ({ name }) => tables[name],
    chosen: ({ of, variables }) =>
      rowsOf(of).filter((row) => variables.every((/** @type {string} */ each) => chosen[each](row))),
    where: ({ of, condition }) => rowsOf(of).filter(valueOf(condition)),
    group({ of, by, figures }) {
      const groups = by.length ? alike(rowsOf(of), by) : [rowsOf(of)];
      return groups.map((rows) => {
        const row = picked(rows[0] ?? {}, by);
        for (const [name, figure, each] of figures) {
          row[name] = aggregates[figure](column(rows, each));
        }
        return row;
      });
    },
    window: ({ of, per, by, figures }) =>
      (per.length ? alike(rowsOf(of), per) : [rowsOf(of)]).flatMap((group) => {
        const order = inOrder(by);
        const rows = group.map((row) => ({ ...row })).sort(order);
        /** @type {(at: number) => boolean} */
        const isAfter = (at) => order(rows[at - 1], rows[at]) !== 0;
        const added = figures.map((/** @type {any[]} */ [name, figure, each]) => [
          name,
          windows[figure](column(rows, each), isAfter),
        ]);
        for (const [name, values] of added) {
          rows.forEach((row, at) => (row[name] = values[at]));
        }
        return rows;
      }),
    derive({ of, figures }) {
      const derived = figures.map((/** @type {any[]} */ [name, each]) => [name, valueOf(each)]);
      return rowsOf(of).map((row) => {
        const more = { ...row };
        for (const [name, value] of derived) more[name] = value(row);
        return more;
      });
    },
    select: ({ of, columns }) => rowsOf(of).map((row) => picked(row, columns)),
    beside: ({ of, other }) =>
      rowsOf(of).flatMap((row) => rowsOf(other).map((beside) => ({ ...row, ...beside }))),
    above: ({ of, other }) => [...rowsOf(of), ...rowsOf(other)],
    order: ({ of, by }) => [...rowsOf(of)].sort(inOrder(by)),
    limit: ({ of, rows }) => rowsOf(of).slice(0, rows),
  };
  /** @type {Map<number, Row[]>} */
  const known = new Map();
  /** @type {(place: number) => Row[]} */
  const rowsOf = (place) => {
    const rows = known.get(place) ?? run[steps[place].step](steps[place]);
    known.set(place, rows);
    return rows;
  };
  return rowsOf;
};

// A table as the page has it, by columns, made into rows.
/** @type {(table: Record<string, any>, units: Record<string, string>) => Row[]} */
const rowsOfTable = (table, units) => {
  const columns = Object.entries(table).map(([name, values]) => {
    const exact = ["money", "quantity", "share", "count"].includes(units[name]);
    // Of a text, the values are there once.
    const plain = values.places?.map((/** @type {number} */ at) => values.values[at]) ?? values;
    return [
      name,
      exact ? plain.map((/** @type {any} */ each) => (each === null ? null : BigInt(each))) : plain,
    ];
  });
  // What has no rows has no columns either.
  const count = columns[0]?.[1].length ?? 0;
  return Array.from({ length: count }, (_, at) => {
    /** @type {Row} */
    const row = {};
    for (const [name, values] of columns) row[name] = values[at];
    return row;
  });
};
