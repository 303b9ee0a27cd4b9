// Words and numbers, as people of the page's language read them.

const data = JSON.parse(document.getElementById("data").textContent);
const locale = { en: "en-GB", ru: "ru-RU" }[data.language];
const nothing = "–";

const wholeFormat = new Intl.NumberFormat(locale);
// In British English a million would be "m", which an axis may be read as metres.
const compactFormat = new Intl.NumberFormat(data.language, {
  notation: "compact",
  maximumFractionDigits: 1,
});
const percentFormat = new Intl.NumberFormat(locale, { style: "percent" });
const point = new Intl.NumberFormat(locale).formatToParts(1.5)[1].value;
const percentSign = percentFormat.format(0).slice(1);

const dates = (options) => new Intl.DateTimeFormat(locale, { timeZone: "UTC", ...options });
const dayFormat = dates({ day: "numeric", month: "short", year: "numeric" });
const weekdayFormat = dates({ weekday: "short" });
const monthFormat = dates({ month: "short", year: "numeric" });
const shortMonthFormat = dates({ month: "short" });
const yearFormat = dates({ year: "numeric" });

const say = (key, values = {}) =>
  data.words[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
const label = (name) => data.labels[name] ?? name;

const whole = (number) => wholeFormat.format(number);
const compact = (number) => compactFormat.format(number);
const percent = (part) => percentFormat.format(part);

// Hundredths in exact digits: a JavaScript number would lose some beyond 2^53.
const hundredths = (number) => {
  const size = number < 0n ? -number : number;
  const digits = String(size % 100n).padStart(2, "0");
  return (number < 0n ? "−" : "") + whole(size / 100n) + point + digits;
};
const money = (cents) => hundredths(cents);
// Millionths, half up to a hundredth of a percent.
const share = (millionths) => hundredths((millionths + 50n) / 100n) + percentSign;

// Up to a round number: one or two digits and zeros.
const roundUp = (number) => {
  if (!(number > 0)) return 0;
  const power = 10 ** Math.floor(Math.log10(number));
  return [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10].find((each) => each * power >= number) * power;
};

const withoutYearMark = (text) => text.replace(/\s?г\.$/, "");
const day = (ms) => withoutYearMark(dayFormat.format(ms));
const dayAndWeekday = (ms) => `${weekdayFormat.format(ms)}, ${day(ms)}`;
const month = (ms) => withoutYearMark(monthFormat.format(ms));
// On an axis: the year where it begins.
const monthOnAxis = (ms) =>
  new Date(ms).getUTCMonth() === 0
    ? withoutYearMark(yearFormat.format(ms))
    : shortMonthFormat.format(ms).replace(".", "");
// 1 is Monday; 5 January 1970 was one.
const weekday = (number) => weekdayFormat.format((number + 3) * 86_400_000);

// A figure of a column, as a table shows it.
const shown = (column, value) => {
  if (value === null) return nothing;
  if (column === "weekday") return weekday(value);
  if (column === "month") return month(Date.parse(value));
  if (column === "sale_date") return dayAndWeekday(Date.parse(value));
  switch (data.units[column]) {
    case "money":
      return money(value);
    case "share":
      return share(value);
    case "date":
      return day(Date.parse(value));
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
