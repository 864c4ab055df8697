// The schema: tables and links as a drawing and as a list, and correcting them.

import { call, get } from "./api.js";
import { h, s, say, show } from "./dom.js";
import { count, percent, some } from "./format.js";
import { TALL, WIDE, layout } from "./layout.js";
import { empty, fault, section, table, toast } from "./parts.js";

/** What the server told last, and what was changed here since. */
let held = null;
let draft = { tables: new Map(), links: [] };

export async function settledSchema(signal) {
  held ??= await get("/api/schema", { signal });
  return held;
}

export const forgetSchema = () => {
  held = null;
};

const ends = (link) => ({
  child: link.child_columns.map((column) => `${link.child}.${column}`),
  parent: link.parent_columns.map((column) => `${link.parent}.${column}`),
});
const same = (a, b) => a.length === b.length && a.every((each, i) => each === b[i]);
const sameLink = (a, b) => same(a.child, b.child) && same(a.parent, b.parent);
const arrow = (link) => {
  const { child, parent } = ends(link);
  return `${child.join(", ")} → ${parent.join(", ")}`;
};

/** The schema as it would be with the draft. */
function drafted() {
  const tables = held.tables.map((t) => {
    const change = draft.tables.get(t.name) ?? {};
    return {
      ...t,
      key: change.primary_key ?? t.primary_key ?? [],
      time: "time" in change ? change.time : (t.time_column ?? ""),
      left: "ignore" in change ? change.ignore : Boolean(t.ignored),
      changed: Object.keys(change).length > 0,
    };
  });
  const gone = (link) => draft.links.some((d) => d.ignore && sameLink(d, ends(link)));
  const links = held.links.map((link) => ({ ...link, gone: gone(link), fresh: false }));
  for (const d of draft.links.filter((each) => !each.ignore)) {
    if (links.some((link) => sameLink(ends(link), d))) continue;
    links.push({ ...d.shape, evidence: { origin: "you" }, fresh: true, gone: false });
  }
  return { tables, links };
}

function changes() {
  const told = [];
  for (const [name, change] of draft.tables) {
    if ("primary_key" in change) told.push(`${name}: key ${change.primary_key.join(", ") || "none"}`);
    if ("time" in change) told.push(`${name}: time of a row ${change.time || "none"}`);
    if ("ignore" in change) told.push(`${name}: ${change.ignore ? "left out" : "taken in"}`);
  }
  for (const link of draft.links) told.push(`${link.ignore ? "without" : "with"} ${link.child.join(", ")} → ${link.parent.join(", ")}`);
  return told;
}

function put(name, key, value, original) {
  const change = { ...(draft.tables.get(name) ?? {}), [key]: value };
  const plain = (v) => JSON.stringify(v ?? "");
  if (plain(value) === plain(original)) delete change[key];
  if (Object.keys(change).length) draft.tables.set(name, change);
  else draft.tables.delete(name);
}

/** Why something is believed, in words. */
function proof(evidence) {
  if (!evidence) return { tag: null, why: "" };
  if (typeof evidence === "string") return { tag: evidence.split(":")[0], why: evidence.split(":").slice(1).join(":").trim() };
  const sure = evidence.origin === "inferred" ? `guess ${percent(evidence.confidence)}` : evidence.origin;
  return { tag: sure, why: (evidence.reasons ?? []).join("; "), guess: evidence.origin === "inferred" };
}

function proofTag(evidence) {
  const { tag, guess } = proof(evidence);
  return tag ? h("span", { class: `tag ${guess ? "warn" : ""}` }, tag) : null;
}

const isGuess = (link) => proof(link.evidence ?? { origin: link.origin }).guess;

function graph(shown, chosen) {
  const placed = layout(shown.tables.map((t) => t.name), shown.links.filter((link) => !link.gone));
  const kept = new Map(shown.tables.map((t) => [t.name, t]));
  const lit = (link) => link.child === chosen || link.parent === chosen;
  const dress = (link) => `${isGuess(link) ? " guess" : ""}${link.fresh ? " new" : lit(link) ? " lit" : ""}`;
  const fits = (text, size) => (text.length > size ? `${text.slice(0, size - 1)}…` : text);
  const drawing = s(
    "svg",
    { width: placed.width, height: placed.height, viewBox: `0 0 ${placed.width} ${placed.height}`, role: "group", "aria-label": "Tables and links" },
    placed.lines.map(({ link, path, tip }) =>
      s("g", {}, s("title", {}, `${arrow(link)} (${proof(link.evidence).tag ?? ""})`), s("path", { d: path, class: `edge${dress(link)}` }), s("polygon", { points: tip, class: `tip${dress(link)}` })),
    ),
    [...placed.boxes].map(([name, { x, y }]) => {
      const t = kept.get(name);
      const time = t.left ? "left out" : t.time ? `◷ ${t.time}` : "no time of its own";
      return s(
        "a",
        { href: `#/schema/${encodeURIComponent(name)}`, "aria-current": name === chosen ? "true" : null, class: t.left ? "ignored" : null, "aria-label": `${name}, ${some(t.rows, "row")}, ${t.left ? "left out" : t.time ? `time ${t.time}` : "no time of its own"}` },
        s("title", {}, name),
        s("rect", { x, y, width: WIDE, height: TALL, rx: 9, class: "box" }),
        s("text", { x: x + 12, y: y + 23, class: "title" }, fits(name, 18)),
        s("text", { x: x + 12, y: y + 43, class: "under" }, fits(time, 19)),
        s("text", { x: x + WIDE - 10, y: y + 43, class: "under", "text-anchor": "end" }, short(t.rows)),
      );
    }),
  );
  return h("div", { class: "graph", tabindex: "0", role: "region", "aria-label": "Drawing of the schema" }, drawing);
}

const short = (n) => (n === null || n === undefined ? "" : n >= 1e6 ? `${(n / 1e6).toFixed(1)}M` : n >= 1e4 ? `${Math.round(n / 1e3)}k` : count(n));

const legend = () =>
  h(
    "p",
    { class: "legend" },
    h("span", {}, h("i", {}), "declared, or told by you"),
    h("span", {}, h("i", { class: "guess" }), "a guess, from names and values"),
    h("span", {}, "An arrow leads from a row to the row that it belongs to. Choose a table to look closer."),
  );

/** Bring the table that is chosen into the drawing's part that is seen. */
function centre(drawn) {
  const box = drawn.querySelector("a[aria-current] rect");
  if (!box) return;
  drawn.scrollTo(Number(box.getAttribute("x")) - (drawn.clientWidth - WIDE) / 2, Number(box.getAttribute("y")) - (drawn.clientHeight - TALL) / 2);
}

function toLookAt(notes) {
  const list = (some_) => h("ul", { class: "bullets" }, some_.map((note) => h("li", {}, note)));
  return section("To look at", list(notes.slice(0, 8)), notes.length > 8 ? h("details", {}, h("summary", {}, `${count(notes.length - 8)} more`), list(notes.slice(8))) : null);
}

function overview(shown) {
  return table(
    "Tables",
    [
      { title: "Table", head: true, cell: (t) => h("a", { href: `#/schema/${encodeURIComponent(t.name)}` }, t.name) },
      { title: "Rows", right: true, cell: (t) => count(t.rows) },
      { title: "Key", cell: (t) => t.key.join(", ") || h("span", { class: "quiet" }, "none") },
      {
        title: "Time of a row",
        cell: (t) => (t.time ? [t.time, " ", t.changed ? null : proofTag(t.time_evidence ?? t.evidence?.time)] : h("span", { class: "quiet" }, "none of its own")),
      },
      { title: "Belongs to", cell: (t) => [...new Set(shown.links.filter((l) => l.child === t.name && !l.gone).map((l) => l.parent))].join(", ") || h("span", { class: "quiet" }, "nothing") },
      { title: "", cell: (t) => (t.left ? h("span", { class: "tag" }, "left out") : t.changed ? h("span", { class: "tag accent" }, "changed") : null) },
    ],
    shown.tables,
  );
}

function columnsOf(t) {
  return table(
    `Columns of ${t.name}`,
    [
      { title: "Column", head: true, cell: (c) => c.name },
      { title: "Holds", cell: (c) => [c.semantic, " ", h("span", { class: "quiet small" }, c.dtype)] },
      { title: "Different", right: true, cell: (c) => count(c.distinct) },
      { title: "Missing", right: true, cell: (c) => (c.null_fraction ? percent(c.null_fraction, c.null_fraction < 0.1 ? 1 : 0) : "–") },
    ],
    t.columns,
    { row: (c) => ({ class: c.ignored ? "ignored" : null }) },
  );
}

function inspector(shown, t, redraw) {
  const can = held.can_correct !== false;
  const original = held.tables.find((each) => each.name === t.name);
  const id = (what) => `${what}-of-table`;
  const change = (key, value, before) => {
    put(t.name, key, value, before);
    redraw(id(key));
  };
  const TIMES = new Set(["timestamp", "date", "datetime"]);
  const times = t.columns.filter((c) => TIMES.has(c.dtype) || c.semantic === "time" || c.name === t.time);
  const others = t.columns.filter((c) => !times.includes(c));
  const key = t.key.join(", ");
  const time = h(
    "select",
    { id: id("time"), disabled: !can, onchange: (e) => change("time", e.target.value, original.time_column ?? "") },
    h("option", { value: "", selected: !t.time }, "none of its own"),
    times.map((c) => h("option", { value: c.name, selected: c.name === t.time }, c.name)),
    others.length ? h("optgroup", { label: "not read as a time" }, others.map((c) => h("option", { value: c.name }, c.name))) : null,
  );
  const keys = h(
    "select",
    { id: id("primary_key"), disabled: !can, onchange: (e) => change("primary_key", e.target.value === "" ? [] : JSON.parse(e.target.value), original.primary_key ?? []) },
    h("option", { value: "", selected: !key }, "none"),
    t.key.length > 1 ? h("option", { value: JSON.stringify(t.key), selected: true }, key) : null,
    (original.primary_key ?? []).length > 1 && !same(original.primary_key, t.key) ? h("option", { value: JSON.stringify(original.primary_key) }, original.primary_key.join(", ")) : null,
    t.columns.map((c) => h("option", { value: JSON.stringify([c.name]), selected: t.key.length === 1 && t.key[0] === c.name }, c.name)),
  );
  const keyProof = original.key_evidence ?? original.evidence?.primary_key;
  const timeProof = original.time_evidence ?? original.evidence?.time;
  const why = (evidence) => {
    const { tag, why: text } = proof(evidence);
    return tag ? h("span", { class: "hint" }, proofTag(evidence), text ? ` ${text}` : null) : null;
  };
  return h(
    "section",
    { class: "card", "aria-labelledby": "chosen-table", id: "inspector" },
    h("div", { class: "head" }, h("h2", { id: "chosen-table", tabindex: "-1" }, t.name), h("a", { href: "#/schema", class: "small" }, "Close")),
    h("p", { class: "quiet" }, `${some(t.rows, "row")}, ${some(t.columns.length, "column")}`),
    h("div", { class: "field" }, h("label", { for: id("time") }, "Time of a row: when it came to be known"), time, original.time_column && t.time === original.time_column ? why(timeProof) : null),
    h("div", { class: "field" }, h("label", { for: id("primary_key") }, "Key: what names a row"), keys, same(t.key, original.primary_key ?? []) && t.key.length ? why(keyProof) : null),
    h(
      "p",
      {},
      h("label", {}, h("input", { type: "checkbox", id: id("ignore"), checked: t.left, disabled: !can, onchange: (e) => change("ignore", e.target.checked, Boolean(original.ignored)) }), "Leave this table out"),
    ),
    h("h3", {}, "Links"),
    linksOf(shown, t, can, redraw),
    can ? adder(shown, t, redraw) : null,
    h("h3", {}, "Columns"),
    columnsOf(t),
  );
}

function linksOf(shown, t, can, redraw) {
  const own = shown.links.filter((link) => link.child === t.name || link.parent === t.name);
  if (!own.length) return h("p", { class: "quiet" }, "No link leads from or to this table, so it can say nothing about others.");
  const toggle = (link) => {
    const { child, parent } = ends(link);
    const before = draft.links.length;
    draft.links = draft.links.filter((d) => !sameLink(d, { child, parent }));
    if (draft.links.length === before) draft.links.push({ child, parent, ignore: true });
    say(`${arrow(link)}: ${link.gone ? "kept" : "taken away"}`);
    redraw("chosen-table");
  };
  return h(
    "ul",
    { class: "links" },
    own.map((link) => {
      const { why } = proof(link.evidence ?? { origin: link.origin });
      return h(
        "li",
        {},
        h("span", { class: `what${link.gone ? " gone" : ""}` }, arrow(link)),
        h("span", {}, link.fresh ? h("span", { class: "tag good" }, "new") : proofTag(link.evidence ?? { origin: link.origin }), " ",
          can ? h("button", { type: "button", class: "small", onclick: () => toggle(link), "aria-label": `${link.gone ? "Keep" : "Take away"} the link ${arrow(link)}` }, link.gone ? "Keep" : "Take away") : null),
        why || link.coverage !== undefined
          ? h("span", { class: "quiet small" }, [why, typeof link.coverage === "number" ? `${percent(link.coverage, 1)} of rows find theirs` : ""].filter(Boolean).join("; "))
          : null,
      );
    }),
  );
}

function adder(shown, t, redraw) {
  const parents = shown.tables.filter((each) => each.key.length === 1);
  const from = h("select", { id: "link-from" }, t.columns.map((c) => h("option", { value: c.name }, c.name)));
  const to = h("select", { id: "link-to" }, parents.map((p) => h("option", { value: p.name }, `${p.name}.${p.key[0]}`)));
  const guess = () => {
    const column = from.value.toLowerCase();
    const found = parents.find((p) => p.name !== t.name && (p.key[0].toLowerCase() === column || column.startsWith(p.name.toLowerCase().replace(/s$/, ""))));
    if (found) to.value = found.name;
  };
  from.addEventListener("change", guess);
  const linked = new Set(shown.links.filter((l) => l.child === t.name && !l.gone).flatMap((l) => l.child_columns));
  const open = t.columns.find((c) => !linked.has(c.name) && !t.key.includes(c.name) && parents.some((p) => p.name !== t.name && p.key[0].toLowerCase() === c.name.toLowerCase()));
  if (open) from.value = open.name;
  guess();
  const add = (event) => {
    event.preventDefault();
    const parent = parents.find((p) => p.name === to.value);
    if (!parent) return;
    const shape = { name: `${t.name}.${from.value}`, child: t.name, child_columns: [from.value], parent: parent.name, parent_columns: [...parent.key] };
    const { child, parent: target } = ends(shape);
    draft.links = draft.links.filter((d) => !sameLink(d, { child, parent: target }));
    const there = held.links.some((link) => sameLink(ends(link), { child, parent: target }));
    if (!there) draft.links.push({ child, parent: target, shape });
    say(`Link ${arrow(shape)} added`);
    redraw("chosen-table");
  };
  if (!parents.length) return null;
  return h(
    "details",
    {},
    h("summary", {}, "Add a link"),
    h(
      "form",
      { class: "row", onsubmit: add },
      h("div", { class: "field wide" }, h("label", { for: "link-from" }, `Column of ${t.name}`), from),
      h("div", { class: "field wide" }, h("label", { for: "link-to" }, "points at the key"), to),
      h("button", { type: "submit" }, "Add the link"),
    ),
  );
}

function unsaved(redraw) {
  const told = changes();
  if (!told.length) return null;
  const wrong = h("div", {});
  const save = async (event) => {
    const button = event.currentTarget;
    button.disabled = true;
    show(button, "Saving …");
    try {
      held = await call("PUT", "/api/schema", {
        tables: Object.fromEntries(draft.tables),
        links: draft.links.map(({ child, parent, ignore }) => (ignore ? { child, parent, ignore } : { child, parent })),
      });
      draft = { tables: new Map(), links: [] };
      toast("Saved. The schema is settled anew.");
      redraw("schema-title");
    } catch (told) {
      button.disabled = false;
      show(button, "Save");
      if (told.status !== 401) show(wrong, fault(told));
    }
  };
  return h(
    "section",
    { class: "changes", "aria-labelledby": "unsaved" },
    h("h2", { id: "unsaved" }, `${some(told.length, "correction")} not saved yet`),
    h("ul", {}, told.map((each) => h("li", {}, each))),
    wrong,
    h(
      "p",
      { class: "actions" },
      h("button", { type: "button", class: "primary", onclick: save }, "Save"),
      h("button", { type: "button", onclick: () => { draft = { tables: new Map(), links: [] }; say("Corrections dropped"); redraw("schema-title"); } }, "Drop them"),
      h("span", { class: "hint" }, "Kept in ", h("code", {}, "foretell.toml"), ", which every command reads."),
    ),
  );
}

export const schema = {
  needs: "database",
  async open(place, { path, left, anew }) {
    if (anew) held = null;
    await settledSchema(left);
    const redraw = (focus) => {
      const shown = drafted();
      const chosen = shown.tables.find((t) => t.name === path[0]);
      const graphBefore = place.querySelector(".graph");
      const at = graphBefore ? [graphBefore.scrollLeft, graphBefore.scrollTop] : null;
      const guesses = held.links.filter(isGuess).length;
      const notes = held.notes ?? [];
      show(
        place,
        h(
          "div",
          { class: "head" },
          h("h1", { id: "schema-title", tabindex: "-1" }, "Schema"),
          h("p", {}, `${some(held.tables.length, "table")}, ${some(held.links.length, "link")}${guesses ? `, ${some(guesses, "of them a guess", "of them guesses")}` : ""}. Everything rests on the time of a row: when it came to be known. Look at it first.`),
        ),
        held.tables.length ? null : empty("The database has no tables."),
        path[0] && !chosen ? h("p", { class: "note warn" }, `There is no table ${path[0]}.`) : null,
        h(
          "div",
          { class: chosen ? "columns side" : "columns" },
          h("div", {}, held.tables.length ? graph(shown, chosen?.name) : null, legend()),
          chosen ? inspector(shown, chosen, redraw) : null,
        ),
        notes.length ? toLookAt(notes) : null,
        held.tables.length ? section("All tables", overview(shown)) : null,
        unsaved(redraw),
      );
      const drawn = place.querySelector(".graph");
      if (at && drawn) drawn.scrollTo(...at);
      else if (drawn) requestAnimationFrame(() => centre(drawn));
      if (focus) document.getElementById(focus)?.focus({ preventScroll: false });
    };
    redraw();
    if (path[0] && !anew) {
      queueMicrotask(() => {
        const panel = document.getElementById("chosen-table");
        panel?.focus({ preventScroll: window.innerWidth > 960 });
      });
    }
    return path[0] ? `${path[0]} in the schema` : "Schema";
  },
};

