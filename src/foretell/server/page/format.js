// Numbers, times and names as people read them.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

export const count = (n) => (n === null || n === undefined ? "–" : whole.format(n));

/** A count with its noun: 1 row, 2 rows. */
export const some = (n, noun, nouns = `${noun}s`) => `${count(n)} ${n === 1 ? noun : nouns}`;

/** A number with about three figures that count. */
export function number(x) {
  if (x === null || x === undefined || Number.isNaN(x)) return "–";
  if (typeof x !== "number") return String(x);
  if (Number.isInteger(x)) return whole.format(x);
  const size = Math.abs(x);
  if (size >= 1000) return whole.format(x);
  if (size >= 100) return x.toFixed(1);
  if (size >= 1) return x.toFixed(2);
  if (size >= 0.001 || size === 0) return x.toFixed(3);
  return size >= 0.00005 ? x.toFixed(4) : x.toExponential(1);
}

export const signed = (x) => (x === null || x === undefined ? "–" : (x > 0 ? "+" : x < 0 ? "−" : "") + number(Math.abs(x)));

export const percent = (x, places = 0) =>
  x === null || x === undefined || Number.isNaN(x) ? "–" : `${(100 * x).toFixed(places)}%`;

/** `2025-12-30 22:36:14.123` without what nobody reads. */
export function time(text) {
  if (!text) return "–";
  const held = String(text).replace("T", " ").replace(/\.\d+/, "").replace(/(Z|\+00:00)$/, "");
  return held.replace(/ 00:00(:00)?$/, "").replace(/^(\d{4}-\d\d-\d\d \d\d:\d\d):\d\d$/, "$1");
}

export const day = (text) => (text ? String(text).slice(0, 10) : "–");

export function seconds(n) {
  if (n === null || n === undefined) return "–";
  if (n < 60) return `${n < 10 ? Number(n).toFixed(1) : Math.round(n)} s`;
  const minutes = Math.floor(n / 60);
  return `${minutes} min ${Math.round(n - 60 * minutes)} s`;
}

const METRICS = {
  auroc: ["AUROC", "the chance that someone for whom it came true was scored above someone for whom it did not; 0.5 is guessing, 1 is perfect"],
  average_precision: ["average precision", "precision averaged over recall; higher is better"],
  logloss: ["log-loss", "how surprised the probabilities were by what happened; lower is better"],
  brier: ["Brier score", "mean squared distance of probability and outcome; lower is better"],
  accuracy: ["accuracy", "share of rows whose likeliest class was the true one"],
  f1: ["F1", "balance of precision and recall at a probability of one half; higher is better"],
  macro_f1: ["macro F1", "F1 averaged over the classes; higher is better"],
  mae: ["mean absolute error", "how far a prediction was off on average; lower is better"],
  rmse: ["root mean squared error", "like the mean error, but large misses weigh more; lower is better"],
  rmsle: ["root mean squared log error", "error in proportion, not in amount; lower is better"],
  r2: ["R²", "share of the variation that is explained; 1 is perfect, 0 is the mean"],
  spearman: ["rank correlation", "how well the order agrees; 1 is perfect, 0 is none"],
};
const HIGHER = new Set(["auroc", "average_precision", "accuracy", "f1", "macro_f1", "r2", "spearman"]);
const spaced = (name) => String(name ?? "").replaceAll("_", " ");
export const metric = (name) => METRICS[name]?.[0] ?? spaced(name);
export const meaning = (name) => METRICS[name]?.[1] ?? "";
export const higherIsBetter = (name) => HIGHER.has(name);

const RULES = {
  constant: "the same for everyone", entity_mean: "its own past mean", entity_mean_10: "its own mean of ten windows",
  last: "its last window again", season: "its window a year ago again", mode: "its commonest class again",
};
export const rule = (name) => RULES[name] ?? spaced(name);

const FAMILIES = { trees: "its trees alone", net: "its deep nets alone" };
export const family = (name) => FAMILIES[name] ?? spaced(name);

export function value(x) {
  if (x === null || x === undefined) return "–";
  if (typeof x === "boolean") return x ? "yes" : "no";
  if (typeof x === "number") return Number.isInteger(x) ? String(x) : number(x);
  if (typeof x === "string" && /^\d{4}-\d\d-\d\d[T ]\d\d:/.test(x)) return time(x);
  if (typeof x === "object") return JSON.stringify(x);
  return String(x);
}

const PLAIN = /^[\p{L}_][\p{L}\p{N}_$]*$/u;
const RESERVED = new Set(
  "AND OR NOT IN BETWEEN IS LIKE CONTAINS STARTS ENDS CASE WHEN THEN ELSE END NULL TRUE FALSE INF DISTINCT PREDICT FOR WHERE VIA ASSUMING"
    .split(" "),
);

/** A name as a query takes it, quoted where it is not plain. */
export const quoted = (name) =>
  PLAIN.test(name) && !RESERVED.has(name.toUpperCase()) ? name : `"${String(name).replaceAll('"', '""')}"`;
