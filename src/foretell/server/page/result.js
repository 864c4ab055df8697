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

function predictionTable(rows, { key, link, chosen }) {
  if (!rows.length) return h("p", { class: "quiet" }, "No predictions here.");
  const names = Object.keys(rows[0]).filter((name) => !ASIDE.includes(name) && !key.includes(name));
  const is = (row) => chosen !== undefined && key.map((name) => String(row[name])).join("/") === chosen;
  const named = (row) => key.map((name) => value(row[name])).join(", ");
  return table(
    "Predictions",
    [
      { title: key.join(", "), head: true, cell: (row) => (link ? h("a", { href: link(row), "aria-current": is(row) ? "true" : null }, named(row)) : named(row)) },
      ...names.map((name) => ({ title: name.replaceAll("_", " "), right: typeof rows[0][name] === "number", cell: (row) => (SAID.includes(name) ? h("strong", {}, cell(name, row[name])) : cell(name, row[name])) })),
      { title: "Because of", wrap: true, cell: (row) => (row.reasons ?? []).map((each) => (typeof each === "string" ? each : each.text)).join("; ") },
    ],
    rows,
    { row: (row) => ({ class: is(row) ? "here" : null }) },
  );
}

/** Predictions by pages, from the server. `link(row)` leads to one's reasons. */
export function predictions({ key, fetch, link, chosen }) {
  return paged((rows) => predictionTable(rows, { key, link, chosen }), fetch);
}

/** The whole answer of a job. */
export async function answer(body, { id, told, entity, left, query, keep }) {
  const backtest = told.backtest ?? {};
  const kind = backtest.kind ?? told.labels?.kind;
  const first = told.predictions ?? { rows: [], total: 0 };
  const { rows } = first;
  const key = told.key ?? [];
  const reasons = h("div", { class: "card", id: "reasons", tabindex: "-1", "aria-live": "polite", hidden: true });
  const drawn = h("div", {});
  const button = h("button", { type: "button", class: "primary" }, "Keep it as a model");
  const kept = h("span", {});
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
  const batch = first.total
    ? predictions({
        key,
        fetch: async (at, size) => (at + size <= rows.length || rows.length === first.total ? { rows: rows.slice(at, at + size), total: first.total } : (await get(`/api/jobs/${part(id)}/result?limit=${size}&offset=${at}`, { signal: left })).predictions),
        link: (row) => `#/ask/${part(id)}/${key.map((name) => part(row[name])).join("/")}`,
        chosen: entity,
      })
    : null;
  show(
    body,
    h(
      "div",
      { class: "view" },
      told.backtest ? verdict(backtest, told.task ?? told.description) : h("section", { class: "verdict", "aria-label": "Verdict" }, h("p", { class: "lead" }, told.verdict)),
      h("p", { class: "actions" }, button, h("a", { class: "button", href: `#/patterns?q=${encodeURIComponent(query ?? "")}` }, "Look for patterns in it"), kept),
      wrong,
      reasons,
      told.backtest ? section("How good it is", h("p", { class: "quiet" }, meaning(backtest.metric) ? `${metric(backtest.metric)}: ${meaning(backtest.metric)}.` : null), leaderboard(backtest), trust(backtest, warnings)) : null,
      drawn,
      told.drivers?.length ? section("What it rests on", h("p", { class: "quiet" }, "The share of what moves the predictions."), drivers(told.drivers)) : null,
      batch ? section("Predictions", h("p", { class: "quiet" }, [told.meaning ? sentence(told.meaning) : "", rows[0]?.cutoff ? `As of ${time(rows[0].cutoff)}.` : "", "Choose one to see its reasons."].filter(Boolean).join(" ")), batch) : null,
    ),
  );
  if (entity) explain(reasons, { id, entity, rows, key, kind, left });
  try {
    const list = await get(`/api/jobs/${part(id)}/plots`, { signal: left });
    const found = list.plots ?? list;
    if (found.length) show(drawn, section("Plots", plots(found, `/api/jobs/${part(id)}/plots`)));
  } catch (fault_) {
    if (fault_.name !== "AbortError" && fault_.status !== 404 && fault_.status !== 401) show(drawn, fault(fault_));
  }
}

/** The reasons of one entity of an answer: with the rows behind them where they can be read, else those that came with it. */
async function explain(place, { id, entity, rows, key, kind, left }) {
  place.hidden = false;
  const row = rows.find((each) => key.map((name) => String(each[name])).join("/") === entity);
  const title = h("div", { class: "head" }, h("h2", {}, `Why: ${entity}`), h("a", { href: `#/ask/${part(id)}`, class: "small" }, "Close"));
  show(place, title, loading("Looking for the rows behind it"));
  place.focus({ preventScroll: true });
  place.scrollIntoView({ block: "start" });
  const held = row ? key.map((name) => row[name]) : entity.split("/").map((text) => (/^-?\d{1,15}$/.test(text) ? Number(text) : text));
  try {
    const told = await post(`/api/jobs/${part(id)}/explain`, { entity: held.length === 1 ? held[0] : held }, { signal: left });
    show(place, title, entityView(told));
  } catch (fault_) {
    if (fault_.name === "AbortError" || fault_.status === 401) return;
    const known = row?.reasons?.length
      ? [h("p", { class: "big" }, shownScore(kind, row.probability ?? row.prediction)), section("Reasons", h("ul", { class: "bullets" }, row.reasons.map((each) => h("li", {}, typeof each === "string" ? each : each.text))))]
      : null;
    show(place, title, known, fault(fault_));
  }
}
