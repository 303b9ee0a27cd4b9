// @ts-check
// Words and numbers, as people of the page's language read them.

/** @typedef {{ unit: string, name: string }} Column */
/**
 * @typedef {{
 *   id: string, kind: string, title: string, columns: string[], value: string, x: string,
 *   series: string, empty: string, follows: string[], thresholds: [number, string][],
 *   rows: number, key: number | null,
 * }} Panel
 */
/**
 * What `contents.py` puts into the page.
 * @typedef {{
 *   language: "en" | "ru", version: string | null, time_zone: string, import_date: string,
 *   currency: string | null, has_sign: boolean, decimals: Record<string, number>,
 *   money_decimals: number, first_day: string | null, last_day: string | null, regions: string[],
 *   largest: number, labels: Record<string, Record<string, string>>, words: Record<string, string>,
 *   columns: Record<string, Column>, panels: Panel[], best_products: number,
 *   steps: Record<string, any>[], tables: Record<string, Record<string, any>>,
 *   charts: Record<string, any>,
 * }} Contents
 */

/** @type {(id: string) => HTMLElement} */
const byId = (id) => {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page has no ${id}`);
  return element;
};

/** @type {Contents} */
const data = JSON.parse(byId("data").textContent ?? "");
const locale = { en: "en-GB", ru: "ru-RU" }[data.language];
const nothing = "–";

const wholeFormat = new Intl.NumberFormat(locale);
// In British English a million would be "m", which on an axis may be read as metres.
/** @type {Intl.NumberFormatOptions} */
const shortened = { notation: "compact", maximumFractionDigits: 1 };
const compactFormat = new Intl.NumberFormat(data.language, shortened);
/** @type {Intl.NumberFormatOptions} */
const asMoney = data.currency
  ? {
      style: "currency",
      currency: data.currency,
      currencyDisplay: data.has_sign ? "narrowSymbol" : "code",
    }
  : {};
const moneyFormat = new Intl.NumberFormat(locale, asMoney);
const compactMoneyFormat = new Intl.NumberFormat(data.language, { ...asMoney, ...shortened });
const percentFormat = new Intl.NumberFormat(locale, { style: "percent" });
const pluralRules = new Intl.PluralRules(locale);
const point = new Intl.NumberFormat(locale).formatToParts(1.5)[1].value;
const percentSign = percentFormat.format(0).slice(1);

/** @type {(options: Intl.DateTimeFormatOptions) => Intl.DateTimeFormat} */
const dates = (options) => new Intl.DateTimeFormat(locale, { timeZone: "UTC", ...options });
const dayFormat = dates({ day: "numeric", month: "short", year: "numeric" });
const weekdayFormat = dates({ weekday: "short" });
const monthFormat = dates({ month: "short", year: "numeric" });
const shortMonthFormat = dates({ month: "short" });
const yearFormat = dates({ year: "numeric" });

/** @type {(key: string, values?: Record<string, string | number>) => string} */
const say = (key, values = {}) =>
  data.words[key].replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
// A text of a column in words. Names may be those of an object's own, such as `constructor`.
/** @type {(column: string, name: string) => string} */
const label = (column, name) => {
  const labels = data.labels[column];
  return labels && Object.hasOwn(labels, name) ? labels[name] : name;
};
/** @type {(column: string) => string} */
const unitOf = (column) => data.columns[column].unit;
/** @type {(column: string) => boolean} */
const isDate = (column) => ["date", "day", "month"].includes(unitOf(column));

/** @type {(number: number | bigint) => string} */
const whole = (number) => wholeFormat.format(number);
/** @type {(number: number) => string} */
const compact = (number) => compactFormat.format(number);
/** @type {(number: number) => string} */
const compactMoney = (number) => compactMoneyFormat.format(number);
/** @type {(part: number) => string} */
const percent = (part) => percentFormat.format(part);
/** @type {(count: number) => string} */
const countedDays = (count) =>
  say(`unit.days.${pluralRules.select(count)}`, { count: whole(count) });

// A whole number of the last decimal, in exact digits: a JavaScript number would lose some
// beyond 2^53.
/** @type {(size: bigint, decimals: number) => string} */
const digits = (size, decimals) => {
  if (!decimals) return whole(size);
  const one = 10n ** BigInt(decimals);
  return whole(size / one) + point + String(size % one).padStart(decimals, "0");
};
/** @type {(number: bigint, decimals: number) => string} */
const exact = (number, decimals) =>
  number < 0n ? `−${digits(-number, decimals)}` : digits(number, decimals);
// With the currency where the language puts it; half away from zero where it has no cents.
const unwritten = 10n ** BigInt(data.decimals.money - data.money_decimals);
/** @type {(number: bigint) => string} */
const money = (number) => {
  const size = ((number < 0n ? -number : number) + unwritten / 2n) / unwritten;
  const written = digits(size, data.money_decimals);
  return moneyFormat
    .formatToParts(number < 0n && size ? -1 : 1)
    .map(({ type, value }) => {
      if (type === "integer") return written;
      if (type === "minusSign") return "−";
      return type === "decimal" || type === "fraction" ? "" : value;
    })
    .join("");
};
// Millionths, half away from zero to a hundredth of a percent.
/** @type {(millionths: bigint) => string} */
const share = (millionths) =>
  exact((millionths + (millionths < 0n ? -50n : 50n)) / 100n, 2) + percentSign;
// As a number to draw.
/** @type {(column: string, value: bigint) => number} */
const drawable = (column, value) => Number(value) / 10 ** (data.decimals[unitOf(column)] ?? 0);

// Up to a round number: one or two digits and zeros.
/** @type {(number: number) => number} */
const roundUp = (number) => {
  if (!(number > 0)) return 0;
  const power = 10 ** Math.floor(Math.log10(number));
  const steps = [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10];
  return (steps.find((each) => each * power >= number) ?? 10) * power;
};

/** @type {(text: string) => string} */
const withoutYearMark = (text) => text.replace(/\s?г\.$/, "");
/** @type {(ms: number) => string} */
const day = (ms) => withoutYearMark(dayFormat.format(ms));
/** @type {(ms: number) => string} */
const dayAndWeekday = (ms) => `${weekdayFormat.format(ms)}, ${day(ms)}`;
/** @type {(ms: number) => string} */
const month = (ms) => withoutYearMark(monthFormat.format(ms));
// On an axis: the year where it begins.
/** @type {(ms: number) => string} */
const monthOnAxis = (ms) =>
  new Date(ms).getUTCMonth() === 0
    ? withoutYearMark(yearFormat.format(ms))
    : shortMonthFormat.format(ms).replace(".", "");
// 1 is Monday; 5 January 1970 was one.
/** @type {(number: number) => string} */
const weekday = (number) => weekdayFormat.format((number + 3) * 86_400_000);

// A figure of a column, as a table shows it.
/** @type {(column: string, value: any) => string} */
const shown = (column, value) => {
  if (value === null) return nothing;
  switch (unitOf(column)) {
    case "money":
      return money(value);
    case "quantity":
      return exact(value, data.decimals.quantity);
    case "share":
      return share(value);
    case "date":
      return day(Date.parse(value));
    case "day":
      return dayAndWeekday(Date.parse(value));
    case "month":
      return month(Date.parse(value));
    case "weekday":
      return weekday(value);
    case "count":
    case "rank":
    case "days":
      return whole(value);
    case "flag":
      return say(value ? "flag.yes" : "flag.no");
    case "text":
      return label(column, value);
    default:
      return String(value);
  }
};
