// Patterns: what the later part of history confirmed, what it did not, and what ended.

import { get, over, part, post } from "./api.js";
import { h, s, show } from "./dom.js";
import { count, day, number, percent, some } from "./format.js";
import { empty, fault, loading, plots, section, sentence, sparkline, sql, table } from "./parts.js";
import { attend, ended } from "./progress.js";
import { question } from "./ask.js";
import { settledSchema } from "./schema.js";

const KINDS = {
  subgroup: "group", driver: "driver", trend: "trend", change: "change", association: "come together", sequence: "sequence",
  timing: "how soon", segment: "segment",
};

async function start(place, { given, left }) {
  const schema = await settledSchema(left);
  const asked = given.get("q") ?? question();
  const timed = schema.tables.filter((t) => !t.ignored && (t.time_column || schema.links.some((l) => l.child === t.name)));
  const wrong = h("div", {});
  const about = h(
    "select",
    { id: "about" },
    asked ? h("option", { value: "query", selected: given.has("q") }, "the question below") : null,
    h("option", { value: "" }, "all tables"),
    h("optgroup", { label: "one table" }, timed.map((t) => h("option", { value: `table ${t.name}`, selected: given.get("table") === t.name }, t.name))),
  );
  const limit = h("select", { id: "limit" }, [[20, "20 seconds"], [60, "1 minute"], [180, "3 minutes"], [600, "10 minutes"]].map(([n, text]) => h("option", { value: String(n), selected: n === 60 }, text)));
  if (!given.has("q") && !given.has("table")) about.value = "";
  const button = h("button", { class: "primary" }, "Look for patterns");
  const run = async (event) => {
    event.preventDefault();
    button.disabled = true;
    show(wrong);
    const chosen = about.value;
    const body = { kind: "patterns", time_limit: Number(limit.value) };
    if (chosen === "query") body.query = asked;
    else if (chosen) body.table = chosen.slice("table ".length);
    try {
      const job = await post("/api/jobs", body);
      location.hash = `#/patterns/${part(job.id)}`;
    } catch (told) {
      button.disabled = false;
      show(wrong, fault(told));
    }
  };
  const past = ((await get("/api/jobs", { signal: left })).jobs ?? []).filter((job) => job.kind === "patterns");
  show(
    place,
    h("div", { class: "head" }, h("h1", {}, "Patterns"), h("p", {}, "Looked for in the earlier part of history, then held against the later part, which nothing was chosen by. Only what held there is told as found.")),
    h(
      "form",
      { class: "card", onsubmit: run },
      h("div", { class: "row" }, h("div", { class: "field wide" }, h("label", { for: "about" }, "Look at"), about), h("div", { class: "field wide" }, h("label", { for: "limit" }, "Time to look"), limit), button),
      asked ? h("details", {}, h("summary", {}, "The question"), h("pre", { class: "query", tabindex: "0", "aria-label": "The question" }, h("code", {}, asked))) : null,
      wrong,
    ),
    past.length
      ? section("Looked for before", h("ul", { class: "bullets" }, past.map((job) => h("li", {}, h("a", { href: `#/patterns/${part(job.id)}` }, job.asked?.table ?? job.asked?.query ?? "all tables"), ` ${job.state === "done" ? "" : `(${job.state})`} ${day(job.made)}`))))
      : null,
  );
  return "Patterns";
}

function intervalLine(m) {
  const span = [m.low, m.high, m.null ?? 0, m.value].filter((v) => Number.isFinite(v));
  const low = Math.min(...span);
  const high = Math.max(...span);
  const wide = 260;
  const x = (v) => 8 + ((wide - 16) * (v - low)) / (high - low || 1);
  if (!Number.isFinite(m.low) || !Number.isFinite(m.high)) return null;
  return s(
    "svg",
    { viewBox: `0 0 ${wide} 22`, class: "whisker strong wide", "aria-hidden": "true" },
    s("line", { x1: 8, x2: wide - 8, y1: 11, y2: 11, class: "axis" }),
    s("line", { x1: x(m.null ?? 0), x2: x(m.null ?? 0), y1: 3, y2: 19, class: "zero" }),
    s("line", { x1: x(m.low), x2: x(m.high), y1: 11, y2: 11, class: "range" }),
    s("circle", { cx: x(m.value), cy: 11, r: 4.5, class: "point" }),
  );
}

/** How much of the series is the early part. */
function split(finding, splits) {
  const cut = splits?.[finding.sheet];
  if (!cut || !finding.series?.length) return null;
  const at = finding.series.findIndex(([t]) => t >= cut);
  return at < 0 ? null : at / finding.series.length;
}

function card(finding, told) {
  const m = finding.measured;
  return h(
    "li",
    {},
    h("p", { class: "meta" }, h("span", { class: "tag accent" }, KINDS[finding.kind] ?? finding.kind), finding.sheet ? h("span", {}, finding.sheet) : null),
    h("p", { class: "told" }, sentence(finding.sentence)),
    finding.series?.length > 1 ? sparkline(finding.series, { label: "per period", split: split(finding, told.splits) }) : null,
    intervalLine(m),
    h(
      "p",
      { class: "meta foot" },
      h("span", {}, `${count(m.support)} of ${count(m.population)} rows`),
      m.entities ? h("span", {}, some(m.entities, "entity", "entities")) : null,
      Number.isFinite(m.stability) ? h("span", {}, `held in ${percent(m.stability)} of periods`) : null,
    ),
    finding.also?.length ? h("p", { class: "quiet small" }, `Stands for ${some(finding.also.length, "other statement")} of nearly the same rows.`) : null,
    finding.sql ? sql(finding.sql) : null,
  );
}

function folded(title, findings, told, note) {
  if (!findings.length) return null;
  return h(
    "details",
    { class: "part" },
    h("summary", {}, `${title} (${count(findings.length)})`),
    h("p", { class: "quiet" }, note),
    h("ul", { class: "findings" }, findings.map((each) => card(each, told))),
  );
}

function found(told) {
  const by = (status) => told.findings.filter((f) => f.status === status);
  const headlines = by("headline");
  const spans = Object.entries(told.spans ?? {});
  return [
    h(
      "p",
      { class: "lede" },
      `${count(told.searched)} statements were looked at, ${count(told.frozen)} held against the later part; `,
      h("strong", {}, headlines.length ? `${some(headlines.length, "pattern")} held whatever else was tested.` : "none held whatever else was tested."),
    ),
    headlines.length ? h("ul", { class: "findings" }, headlines.map((each) => card(each, told))) : empty("No pattern is sure", h("p", {}, "That is an answer too: nothing that the earlier part suggests holds beyond chance in the later one.")),
    folded("Likely, but not sure", by("appendix"), told, "Of these, about a tenth may be chance."),
    folded("Ended", by("ended"), told, "Strong in the earlier part, surely not so any more."),
    folded("Not confirmed", by("unconfirmed"), told, "The later part does not tell."),
    told.oddities?.length
      ? section(
          "Unlike the others",
          h("p", { class: "quiet" }, "Ranked, not tested: something to look at."),
          h("ul", { class: "bullets" }, told.oddities.map((o) => h("li", {}, sentence(o.sentence), o.at ? h("span", { class: "quiet small" }, ` ${day(o.at)}`) : null, o.sql ? sql(o.sql, "The SQL that shows it") : null))),
        )
      : null,
    told.curves?.length ? section("How soon", told.curves.map(curve)) : null,
    spans.length
      ? h("details", {}, h("summary", {}, "Which part of history was which"), table("Parts of history", [{ title: "Rows", head: true, wrap: true, cell: (r) => r[0] }, { title: "", wrap: true, cell: (r) => r[1] }], spans))
      : null,
    told.notes?.length ? h("ul", { class: "bullets quiet small" }, told.notes.map((note) => h("li", {}, sentence(note)))) : null,
  ];
}

/** By each day the share for which it has happened, per group. */
function curve(told) {
  const wide = 560;
  const tall = 200;
  const most = Math.max(...told.days);
  const groups = Object.entries(told.groups);
  const top = Math.max(0.05, ...groups.flatMap(([, v]) => v));
  const x = (d) => 44 + ((wide - 60) * d) / (most || 1);
  const y = (v) => 10 + (tall - 36) * (1 - v / top);
  return h(
    "figure",
    { class: "card" },
    h("figcaption", { class: "strong" }, told.title),
    s(
      "svg",
      { viewBox: `0 0 ${wide} ${tall}`, class: "curve wide", role: "img", "aria-label": `${told.title}: ${groups.map(([name, v]) => `${name} ${percent(v[v.length - 1])} after ${number(most)} days`).join("; ")}` },
      s("line", { x1: 44, x2: wide - 16, y1: y(0), y2: y(0), class: "base" }),
      groups.map(([, v], i) => s("polyline", { class: `late group-${i % 4}`, points: v.map((share, j) => `${x(told.days[j])},${y(share)}`).join(" ") })),
      s("text", { x: 38, y: y(top) + 4, "text-anchor": "end" }, percent(top)),
      s("text", { x: 38, y: y(0) + 4, "text-anchor": "end" }, "0%"),
      s("text", { x: wide - 16, y: tall - 6, "text-anchor": "end" }, `${number(most)} days`),
    ),
    h("ul", { class: "legend keys" }, groups.map(([name], i) => h("li", {}, h("i", { class: `group-${i % 4}` }), `${name}${told.counts?.[name] ? ` (${count(told.counts[name])})` : ""}`))),
  );
}

async function follow(place, { path: [id], left }) {
  const job = await get(`/api/jobs/${part(id)}`, { signal: left });
  const asked = job.asked ?? {};
  const body = h("div", { class: "view" });
  const what = asked.query ? "a question" : asked.table ? asked.table : "all tables";
  show(
    place,
    h("div", { class: "head" }, h("p", { class: "crumbs" }, h("a", { href: "#/patterns" }, "Patterns"), ` / ${what}`), h("h1", {}, `Patterns in ${what}`)),
    asked.query ? h("pre", { class: "query", tabindex: "0", "aria-label": "The question" }, h("code", {}, asked.query)) : null,
    body,
  );
  const finish = async (now) => {
    const again = h("p", { class: "actions" }, h("a", { class: "button", href: "#/patterns" }, "Look again"));
    if (now.state !== "done") return void show(body, ended(now, { again }));
    show(body, loading("Reading what was found"));
    try {
      const told = await get(`/api/jobs/${part(id)}/result`, { signal: left });
      show(body, found(told.patterns ?? told));
      const list = await get(`/api/jobs/${part(id)}/plots`, { signal: left }).catch(() => ({ plots: [] }));
      if (list.plots?.length && !(told.patterns ?? told).curves?.length) body.append(section("Plots", plots(list.plots, `/api/jobs/${part(id)}/plots`)));
    } catch (told) {
      if (told.name !== "AbortError" && told.status !== 401) show(body, fault(told));
    }
  };
  if (over(job)) {
    await finish(job);
    return "Patterns";
  }
  attend(body, id, job, { left, said: "The patterns are there", finish });
  return "Looking for patterns";
}

export const patterns = {
  needs: "database",
  open: (place, where) => (where.path.length ? follow(place, where) : start(place, where)),
};
