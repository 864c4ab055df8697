// Ask: write a query, see what it means and its labels, run it, and read the answer.

import { Fault, get, over, part, post } from "./api.js";
import { fresh, h, s, settled, show } from "./dom.js";
import { count, day, number, percent, quoted, some, value } from "./format.js";
import { editor, marker } from "./editor.js";
import { confirm, fault, loading, section, sentence, table, toast } from "./parts.js";
import { attend, ended } from "./progress.js";
import { answer } from "./result.js";
import { settledSchema } from "./schema.js";

const memory = {
  get(name) {
    try {
      return sessionStorage.getItem(`foretell.${name}`) ?? "";
    } catch {
      return "";
    }
  },
  set(name, text) {
    try {
      sessionStorage.setItem(`foretell.${name}`, text);
    } catch {
      // Without a memory the page still works.
    }
  },
};

export const question = () => memory.get("query");

/** A few questions that this schema can be asked. */
export function examples(schema) {
  const tables = new Map(schema.tables.filter((t) => !t.ignored).map((t) => [t.name, t]));
  const found = [];
  const links = schema.links
    .map((link) => ({ child: tables.get(link.child), parent: tables.get(link.parent) }))
    .filter(({ child, parent }) => child && parent && child !== parent && child.time_column && parent.primary_key?.length === 1 && child.rows > parent.rows)
    .sort((a, b) => b.parent.rows * Math.log1p(b.child.rows) - a.parent.rows * Math.log1p(a.child.rows));
  // First those whose rows have a key and rows of their own: orders rather than clicks.
  const pointed = (name) => schema.links.filter((link) => link.parent === name).length;
  const weight = ({ child, parent }) => 4 * pointed(parent.name) + 2 * pointed(child.name) + (child.primary_key?.length ? 1 : 0);
  links.sort((a, b) => weight(b) - weight(a));
  const seen = new Set();
  for (const { child, parent } of links) {
    if (seen.has(`${child.name} ${parent.name}`) || seen.size >= 3) continue;
    seen.add(`${child.name} ${parent.name}`);
    const entity = `${quoted(parent.name)}.${quoted(parent.primary_key[0])}`;
    const rows = quoted(child.name);
    const per = `FOR EACH ${entity}`;
    if (seen.size === 1) {
      found.push({ text: `Which ${parent.name} will have no ${child.name} in the next 30 days?`, query: `PREDICT COUNT(${rows}.*, 0, 30, days) = 0\n${per}` });
      const amount = child.columns.find((c) => c.semantic === "numeric" && !c.ignored && c.name !== child.primary_key?.[0]);
      if (amount) found.push({ text: `What will the ${amount.name} of ${child.name} add up to in the next 30 days, for each of ${parent.name}?`, query: `PREDICT SUM(${rows}.${quoted(amount.name)}, 0, 30, days)\n${per}` });
      found.push({ text: `Of ${parent.name} with ${child.name} in the last 90 days: which will have none in the next 30?`, query: `PREDICT COUNT(${rows}.*, 0, 30, days) = 0\n${per}\nWHERE COUNT(${rows}.*, -90, 0, days) > 0` });
    } else {
      found.push({ text: `How many ${child.name} in the next 30 days, for each of ${parent.name}?`, query: `PREDICT COUNT(${rows}.*, 0, 30, days)\n${per}` });
    }
  }
  return found.slice(0, 4);
}

/** Labels at each past cutoff, and the one to come. */
function labelBars(cutoffs, binary) {
  const held = cutoffs.slice(-36);
  const values = held.map((c) => c.mean ?? c.rows);
  const most = binary ? 1 : Math.max(...values.map(Math.abs), 1e-9);
  const wide = 420;
  const tall = 96;
  const step = (wide - 8) / (held.length + 1);
  const y = (v) => (tall - 18) * (Math.max(0, v) / most);
  return s(
    "svg",
    { viewBox: `0 0 ${wide} ${tall}`, class: "bars", role: "img", "aria-label": `${binary ? "Share of yes" : "Mean"} at ${held.length} cutoffs, from ${day(held[0].cutoff)} to ${day(held[held.length - 1].cutoff)}: ${values.map((v) => (binary ? percent(v) : number(v))).join(", ")}. The next one is what is predicted.` },
    s("line", { x1: 0, x2: wide, y1: tall - 14, y2: tall - 14 }),
    held.map((c, i) => s("rect", { x: 4 + i * step, y: tall - 14 - y(values[i]), width: Math.max(2, step - 3), height: Math.max(1, y(values[i])), rx: 1.5 }, s("title", {}, `${day(c.cutoff)}: ${binary ? percent(values[i]) : number(values[i])} of ${count(c.rows)} rows`))),
    s("line", { x1: 2.5 + held.length * step, x2: 2.5 + held.length * step, y1: 2, y2: tall - 14, class: "cut" }),
    s("rect", { x: 5 + held.length * step, y: tall - 14 - y(values[values.length - 1]), width: Math.max(2, step - 4), height: Math.max(1, y(values[values.length - 1])), rx: 1.5, class: "next" }),
    s("text", { x: 4, y: tall - 2 }, day(held[0].cutoff)),
    s("text", { x: wide - 4, y: tall - 2, "text-anchor": "end" }, "now: predicted"),
  );
}

function previewed(told, checked) {
  const { labels } = told;
  const binary = (labels.kind ?? checked.kind) === "binary";
  const cutoffs = labels.cutoffs ?? [];
  const share = labels.mean;
  const size = cutoffs.length;
  const rows = (told.sample ?? []).map((row) => ({ ...row.keys, "as of": row.cutoff, label: row.label }));
  const columns = rows.length ? Object.keys(rows[0]) : [];
  return [
    h(
      "p",
      {},
      h("strong", {}, some(labels.rows, "label")),
      ` of ${some(labels.entities, "entity", "entities")} at ${some(size, "past moment")}`,
      share === null || share === undefined ? "" : binary ? `; ${percent(share)} of them yes` : `; ${number(share)} on average`,
      ".",
    ),
    labels.classes && Object.keys(labels.classes).length
      ? h("p", { class: "quiet small" }, Object.entries(labels.classes).slice(0, 8).map(([name, n]) => `${name}: ${typeof n === "number" && n <= 1 ? percent(n) : count(n)}`).join(", "))
      : null,
    cutoffs.length ? [h("p", { class: "label" }, binary ? "Share of yes at each past moment" : "Mean at each past moment"), labelBars(cutoffs, binary)] : null,
    rows.length
      ? h("details", {}, h("summary", {}, "A few labels"), table("A few labels", columns.map((name) => ({ title: name, cell: (row) => value(row[name]) })), rows.slice(0, 12)))
      : null,
    labels.dropped && Object.keys(labels.dropped).length
      ? h("p", { class: "quiet small" }, "Left out: ", Object.entries(labels.dropped).map(([why, n]) => `${count(n)} ${why}`).join("; "))
      : null,
    told.cutoffs_looked_at < told.cutoffs ? h("p", { class: "quiet small" }, sentence(told.part)) : null,
    told.warnings?.length ? h("ul", { class: "bullets small" }, told.warnings.map((each) => h("li", {}, sentence(each)))) : null,
  ];
}

async function write(place, { given, left }) {
  const judgedId = fresh("judged");
  const judged = h("div", { class: "judged", id: judgedId, role: "status" });
  const preview = h("section", { class: "card", "aria-label": "Labels of the query" });
  const wrong = h("div", {});
  const limit = h("select", { id: "limit" }, [[10, "10 seconds"], [30, "30 seconds"], [60, "1 minute"], [300, "5 minutes"], [1800, "30 minutes"]].map(([n, text]) => h("option", { value: String(n), selected: n === 30 }, text)));
  const model = h("select", { id: "model" }, [["auto", "all that time allows"], ["trees", "trees"], ["baseline", "simple rules"], ["deep", "deep nets"]].map(([name, text]) => h("option", { value: name }, text)));
  const button = h("button", { type: "submit", class: "primary", disabled: true }, "Ask");
  let checking = null;
  let sound = "";

  const idle = () =>
    show(preview, h("h2", {}, "Labels"), h("p", { class: "quiet" }, "What the question was answered at past moments: models learn from it. It shows as soon as the query can be read."));

  const look = settled(async (text, checked) => {
    const asked = checking;
    show(preview, h("h2", {}, "Labels"), loading("Making labels"));
    try {
      const told = await post("/api/query/preview", { query: text }, { signal: asked.signal });
      if (asked.signal.aborted) return;
      show(preview, h("h2", {}, "Labels"), previewed(told, checked));
    } catch (told) {
      if (told.name === "AbortError" || asked.signal.aborted) return;
      show(preview, h("h2", {}, "Labels"), fault(told));
    }
  }, 250);

  let held = null;
  const wail = (told) => {
    held = null;
    const marked = box.mark(told);
    const line = marker(box.text(), marked);
    show(
      judged,
      h("p", { class: "said" }, sentence(told.message)),
      line ? h("pre", { class: "marker", "aria-hidden": "true" }, line) : null,
      told.mend ? h("p", {}, sentence(told.mend)) : null,
      told.examples?.length ? h("ul", { class: "bullets" }, told.examples.slice(0, 4).map((each) => h("li", {}, h("code", {}, each)))) : null,
    );
    idle();
  };

  const check = settled(async (text) => {
    checking?.abort();
    checking = new AbortController();
    const asked = checking;
    if (!text.trim()) return;
    try {
      const told = await post("/api/query/judge", { query: text }, { signal: asked.signal });
      if (asked.signal.aborted) return;
      if (told.fault) throw new Fault(422, told.fault);
      box.clear();
      sound = text;
      button.disabled = false;
      show(judged, h("p", { class: "strong" }, told.description), (told.warnings ?? []).map((each) => h("p", { class: "quiet small" }, sentence(each))));
      look(text, told);
    } catch (told) {
      if (told.name === "AbortError" || asked.signal.aborted || told.status === 401) return;
      // Nobody is told of a fault in a word that is being completed.
      if (box.completing()) held = told;
      else wail(told);
    }
  }, 380);

  const changed = (text) => {
    memory.set("query", text);
    button.disabled = text !== sound || !text.trim();
    look.cancel();
    checking?.abort();
    held = null;
    if (!text.trim()) {
      show(judged, h("p", { class: "quiet" }, "Say what to predict, for whom, and over which window of time. ", h("kbd", {}, "Ctrl"), " ", h("kbd", {}, "Space"), " completes, ", h("kbd", {}, "Ctrl"), " ", h("kbd", {}, "Enter"), " asks."));
      idle();
    } else if (text === sound) button.disabled = false;
    check(text);
  };
  const run = async () => {
    if (button.disabled) return;
    button.disabled = true;
    show(wrong);
    try {
      const job = await post("/api/jobs", { kind: "ask", query: box.text(), time_limit: Number(limit.value), model: model.value });
      location.hash = `#/ask/${part(job.id)}`;
    } catch (told) {
      button.disabled = false;
      if (told.start !== undefined && told.start !== null) box.mark(told);
      show(wrong, fault(told));
    }
  };
  const box = editor({
    label: "Your question",
    describedBy: judgedId,
    placeholder: "PREDICT COUNT(orders.*, 0, 30, days) = 0 FOR EACH customers.customer_id",
    changed: (text) => changed(text),
    closed: () => held && wail(held),
    run,
  });
  left.addEventListener("abort", () => {
    checking?.abort();
    check.cancel();
    look.cancel();
  });
  const schema = await settledSchema(left);
  const built = examples(schema);
  show(
    place,
    h("div", { class: "head" }, h("h1", {}, "Ask"), h("p", {}, "A question about the future, answered from what the database held before it.")),
    h(
      "div",
      { class: "columns two" },
      h(
        "form",
        { class: "card", onsubmit: (event) => { event.preventDefault(); run(); } },
        h("p", {}, box.label),
        box.element,
        judged,
        h("div", { class: "row" }, h("div", { class: "field wide" }, h("label", { for: "limit" }, "Time for training"), limit), h("div", { class: "field wide" }, h("label", { for: "model" }, "What is tried"), model), button),
        wrong,
      ),
      preview,
    ),
    built.length
      ? section(
          "For example",
          h("ul", { class: "examples" }, built.map((each) => h("li", {}, h("button", { type: "button", onclick: () => { box.set(each.query); box.area.focus(); window.scrollTo(0, 0); } }, h("span", {}, each.text), h("code", {}, each.query.replaceAll("\n", " ")))))),
        )
      : h("p", { class: "note" }, "No table with a time belongs to another yet, so there is no example to give. Correct the ", h("a", { href: "#/schema" }, "schema"), " first."),
  );
  box.set(given.get("q") ?? question());
  return "Ask";
}

async function follow(place, { path: [id, ...keys], left }) {
  const entity = keys.join("/");
  const job = await get(`/api/jobs/${part(id)}`, { signal: left });
  const query = job.asked?.query ?? "";
  const change = h("a", { class: "button small", href: query ? `#/ask?q=${encodeURIComponent(query)}` : "#/ask" }, "Change the question");
  const body = h("div", {});
  const title = h("h1", { id: "asked", tabindex: "-1" }, "The answer");
  const frame = () =>
    show(
      place,
      h("div", { class: "head" }, h("p", { class: "crumbs" }, h("a", { href: "#/ask" }, "Ask"), " / one question"), title, change),
      query ? h("pre", { class: "query", tabindex: "0", "aria-label": "The query" }, h("code", {}, query)) : null,
      body,
    );
  frame();
  const finish = async (now) => {
    if (now.state !== "done") {
      show(title, now.state === "cancelled" ? "Cancelled" : "No answer");
      show(body, ended(now, { again: h("p", { class: "actions" }, change.cloneNode(true)) }));
      return;
    }
    show(body, loading("Reading the answer"));
    try {
      const told = await get(`/api/jobs/${part(id)}/result`, { signal: left });
      show(title, "The answer");
      const open = await answer(body, { id, told, keep, query });
      onPage = { id, body, open };
      if (entity && !left.aborted) open(entity, left);
    } catch (told) {
      if (told.name !== "AbortError" && told.status !== 401) show(body, fault(told, { again: () => finish(now) }));
    }
  };
  if (over(job)) {
    await finish(job);
    return "The answer";
  }
  show(title, "Working on it");
  attend(body, id, job, { left, said: "The answer is there", finish });
  return "Working on it";
}

/** The answer that is on the page, so that opening an entity's reasons leaves it as it is. */
let onPage = null;

/** Keep what a job trained as a version of a model. */
async function keep(id) {
  const held = await confirm("Keep it as a model", {
    text: "It becomes a version in the registry. The first version of a name answers to it at once; a later one when it is promoted.",
    fields: [{ name: "name", label: "Name", required: true, pattern: "[a-z0-9][a-z0-9_\\-]*", hint: "small letters, digits, - and _", most: 64 }],
    yes: "Keep it",
  });
  if (!held) return null;
  const kept = await post(`/api/jobs/${part(id)}/keep`, { name: held.name });
  const name = kept.name ?? held.name;
  toast(`Kept as ${name}@${kept.version ?? "?"}.`, { href: `#/models/${part(name)}`, text: "Look at it" });
  return { name, version: kept.version };
}

export const ask = {
  needs: "database",
  /** Whether the view stays as it is, and only something in it opens. */
  stays({ path: [id, ...keys], left }) {
    if (!id || onPage?.id !== id || !onPage.body.isConnected) return false;
    if (keys.length) onPage.open(keys.join("/"), left);
    return true;
  },
  open: (place, where) => (where.path.length ? follow(place, where) : write(place, where)),
};
