// Models: the registry's list, and one model with its versions, scores over time, explanation and scoring.

import { get, over, part, post, watch } from "./api.js";
import { ended, progress } from "./progress.js";
import { h, show } from "./dom.js";
import { count, day, meaning, metric, number, percent, some, time, value } from "./format.js";
import { bar, confirm, empty, fault, facts, loading, plots, section, sentence, sparkline, table, toast } from "./parts.js";
import { drivers, entityView, explanationView } from "./reasons.js";
import { leaderboard, predictions, trust, verdict } from "./result.js";
import { settledSchema } from "./schema.js";

const scored = (score) => (score ? `${number(score.value)} (${number(score.low)} to ${number(score.high)})` : "–");

async function list(place, { left }) {
  const { models: held } = await get("/api/models", { signal: left });
  show(
    place,
    h("div", { class: "head" }, h("h1", {}, "Models"), h("p", {}, "Every version that was kept, and which one answers.")),
    held.length
      ? h(
          "ul",
          { class: "model-list" },
          held.map((model) =>
            h(
              "li",
              { class: "card" },
              h(
                "div",
                { class: "head" },
                h("h2", {}, h("a", { class: "name", href: `#/models/${part(model.name)}` }, model.name)),
                h("span", {}, model.champion ? h("span", { class: "tag accent" }, `version ${model.champion} answers`) : h("span", { class: "tag" }, "no champion"), " ", model.challenger ? h("span", { class: "tag warn" }, `version ${model.challenger} waits`) : null),
              ),
              model.description ? h("p", {}, model.description) : null,
              facts([
                model.backtest ? [`${metric(model.backtest.metric)} in the backtest`, scored(model.backtest.model)] : null,
                model.backtest?.lift ? ["Better than the best simple rule by", scored(model.backtest.lift)] : null,
                ["Fitted", time(model.created)],
                model.clean === null || model.clean === undefined ? null : ["Leak audit", model.clean ? "no leak found" : "see the version"],
              ]),
            ),
          ),
        )
      : empty("No model is kept yet", h("p", {}, "Ask a question, then keep its answer as a model under a name."), h("p", {}, h("a", { class: "button", href: "#/ask" }, "Ask a question"))),
  );
  return "Models";
}

const TABS = [
  ["", "Overview"], ["score", "Score one"], ["explanation", "What it rests on"], ["grades", "Grades"],
  ["monitoring", "Monitoring"], ["predictions", "Predictions"], ["history", "History"],
];

function tabs(name, here) {
  return h(
    "nav",
    { "aria-label": `Parts of ${name}` },
    h("ul", { class: "tabs" }, TABS.map(([at, title]) => h("li", {}, h("a", { href: `#/models/${part(name)}${at ? `/${at}` : ""}`, "aria-current": at === here ? "page" : null }, title)))),
  );
}

/** A change of who answers, asked for once more before it is done. */
async function change(question, action, again) {
  if (!(await confirm(question.title, question))) return;
  try {
    await action();
    toast(question.done);
    await again();
  } catch (told) {
    if (told.status === 401) return;
    await confirm("It was not done", { text: `${sentence(told.message)} ${told.mend ? sentence(told.mend) : ""}`, yes: "Look at it anew" });
    await again();
  }
}

function versionsOf(model, again) {
  const promote = (version) =>
    change(
      {
        title: `Let ${model.name}@${version} answer?`,
        text: `From now on it makes the predictions of ${model.name}${model.champion ? `, in place of version ${model.champion}, to which you can roll back` : ""}.`,
        yes: "Promote it",
        done: `${model.name}@${version} answers now.`,
      },
      () => post(`/api/models/${part(model.name)}/promote`, { version, epoch: model.epoch }),
      again,
    );
  return table(
    `Versions of ${model.name}`,
    [
      { title: "Version", head: true, cell: (v) => [`${model.name}@${v.version} `, v.version === model.champion ? h("span", { class: "tag accent" }, "champion") : v.version === model.challenger ? h("span", { class: "tag warn" }, "challenger") : null] },
      { title: "Fitted", cell: (v) => time(v.created) },
      { title: "Learned until", cell: (v) => day(v.last_cutoff) },
      { title: model.backtest ? metric(model.backtest.metric) : "Score", cell: (v) => (v.backtest ? scored(v.backtest.model) : "–") },
      { title: "Over the best rule", cell: (v) => (v.backtest?.lift ? scored(v.backtest.lift) : "–") },
      { title: "Leaks", cell: (v) => (v.clean === true ? h("span", { class: "tag good" }, "none found") : v.clean === false ? h("span", { class: "tag bad" }, "found") : "–") },
      { title: "", cell: (v) => (v.version === model.champion ? null : h("button", { type: "button", class: "small", onclick: () => promote(v.version), "aria-label": `Promote ${model.name}@${v.version}` }, "Promote")) },
    ],
    model.versions,
    { row: (v) => ({ class: v.version === model.champion ? "best" : null }) },
  );
}

function overview(place, model, { left }, again) {
  const before = model.versions.length > 1 && model.history.some((event) => event.before !== null && event.version === model.champion);
  const rollback = () =>
    change(
      { title: `Roll ${model.name} back?`, text: "The champion before this one answers again.", yes: "Roll back", danger: true, done: `${model.name} was rolled back.` },
      () => post(`/api/models/${part(model.name)}/rollback`),
      again,
    );
  const drawn = h("div", {});
  const good = h("div", {});
  show(
    place,
    model.backtest ? verdict(model.backtest, null) : null,
    h(
      "p",
      { class: "actions" },
      h("a", { class: "button", href: `#/ask?q=${encodeURIComponent(model.query ?? "")}` }, "Ask it anew"),
      h("a", { class: "button", href: `/api/models/${part(model.name)}/report`, download: `${model.name}.html` }, "Download the report"),
      before ? h("button", { type: "button", onclick: rollback }, "Roll back") : null,
    ),
    section("Versions", versionsOf(model, again)),
    good,
    drawn,
    section("The question", h("pre", { class: "query", tabindex: "0", "aria-label": "The query" }, h("code", {}, model.query ?? ""))),
  );
  if (model.champion)
    get(`/api/models/${part(model.name)}/backtest`, { signal: left }).then(
      ({ backtest }) => {
        if (backtest?.baselines) show(good, section("How good the champion is", h("p", { class: "quiet" }, `${metric(backtest.metric)}${meaning(backtest.metric) ? `: ${meaning(backtest.metric)}` : ""}.`), leaderboard(backtest), trust(backtest)));
      },
      () => {},
    );
  get(`/api/models/${part(model.name)}/plots`, { signal: left }).then(
    (told) => {
      if (told.plots?.length) show(drawn, section("Plots", plots(told.plots, `/api/models/${part(model.name)}/plots`)));
    },
    () => {},
  );
}

async function score(place, model, { path, given, left, about }) {
  const asked = path[2];
  const id = h("input", { id: "entity", name: "entity", required: true, autocomplete: "off", spellcheck: "false", value: asked ?? "" });
  const asOf = h("input", { id: "as-of", name: "as_of", placeholder: "the end of the data", autocomplete: "off", value: given.get("as_of") ?? "" });
  const found = h("div", { "aria-live": "polite" });
  show(
    place,
    h("p", { class: "quiet" }, "Read from the database as it is now."),
    h(
      "form",
      {
        class: "row card",
        onsubmit: (event) => {
          event.preventDefault();
          const at = `#/models/${part(model.name)}/score/${part(id.value.trim())}${asOf.value.trim() ? `?as_of=${encodeURIComponent(asOf.value.trim())}` : ""}`;
          if (location.hash === at) window.dispatchEvent(new HashChangeEvent("hashchange"));
          else location.hash = at;
        },
      },
      h("div", { class: "field wide" }, h("label", { for: "entity" }, "Key of the one to score"), id),
      h("div", { class: "field wide" }, h("label", { for: "as-of" }, "As of (a date or time)"), asOf),
      h("button", { class: "primary" }, "Score it"),
    ),
    found,
  );
  if (about?.database?.state !== "ready") {
    show(found, h("p", { class: "note warn" }, "No database is open, so nothing can be scored."));
    return;
  }
  if (asked === undefined) return;
  show(found, loading("Scoring"));
  try {
    const entity = await typed(model, asked, left);
    const told = await post(`/api/models/${part(model.name)}/explain`, { entity, as_of: given.get("as_of") || null }, { signal: left });
    show(found, h("div", { class: "card", id: "scored" }, entityView(told)));
  } catch (told) {
    if (told.name !== "AbortError" && told.status !== 401) show(found, fault(told));
  }
}

/** A key as its column holds it: what looks like a number may be text. */
async function typed(model, text, left) {
  try {
    const { entity } = await post("/api/query/check", { query: model.query }, { signal: left });
    const schema = await settledSchema(left);
    for (const t of schema.tables) {
      for (const c of t.columns) {
        const names = [`${t.name}.${c.name}`, `"${t.name}"."${c.name}"`, `${t.name}."${c.name}"`, `"${t.name}".${c.name}`];
        if (names.includes(entity)) return c.dtype === "integer" && /^-?\d+$/.test(text) ? Number(text) : text;
      }
    }
  } catch (told) {
    if (told.name === "AbortError") throw told;
  }
  return /^-?\d{1,15}$/.test(text) ? Number(text) : text;
}

async function explanation(place, model, { left }) {
  show(place, loading());
  const told = await get(`/api/models/${part(model.name)}/explanation`, { signal: left });
  show(
    place,
    told.explanation
      ? explanationView(told.explanation)
      : [h("p", { class: "note" }, "This version was fitted before explanations were kept: fit it again to see more than its drivers."), told.drivers?.length ? section("What it rests on", drivers(told.drivers)) : null],
  );
}

/** A job of this model, run from here: its progress, then `done()`. */
function runner(model, kind, label, left, done) {
  const place = h("div", {});
  const button = h("button", { type: "button" }, label);
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      const job = await post("/api/jobs", { kind, model: model.name });
      const shown = progress(job.id);
      show(place, shown.element);
      shown.tell(job);
      const stop = watch(
        job.id,
        (now) => {
          shown.tell(now);
          if (!over(now)) return;
          button.disabled = false;
          if (now.state === "done") done();
          else show(place, ended(now, { again: null }));
        },
        (told) => show(place, fault(told)),
      );
      left.addEventListener("abort", () => { stop(); shown.stop(); });
    } catch (told) {
      button.disabled = false;
      show(place, fault(told));
    }
  });
  return [h("p", { class: "actions" }, button), place];
}

async function grades(place, model, where, again) {
  show(place, loading());
  const { grades: held } = await get(`/api/models/${part(model.name)}/grades`, { signal: where.left });
  const name = held[0]?.score?.metric;
  const graded = held.filter((g) => g.score);
  show(
    place,
    h("p", { class: "quiet" }, "Predictions that were written, compared with what happened once their window had closed."),
    where.about?.database?.state === "ready" ? runner(model, "grade", "Grade what is due", where.left, again) : null,
    held.length
      ? [
          graded.length > 1
            ? section(`${metric(name)} over time`, h("div", { class: "card" }, sparkline(graded.map((g) => [g.cutoff, g.score.value]), { label: metric(name), wide: 640, tall: 90 })))
            : null,
          table(
            "Grades",
            [
              { title: "As of", head: true, cell: (g) => time(g.cutoff) },
              { title: "Version", cell: (g) => value(g.version) },
              { title: "Rows", right: true, cell: (g) => count(g.labelled ?? g.rows) },
              { title: metric(name), cell: (g) => scored(g.score) },
              { title: "The simple rule", cell: (g) => scored(g.baseline) },
              { title: "Promised", cell: (g) => (g.promised ? number(g.promised.value) : "–") },
              { title: "Said, happened", cell: (g) => (typeof g.said === "number" ? (model.kind === "binary" ? `${percent(g.said)}, ${percent(g.happened)}` : `${number(g.said)}, ${number(g.happened)}`) : "–") },
            ],
            [...held].reverse(),
          ),
        ]
      : empty("Nothing is graded yet", h("p", {}, "A batch is graded once its window has closed. Write one with ", h("code", {}, `foretell run ${model.name} DATABASE`), ".")),
  );
}

const SEVERITY = { ok: "good", digest: "warn", page: "bad" };
const SAID = { ok: "no harm", digest: "to read", page: "harm" };

function feeds(list) {
  if (!list?.length) return null;
  return section(
    "Feeds",
    h("p", { class: "quiet" }, "New rows of each table per period, to the newest."),
    h(
      "ul",
      { class: "findings" },
      list.map((feed) =>
        h(
          "li",
          {},
          h("p", { class: "told" }, feed.table, " ", feed.stopped ? h("span", { class: "tag bad" }, "stopped") : feed.odd ? h("span", { class: "tag warn" }, "unusual") : null),
          feed.counts?.length > 1 ? sparkline(feed.counts.map((n, i) => [i, n]), { label: `rows of ${feed.table}`, base: 0 }) : null,
          h("p", { class: "meta" }, `newest ${time(feed.newest)}`),
        ),
      ),
    ),
  );
}

async function monitoring(place, model, where, again) {
  show(place, loading());
  const { checks } = await get(`/api/models/${part(model.name)}/monitoring`, { signal: where.left });
  const last = checks[checks.length - 1];
  const moving = last?.features?.features?.filter((f) => f.drifts) ?? [];
  show(
    place,
    h("p", { class: "quiet" }, "The schema, feeds, features and predictions, compared with how they usually are. Drift alone is no harm."),
    where.about?.database?.state === "ready" ? runner(model, "monitor", "Look now", where.left, again) : null,
    last
      ? [
          h(
            "section",
            { class: `verdict ${SEVERITY[last.severity] ?? ""}`, "aria-label": "The last look" },
            h("p", { class: "lead" }, last.verdict),
            h("p", { class: "quiet" }, `Looked at ${time(last.at)}, data until ${time(last.cutoff)}.`),
          ),
          last.findings?.length ? section("What was found", h("ul", { class: "bullets" }, last.findings.map((f) => h("li", {}, h("span", { class: `tag ${SEVERITY[f.severity] ?? ""}` }, SAID[f.severity] ?? f.severity), " ", f.text, ".")))) : null,
          section(
            "Looks over time",
            table(
              "Looks over time",
              [
                { title: "Looked at", head: true, cell: (c) => time(c.at) },
                { title: "Data until", cell: (c) => time(c.cutoff) },
                { title: "", cell: (c) => h("span", { class: `tag ${SEVERITY[c.severity] ?? ""}` }, SAID[c.severity] ?? c.severity) },
                { title: "Said", wrap: true, cell: (c) => c.verdict },
              ],
              [...checks].reverse(),
            ),
          ),
          feeds(last.feeds),
          moving.length
            ? section(
                "Features that moved",
                table("Features that moved", [
                  { title: "Feature", head: true, cell: (f) => f.name },
                  { title: "Distance", cell: (f) => bar(f.ks, number(f.ks)) },
                  { title: "Usual", right: true, cell: (f) => number(f.usual_ks) },
                ], moving.slice(0, 40)),
              )
            : null,
        ]
      : empty("Nobody has looked yet", h("p", {}, "Look now, or put ", h("code", {}, `foretell run ${model.name} DATABASE`), " on a schedule.")),
  );
}

async function batch(place, model, where, again) {
  show(place, loading());
  const first = await get(`/api/models/${part(model.name)}/predictions?limit=1`, { signal: where.left });
  const ready = where.about?.database?.state === "ready";
  show(
    place,
    first.batch
      ? [
          h("p", { class: "quiet" }, `${some(first.total, "prediction")} of ${first.batch.model} as of ${time(first.batch.cutoff)}, written to ${first.batch.destination}.`),
          predictions({
            fetch: async (at, size) => get(`/api/models/${part(model.name)}/predictions?limit=${size}&offset=${at}`, { signal: where.left }),
            key: first.key ?? Object.keys(first.rows[0] ?? {}).slice(0, 1),
            link: ready ? (row) => `#/models/${part(model.name)}/score/${part(Object.values(row)[0])}` : null,
          }),
        ]
      : empty("No batch is written yet", h("p", {}, "Write one with ", h("code", {}, `foretell write ${model.name} DATABASE`), ".")),
  );
}

function history(place, model) {
  show(
    place,
    model.history.length
      ? h(
          "ol",
          { class: "history" },
          model.history.map((event) =>
            h("li", {}, h("p", { class: "strong" }, sentence(`${model.name}@${event.version} ${event.action}`)), h("p", { class: "quiet small" }, [time(event.at), event.reason, event.before ? `before it: version ${event.before}` : ""].filter(Boolean).join(" · "))),
          ),
        )
      : empty("Nothing was done to it yet"),
  );
}

const PARTS = { "": overview, score, explanation, grades, monitoring, predictions: batch, history };

async function one(place, where) {
  const [name, at = ""] = where.path;
  const again = () => one(place, where);
  const model = await get(`/api/models/${part(name)}`, { signal: where.left });
  const body = h("div", { class: "view" });
  show(
    place,
    h("div", { class: "head" }, h("p", { class: "crumbs" }, h("a", { href: "#/models" }, "Models"), ` / ${model.name}`), h("h1", {}, model.name), h("p", {}, model.description ?? "")),
    tabs(model.name, at),
    body,
  );
  const draw = PARTS[at];
  if (!draw) {
    show(body, h("p", { class: "note warn" }, "There is no such part of a model."));
    return model.name;
  }
  try {
    await draw(body, model, where, again);
  } catch (told) {
    if (told.name === "AbortError" || told.status === 401) throw told;
    show(body, fault(told, { again }));
  }
  return at ? `${model.name}: ${TABS.find((t) => t[0] === at)[1]}` : model.name;
}

export const models = {
  open: (place, where) => (where.path.length ? one(place, where) : list(place, where)),
};
