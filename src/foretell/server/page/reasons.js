// Explanations: what a model rests on, and why one entity's score is what it is.

import { h, s } from "./dom.js";
import { count, metric, number, percent, signed, some, time, value } from "./format.js";
import { bar, facts, section, sentence, table } from "./parts.js";

const chance = (kind) => kind === "binary" || kind === "multiclass";

/** A prediction as its kind is read. */
export const told = (kind, x) => (typeof x !== "number" ? value(x) : chance(kind) ? percent(x, x < 0.0995 || x > 0.9 ? 1 : 0) : number(x));

const moved = (kind, x) => (chance(kind) && Math.abs(x) < 0.0005 ? "under 0.1 points" : chance(kind) ? `${x > 0 ? "+" : "−"}${(100 * Math.abs(x)).toFixed(1)} points` : signed(x));

/** The rows that a reason rests on. */
function cited(rows, total) {
  const held = rows.map(({ table: name, key, time: at, ...more }) => ({ table: name, ...key, ...more, time: at }));
  if (!held.length) return null;
  const columns = [...new Set(held.flatMap((row) => Object.keys(row)))].slice(0, 8);
  return h(
    "details",
    {},
    h("summary", {}, total > held.length ? `${count(held.length)} of the ${count(total)} rows behind it` : total === 1 ? "The row behind it" : `The ${some(held.length, "row")} behind it`),
    table("Rows behind the reason", columns.map((name) => ({ title: name, cell: (row) => value(row[name]) })), held),
  );
}

function reason(kind, each) {
  const held = each.reason ?? each;
  const effect = each.change ?? held.effect ?? 0;
  const up = (held.effect ?? effect) > 0;
  return h(
    "li",
    {},
    h("span", { class: `way ${up ? "up" : "down"}`, "aria-hidden": "true" }, up ? "↑" : "↓"),
    h(
      "div",
      {},
      h("p", { class: "told" }, sentence(held.text ?? String(held)), h("span", { class: "unseen" }, up ? " Raises it." : " Lowers it.")),
      each.evidence ? h("p", { class: "quiet" }, sentence(each.evidence)) : null,
      typeof each.without === "number" ? h("p", { class: "small" }, `Without ${each.count === 1 ? "this row" : each.count ? `these ${count(each.count)} rows` : "these rows"} it would be `, h("strong", {}, told(kind, each.without)), ".") : null,
      each.cited?.length ? cited(each.cited, each.count ?? each.cited.length) : null,
    ),
    typeof each.change === "number" ? h("span", { class: "change" }, moved(kind, each.change)) : null,
  );
}

/** Why this entity has this score. */
export function entityView(told_) {
  const explained = told_.explanation ?? told_;
  const { kind } = explained;
  const entity = Object.entries(explained.entity ?? {}).map(([name, v]) => `${name} ${value(v)}`).join(", ");
  const interval = typeof explained.low === "number" ? ` (${told(kind, explained.low)} to ${told(kind, explained.high)})` : "";
  return [
    h(
      "div",
      {},
      h("p", { class: "quiet" }, `${entity}${explained.as_of ? `, as of ${time(explained.as_of)}` : ""}`),
      h("p", { class: "big" }, told(kind, explained.prediction)),
      h("p", { class: "quiet" }, `${explained.of ? `${sentence(explained.of)} ` : ""}${typeof explained.average === "number" ? `Where the model starts from: ${told(kind, explained.average)}` : ""}${interval}`),
    ),
    explained.reasons?.length
      ? section("Reasons", h("ol", { class: "reasons" }, explained.reasons.map((each) => reason(kind, each))))
      : h("p", { class: "note" }, "No reason stands out: nothing that is known of this one moves its score."),
    explained.hints?.length
      ? section(
          "What goes along with another score",
          h("p", { class: "quiet" }, "Among real ones that are otherwise alike. It is no advice: what goes along is not always what causes."),
          h("ul", { class: "bullets" }, explained.hints.map((each) => h("li", {}, sentence(each.sentence ?? String(each))))),
        )
      : null,
    explained.by_net?.length ? section("What the deep nets read", h("ul", { class: "bullets" }, explained.by_net.map((each) => h("li", {}, `${each.text} (${each.effect > 0 ? "raises it" : "lowers it"})`)))) : null,
    explained.notes?.length ? h("ul", { class: "bullets quiet small" }, explained.notes.map((note) => h("li", {}, note))) : null,
  ];
}

/** Drivers with their shares: of an answer, short. */
export function drivers(list) {
  const most = Math.max(...list.map((d) => d.share ?? 0), 1e-9);
  return h(
    "ol",
    { class: "drivers" },
    list.map((d) => h("li", {}, h("span", {}, d.text), bar((d.share ?? 0) / most, percent(d.share)), d.direction ? h("span", { class: "quiet" }, d.direction) : null)),
  );
}

function influences(title, list, net) {
  if (!list?.length) return null;
  const lost = list.some((d) => d.lost);
  return table(
    title,
    [
      { title, head: true, wrap: true, cell: (d) => [d.text || d.key, d.direction ? h("span", { class: "quiet small" }, `: ${d.direction}`) : null] },
      { title: "Share", cell: (d) => bar(d.share, percent(d.share)) },
      lost ? { title: "Lost without it", right: true, cell: (d) => (d.lost ? [number(d.lost.value), " ", h("span", { class: "quiet small" }, `${number(d.lost.low)} to ${number(d.lost.high)}`)] : "–") } : null,
      net ? { title: "Share in the nets", right: true, cell: (d) => (d.net_share === null || d.net_share === undefined ? "–" : percent(d.net_share)) } : null,
    ].filter(Boolean),
    list,
  );
}

/** How the prediction goes with one feature. */
function curve(d) {
  const points = d.points.filter((p) => Number.isFinite(p.value));
  if (points.length < 2) return null;
  const wide = 340;
  const tall = 150;
  const numeric = points.filter((p) => typeof p.at === "number");
  const flat = numeric.length >= 2 && numeric.length === points.filter((p) => p.at !== null).length;
  const low = Math.min(...points.map((p) => p.low ?? p.value));
  const high = Math.max(...points.map((p) => p.high ?? p.value));
  const y = (v) => 8 + (tall - 34) * (1 - (v - low) / (high - low || 1));
  const least = flat ? numeric[0].at : 0;
  const most = flat ? numeric[numeric.length - 1].at : points.length - 1;
  const x = (p, i) => 42 + (wide - 56) * (flat ? (p.at - least) / (most - least || 1) : points.length === 1 ? 0.5 : i / (points.length - 1));
  const share = d.average >= 0 && high <= 1.0001 && low >= -0.0001;
  const name = (v) => (share ? percent(v) : number(v));
  const label = `${d.text}: ${points.map((p) => `${p.at === null ? "no value" : value(p.at)} ${name(p.value)}`).join(", ")}`;
  const line = flat ? numeric : points;
  return h(
    "figure",
    {},
    h("figcaption", {}, d.text),
    s(
      "svg",
      { viewBox: `0 0 ${wide} ${tall}`, class: "curve", role: "img", "aria-label": label },
      s("line", { x1: 42, x2: wide - 14, y1: y(Math.max(low, Math.min(high, d.average))), y2: y(Math.max(low, Math.min(high, d.average))), class: "base" }),
      flat
        ? [
            s("polygon", { class: "band", points: [...line.map((p, i) => `${x(p, i)},${y(p.high)}`), ...[...line].reverse().map((p, i) => `${x(p, line.length - 1 - i)},${y(p.low)}`)].join(" ") }),
            s("polyline", { class: "late", points: line.map((p, i) => `${x(p, i)},${y(p.value)}`).join(" ") }),
          ]
        : line.map((p, i) => [s("line", { x1: x(p, i), x2: x(p, i), y1: y(p.low), y2: y(p.high), class: "range" }), s("circle", { cx: x(p, i), cy: y(p.value), r: 3.5, class: "end" })]),
      s("text", { x: 36, y: y(high) + 4, "text-anchor": "end" }, name(high)),
      s("text", { x: 36, y: y(low) + 4, "text-anchor": "end" }, name(low)),
      flat
        ? [s("text", { x: 42, y: tall - 6 }, number(least)), s("text", { x: wide - 14, y: tall - 6, "text-anchor": "end" }, number(most))]
        : line.map((p, i) => s("text", { x: x(p, i), y: tall - 6, "text-anchor": i === 0 ? "start" : i === line.length - 1 ? "end" : "middle" }, p.at === null ? "none" : String(value(p.at)).slice(0, Math.max(3, Math.floor(44 / line.length))))),
    ),
  );
}

/** What a model rests on. */
export function explanationView(explained) {
  const net = [...(explained.stories ?? []), ...(explained.tables ?? [])].some((d) => d.net_share !== null && d.net_share !== undefined);
  const curves = (explained.dependence ?? []).map(curve).filter(Boolean);
  return [
    facts([
      ["Looked at", `${some(explained.rows, "row")} of ${some(explained.entities, "entity", "entities")} that it had not learned from`],
      [metric(explained.metric), number(explained.measured)],
      explained.of ? ["Directions are about", explained.of] : null,
    ]),
    explained.remarks?.length ? h("div", { class: "note warn" }, h("ul", {}, explained.remarks.map((each) => h("li", {}, sentence(each))))) : null,
    section("What it reads", h("p", { class: "quiet" }, "Its share of all that moves scores, and how much worse the test got when it was shuffled, with the 95% interval."), influences("What it reads", explained.stories, net)),
    explained.tables?.length ? section("By table", influences("Table", explained.tables, net)) : null,
    explained.paths?.length ? section("By path", influences("Path", explained.paths, net)) : null,
    curves.length ? section("How the prediction goes with it", h("p", { class: "quiet" }, "All else as it is; the band is the 95% interval."), h("div", { class: "plots curves" }, curves)) : null,
  ];
}
