// The answer to a question: the verdict first, then the scores, plots, drivers and predictions.

import { get, part, post } from "./api.js";
import { h, say, show } from "./dom.js";
import { count, family, higherIsBetter, meaning, metric, number, percent, rule, signed, some, time, value } from "./format.js";
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
    backtest.lift
      ? h("p", { class: "quiet" }, `Better than the best simple rule by ${signed(backtest.lift.value)} (95% interval ${signed(backtest.lift.low)} to ${signed(backtest.lift.high)}), on ${some(backtest.rows, "prediction")} for ${some(backtest.entities, "entity", "entities")}, compared with what happened.`)
      : null,
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

const SCORES = ["probability", "prediction", "value", "expected", "class"];

/** The columns of predictions: the key, what is said, and the rest; reasons stand apart. */
function shape(rows) {
  const names = Object.keys(rows[0] ?? {}).filter((name) => !["reasons", "cutoff"].includes(name));
  const said = names.filter((name) => SCORES.includes(name));
  const keys = names.filter((name) => !said.includes(name) && !/^(low|high|q\d|p_)/.test(name) && name !== "entity");
  return { keys: keys.slice(0, Math.max(1, keys.length)), said, rest: names.filter((name) => !said.includes(name) && !keys.includes(name)) };
}

function predictionTable(rows, { kind, link, chosen }) {
  if (!rows.length) return h("p", { class: "quiet" }, "No predictions here.");
  const flat = rows.map((row) => (row.entity && typeof row.entity === "object" ? { ...row.entity, ...row, entity: undefined } : row));
  const { keys, said, rest } = shape(flat.map((row) => Object.fromEntries(Object.entries(row).filter(([, v]) => v !== undefined))));
  const key = keys[0];
  const cell = (name, row) => (name === "probability" || /^p_/.test(name) ? percent(row[name], 1) : typeof row[name] === "number" ? number(row[name]) : typeof row[name] === "object" && row[name] ? Object.entries(row[name]).map(([k, v]) => `${k} ${typeof v === "number" ? number(v) : v}`).join(", ") : value(row[name]));
  return table(
    "Predictions",
    [
      { title: key, head: true, cell: (row) => (link ? h("a", { href: link(row[key]), "aria-current": String(row[key]) === chosen ? "true" : null }, value(row[key])) : value(row[key])) },
      ...keys.slice(1).map((name) => ({ title: name, cell: (row) => value(row[name]) })),
      ...said.map((name) => ({ title: name, right: true, cell: (row) => h("strong", {}, cell(name, row)) })),
      ...rest.filter((name) => name !== "entity").map((name) => ({ title: name, right: true, cell: (row) => cell(name, row) })),
      { title: "Because of", wrap: true, cell: (row) => (Array.isArray(row.reasons) ? row.reasons.map((r) => (typeof r === "string" ? r : r.text ?? r.reason?.text)).filter(Boolean).join("; ") : value(row.reasons ?? "")) },
    ],
    flat,
    { row: (row) => ({ class: String(row[key]) === chosen ? "here" : null }) },
  );
}

/** Predictions by pages, from what is here or from the server. */
export function predictions({ all, fetch, link, chosen, kind }) {
  let held = all;
  const place = h("div", {});
  const draw = (rows) => predictionTable(rows, { kind, link, chosen });
  const pages = () => paged(draw, fetch ?? (async (at, size) => ({ rows: held.slice(at, at + size), total: held.length })));
  const field = all
    ? h("input", {
        type: "search", id: "find-entity", autocomplete: "off", spellcheck: "false",
        oninput: (event) => {
          const text = event.target.value.trim().toLowerCase();
          held = text ? all.filter((row) => Object.entries(row).some(([name, v]) => !["reasons", "cutoff"].includes(name) && !SCORES.includes(name) && String(typeof v === "object" ? JSON.stringify(v) : v).toLowerCase().includes(text))) : all;
          show(place, pages());
          say(`${count(held.length)} found`);
        },
      })
    : null;
  show(place, pages());
  return [field && all.length > 25 ? h("div", { class: "field" }, h("label", { for: "find-entity" }, "Find one"), field) : null, place];
}

/** The whole answer of a job. */
export async function answer(body, { id, told, entity, left, query, keep }) {
  const backtest = told.backtest ?? {};
  const kind = backtest.kind ?? told.labels?.kind;
  const rows = told.predictions ?? [];
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
  const batch = rows.length || told.total
    ? predictions({
        all: Array.isArray(rows) && (!told.total || told.total === rows.length) ? rows : null,
        fetch: told.total && told.total !== rows.length ? async (at, size) => { const page = await get(`/api/jobs/${part(id)}/predictions?limit=${size}&offset=${at}`, { signal: left }); return { rows: page.rows ?? page.predictions, total: page.total }; } : null,
        link: (key) => `#/ask/${part(id)}/${part(key)}`,
        chosen: entity,
        kind,
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
      batch ? section("Predictions", h("p", { class: "quiet" }, `${rows[0]?.cutoff ? `As of ${time(rows[0].cutoff)}. ` : ""}Choose one to see its reasons.`), batch) : null,
    ),
  );
  if (entity !== undefined) explain(reasons, { id, entity, rows, kind, left });
  try {
    const list = await get(`/api/jobs/${part(id)}/plots`, { signal: left });
    const found = list.plots ?? list;
    if (found.length) show(drawn, section("Plots", plots(found, `/api/jobs/${part(id)}/plots`)));
  } catch (fault_) {
    if (fault_.name !== "AbortError" && fault_.status !== 404 && fault_.status !== 401) show(drawn, fault(fault_));
  }
}

/** The reasons of one entity of an answer: those that came with it, then the rows behind them. */
async function explain(place, { id, entity, rows, kind, left }) {
  place.hidden = false;
  const has = (row) => Object.entries(row).some(([name, v]) => !["reasons", "cutoff"].includes(name) && !SCORES.includes(name) && String(v) === entity);
  const row = rows.find(has);
  const close = h("a", { href: `#/ask/${part(id)}`, class: "small" }, "Close");
  const title = h("div", { class: "head" }, h("h2", {}, `Why: ${entity}`), close);
  show(place, title, loading("Looking for the rows behind it"));
  place.focus({ preventScroll: true });
  place.scrollIntoView({ block: "start" });
  try {
    const found = row && typeof row.entity === "object" ? row.entity : await typed(row, entity);
    const told = await post(`/api/jobs/${part(id)}/explain`, { entity: found }, { signal: left });
    show(place, title, entityView(told));
  } catch (fault_) {
    if (fault_.name === "AbortError" || fault_.status === 401) return;
    const known = row?.reasons?.length
      ? [
          h("p", { class: "big" }, shownScore(kind, row.probability ?? row.prediction)),
          section("Reasons", h("ul", { class: "bullets" }, row.reasons.map((each) => h("li", {}, typeof each === "string" ? each : each.text)))),
        ]
      : null;
    show(place, title, known ?? fault(fault_), known && fault_.status !== 404 && fault_.status !== 405 ? fault(fault_) : null);
  }
}

async function typed(row, entity) {
  if (!row) return /^-?\d+$/.test(entity) ? Number(entity) : entity;
  return Object.entries(row).find(([name, v]) => !["reasons", "cutoff"].includes(name) && !SCORES.includes(name) && String(v) === entity)[1];
}
