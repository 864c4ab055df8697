// The answer to a question: the verdict first, then the scores, plots, drivers and predictions.

import { get, part, post } from "./api.js";
import { h, show } from "./dom.js";
import { family, higherIsBetter, meaning, metric, number, percent, rule, some, time, value } from "./format.js";
import { fault, loading, paged, plots, section, sentence, table, whisker } from "./parts.js";
import { drivers, entityView, told as shownScore } from "./reasons.js";

/** The model, its parts and every simple rule on one scale, the best first. */
export function leaderboard(backtest) {
  const rows = [
    { name: "the model", score: backtest.model, strong: true },
    ...Object.entries(backtest.members ?? {}).map(([name, score]) => ({ name: family(name), score, under: true })),
    ...Object.entries(backtest.baselines ?? {})
      .map(([name, score]) => ({ name: rule(name), score, best: name === backtest.best_baseline }))
      .sort((a, b) => (higherIsBetter(backtest.metric) ? b.score.value - a.score.value : a.score.value - b.score.value)),
  ];
  const all = rows.flatMap((r) => [r.score.value, r.score.low, r.score.high]).filter((v) => Number.isFinite(v));
  const low = Math.min(...all);
  const high = Math.max(...all);
  return table(
    `Scores: ${metric(backtest.metric)}`,
    [
      { title: "", head: true, cell: (r) => [r.under ? "\u2003" : "", r.name, r.best ? h("span", { class: "tag" }, "best simple rule") : null] },
      { title: metric(backtest.metric), right: true, cell: (r) => (r.strong ? h("strong", {}, number(r.score.value)) : number(r.score.value)) },
      { title: "95% interval", cell: (r) => (r.score.low === null || r.score.low === undefined ? "–" : `${number(r.score.low)} to ${number(r.score.high)}`) },
      { title: "", cell: (r) => whisker(r.score, low, high, { strong: r.strong }) },
    ],
    rows,
    { row: (r) => ({ class: r.strong ? "best" : null }) },
  );
}

export function verdict(backtest, task) {
  const beats = backtest.beats_baseline ?? (backtest.lift ? backtest.lift.low > 0 : null);
  return h(
    "section",
    { class: `verdict ${beats === true ? "good" : beats === false ? "bad" : ""}`, "aria-label": "Verdict" },
    h("p", { class: "lead" }, backtest.verdict),
    h("p", { class: "quiet" }, `Held against what happened in ${some(backtest.rows, "case")} of ${some(backtest.entities, "entity", "entities")} that the model had not learned from.`),
    task ? h("p", { class: "quiet" }, task) : null,
  );
}

export function trust(backtest, more = []) {
  const told = [
    backtest.ece !== null && backtest.ece !== undefined ? `A stated probability is off by ${(100 * backtest.ece).toFixed(1)} percentage points on average.` : null,
    backtest.coverage !== null && backtest.coverage !== undefined ? `${percent(backtest.coverage)} of what happened lay within the stated ${percent(backtest.level)} intervals.` : null,
    backtest.regime,
    ...(backtest.notes ?? []),
    ...(backtest.left_out ?? []).filter((each) => typeof each === "string"),
    ...more,
  ].filter(Boolean);
  return h("ul", { class: "bullets quiet" }, told.map((each) => h("li", {}, sentence(each))));
}

const ASIDE = ["reasons", "cutoff", "baseline"];
const SAID = ["probability", "prediction", "value", "class"];

/** How one cell of predictions reads. */
function cell(name, x) {
  if (x === null || x === undefined) return "–";
  if (Array.isArray(x)) return x.map((each) => cell(name, each)).join(", ");
  if (typeof x === "object") return Object.entries(x).map(([k, v]) => `${k} ${typeof v === "number" ? number(v) : value(v)}`).join(", ");
  if (typeof x !== "number") return value(x);
  return name === "probability" || name.startsWith("probability") ? percent(x, 1) : number(x);
}

function predictionTable(rows, { key, link }) {
  if (!rows.length) return h("p", { class: "quiet" }, "No predictions here.");
  const names = Object.keys(rows[0]).filter((name) => !ASIDE.includes(name) && !key.includes(name));
  const named = (row) => key.map((name) => value(row[name])).join(", ");
  return table(
    "Predictions",
    [
      { title: key.join(", "), head: true, cell: (row) => (link ? h("a", { href: link(row) }, named(row)) : named(row)) },
      ...names.map((name) => ({ title: name.replaceAll("_", " "), right: typeof rows[0][name] === "number", cell: (row) => (SAID.includes(name) ? h("strong", {}, cell(name, row[name])) : cell(name, row[name])) })),
      { title: "Because of", wrap: true, cell: (row) => (row.reasons ?? []).map((each) => (typeof each === "string" ? each : each.text)).join("; ") },
    ],
    rows,
  );
}

/** Predictions by pages, from the server. `link(row)` leads to one's reasons. */
export function predictions({ key, fetch, link }, size = 25) {
  return paged((rows) => predictionTable(rows, { key, link }), fetch, size);
}

/** Plots about what the model rests on, which stand with that. */
const ABOUT_FEATURES = /^(drivers|dependence|reasons|influence|stories|effect)/;

/** The whole answer of a job. Gives a function that opens one entity's reasons. */
export async function answer(body, { id, told, query, keep }) {
  const backtest = told.backtest ?? {};
  const first = told.predictions ?? { rows: [], total: 0 };
  const { rows } = first;
  const key = told.key ?? [];
  const drawn = h("div", {});
  const features = h("div", {});
  const button = h("button", { type: "button", class: "primary" }, "Keep it as a model");
  const kept = h("span", { role: "status" });
  const wrong = h("div", {});
  button.addEventListener("click", async () => {
    show(wrong);
    try {
      const done = await keep(id);
      if (!done) return;
      button.disabled = true;
      show(kept, "Kept as ", h("a", { href: `#/models/${part(done.name)}` }, `${done.name}@${done.version}`), ".");
      kept.querySelector("a").focus();
    } catch (fault_) {
      show(wrong, fault(fault_));
    }
  });
  const warnings = (told.warnings ?? []).map((each) => (typeof each === "string" ? each : each.message));
  const address = (row) => `#/ask/${part(id)}/${key.map((name) => part(row[name])).join("/")}`;
  const fetch = async (at, size) =>
    at + size <= rows.length || rows.length === first.total
      ? { rows: rows.slice(at, at + size), total: first.total }
      : (await get(`/api/jobs/${part(id)}/result?limit=${size}&offset=${at}`)).predictions;
  show(
    body,
    h(
      "div",
      { class: "view" },
      told.backtest ? verdict(backtest, told.task) : h("section", { class: "verdict", "aria-label": "Verdict" }, h("p", { class: "lead" }, told.verdict)),
      h("p", { class: "actions" }, button, h("a", { class: "button", href: `#/patterns?q=${encodeURIComponent(query ?? "")}` }, "Look for patterns in it"), kept),
      wrong,
      told.backtest ? section("How good it is", h("p", { class: "quiet" }, meaning(backtest.metric) ? `${metric(backtest.metric)}: ${meaning(backtest.metric)}.` : null), leaderboard(backtest), trust(backtest, warnings)) : null,
      first.total
        ? section("Predictions", h("p", { class: "quiet" }, [`${some(first.total, "prediction")}${rows[0]?.cutoff ? ` as of ${time(rows[0].cutoff)}` : ""}, the highest first.`, "Choose one to see its reasons."].join(" ")), predictions({ key, fetch, link: address }, 10))
        : h("p", { class: "note" }, "There is nobody to predict for: no entity fits the question at its moment."),
      told.drivers?.length ? section("What it rests on", h("p", { class: "quiet" }, "The share of what moves the predictions."), drivers(told.drivers), features) : null,
      drawn,
    ),
  );
  get(`/api/jobs/${part(id)}/plots`).then(
    ({ plots: list }) => {
      const root = `/api/jobs/${part(id)}/plots`;
      const about = list.filter((plot) => ABOUT_FEATURES.test(plot.name));
      const others = list.filter((plot) => !about.includes(plot));
      if (others.length) show(drawn, section("Plots", plots(others, root)));
      if (about.length) show(features, h("details", {}, h("summary", {}, "How the prediction goes with each"), plots(about, root)));
    },
    (fault_) => fault_.status !== 401 && show(drawn, fault(fault_)),
  );
  return (entity, left) => explain({ id, entity, rows, key, kind: backtest.kind, left });
}

/**
 * The reasons of one entity of an answer, in a sheet beside it: with the rows behind them where those can be
 * read, else the reasons that came with the answer.
 */
async function explain({ id, entity, rows, key, kind, left }) {
  const row = rows.find((each) => key.map((name) => String(each[name])).join("/") === entity);
  const body = h("div", { class: "view", "aria-live": "polite" }, loading("Looking for the rows behind it"));
  const close = h("button", { type: "button", class: "small", onclick: () => dialog.close() }, "Close");
  const dialog = h("dialog", { class: "sheet", "aria-labelledby": "why", id: "reasons" }, h("div", { class: "head" }, h("h2", { id: "why", tabindex: "-1" }, `Why: ${entity}`), close), body);
  const opener = document.activeElement;
  document.body.append(dialog);
  dialog.showModal();
  dialog.querySelector("h2").focus();
  dialog.addEventListener("close", () => {
    dialog.remove();
    if (!left.aborted) location.hash = `#/ask/${part(id)}`;
    if (opener?.isConnected) opener.focus();
  });
  left.addEventListener("abort", () => dialog.remove());
  const held = row ? key.map((name) => row[name]) : entity.split("/").map((text) => (/^-?\d{1,15}$/.test(text) ? Number(text) : text));
  try {
    const told = await post(`/api/jobs/${part(id)}/explain`, { entity: held.length === 1 ? held[0] : held }, { signal: left });
    show(body, entityView(told));
  } catch (fault_) {
    if (fault_.name === "AbortError" || fault_.status === 401) return;
    const known = row?.reasons?.length
      ? [h("p", { class: "big" }, shownScore(kind, row.probability ?? row.prediction)), section("Reasons", h("ul", { class: "bullets" }, row.reasons.map((each) => h("li", {}, typeof each === "string" ? each : each.text))))]
      : null;
    show(body, known, fault(fault_));
  }
}
