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
 *   first_day: string | null, last_day: string | null, regions: string[],
 *   labels: Record<string, string>, words: Record<string, string>,
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
const compactFormat = new Intl.NumberFormat(data.language, {
  notation: "compact",
  maximumFractionDigits: 1,
});
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
/** @type {(name: string) => string} */
const label = (name) => data.labels[name] ?? name;
/** @type {(column: string) => string} */
const unitOf = (column) => data.columns[column].unit;
/** @type {(column: string) => boolean} */
const isDate = (column) => ["date", "day", "month"].includes(unitOf(column));

/** @type {(number: number | bigint) => string} */
const whole = (number) => wholeFormat.format(number);
/** @type {(number: number) => string} */
const compact = (number) => compactFormat.format(number);
/** @type {(part: number) => string} */
const percent = (part) => percentFormat.format(part);
/** @type {(count: number) => string} */
const countedDays = (count) =>
  say(`unit.days.${pluralRules.select(count)}`, { count: whole(count) });

// Hundredths in exact digits: a JavaScript number would lose some beyond 2^53.
/** @type {(number: bigint) => string} */
const hundredths = (number) => {
  const size = number < 0n ? -number : number;
  const digits = String(size % 100n).padStart(2, "0");
  return (number < 0n ? "−" : "") + whole(size / 100n) + point + digits;
};
// Millionths, half away from zero to a hundredth of a percent.
/** @type {(millionths: bigint) => string} */
const share = (millionths) =>
  hundredths((millionths + (millionths < 0n ? -50n : 50n)) / 100n) + percentSign;

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
      return hundredths(value);
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
      return label(value);
    default:
      return String(value);
  }
};
