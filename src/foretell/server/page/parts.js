// Small parts that several views are made of.

import { fresh, h, s, say, show } from "./dom.js";
import { count, number } from "./format.js";

/** Something is on its way. */
export function loading(what = "Loading") {
  return h("p", { class: "loading" }, h("span", { class: "spinner", "aria-hidden": "true" }), h("span", {}, `${what} …`));
}

/** A fault: what was found, and how to mend it. */
export function fault(told, { again } = {}) {
  return h(
    "div",
    { class: "note bad", role: "alert" },
    h("p", { class: "strong" }, sentence(told.message || String(told))),
    told.mend ? h("p", {}, sentence(told.mend)) : null,
    told.examples?.length ? h("ul", {}, told.examples.map((each) => h("li", {}, h("code", {}, each)))) : null,
    again ? h("p", {}, h("button", { type: "button", onclick: again }, "Try again")) : null,
  );
}

export function sentence(text) {
  const held = String(text);
  const first = /^[a-z]+(?=[ ,:;.]|$)/.test(held) ? held.charAt(0).toUpperCase() + held.slice(1) : held;
  return /[.!?…:]$/.test(first) ? first : `${first}.`;
}

/** Nothing is here yet, and what to do about it. */
export function empty(title, ...children) {
  return h("div", { class: "empty" }, h("p", { class: "strong" }, title), children);
}

/** A part of a view with its heading. */
export function section(title, ...children) {
  const id = fresh("part");
  return h("section", { "aria-labelledby": id, class: "part" }, h("h2", { id }, title), children);
}

/**
 * A table. `columns` are {title, cell(row), right?, head?}; a cell gives text or an element.
 * Wide ones scroll within themselves, and by keyboard.
 */
export function table(caption, columns, rows, { shown = false, row: dress } = {}) {
  return h(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    h(
      "table",
      {},
      h("caption", { class: shown ? null : "unseen" }, caption),
      h("thead", {}, h("tr", {}, columns.map((c) => h("th", { scope: "col", class: c.right ? "right" : null }, c.title)))),
      h(
        "tbody",
        {},
        rows.map((row, at) =>
          h(
            "tr",
            dress ? dress(row, at) : {},
            columns.map((c) => h(c.head ? "th" : "td", { scope: c.head ? "row" : null, class: c.right ? "right" : c.wrap ? "wrap" : null }, c.cell(row, at))),
          ),
        ),
      ),
    ),
  );
}

/** A list of rows by pages: `draw(rows)` gives the element of one page, `fetch(at, size)` gives {rows, total}. */
export function paged(draw, fetch, size = 25) {
  const place = h("div", { class: "paged" });
  let at = 0;
  const turn = async (to) => {
    at = Math.max(0, to);
    place.setAttribute("aria-busy", "true");
    try {
      const { rows, total } = await fetch(at, size);
      const last = Math.min(at + size, total);
      const controls =
        total > size
          ? h(
              "div",
              { class: "pager" },
              h("button", { type: "button", disabled: at === 0, onclick: () => turn(at - size) }, "Earlier"),
              h("span", { class: "quiet" }, `${count(at + 1)} to ${count(last)} of ${count(total)}`),
              h("button", { type: "button", disabled: last >= total, onclick: () => turn(at + size) }, "Further"),
            )
          : null;
      show(place, draw(rows), controls);
      if (at > 0) say(`${at + 1} to ${last} of ${total}`);
    } catch (told) {
      if (told.name !== "AbortError") show(place, fault(told, { again: () => turn(at) }));
    }
    place.removeAttribute("aria-busy");
  };
  turn(0);
  return place;
}

/** A question before something is done; gives what was entered, or null. */
export function confirm(title, { text, fields = [], yes = "Yes", danger = false } = {}) {
  return new Promise((resolve) => {
    const id = fresh("dialog");
    const inputs = fields.map((field) => ({
      ...field,
      id: fresh("field"),
    }));
    const form = h(
      "form",
      { method: "dialog" },
      h("h2", { id }, title),
      text ? h("p", {}, text) : null,
      inputs.map((field) =>
        h(
          "p",
          { class: "field" },
          h("label", { for: field.id }, field.label),
          h("input", { id: field.id, name: field.name, value: field.value ?? "", required: field.required ?? false, pattern: field.pattern, maxlength: field.most ?? 200, autocomplete: "off", spellcheck: "false" }),
          field.hint ? h("span", { class: "hint" }, field.hint) : null,
        ),
      ),
      h(
        "p",
        { class: "actions" },
        h("button", { type: "submit", value: "yes", class: danger ? "primary danger" : "primary" }, yes),
        h("button", { type: "submit", value: "no", formnovalidate: true }, "Leave it"),
      ),
    );
    const dialog = h("dialog", { "aria-labelledby": id }, form);
    document.body.append(dialog);
    dialog.addEventListener("close", () => {
      const held = dialog.returnValue === "yes" ? Object.fromEntries(new FormData(form)) : null;
      dialog.remove();
      resolve(held);
    });
    dialog.showModal();
  });
}

/** A short word that something was done. */
export function toast(text, link) {
  const place = document.getElementById("toasts");
  const note = h("p", { class: "toast" }, text, link ? [" ", h("a", { href: link.href }, link.text)] : null);
  place.append(note);
  say(text);
  setTimeout(() => note.remove(), 7000);
}

/** Copies a text, and says so. */
export function copier(text, label = "Copy") {
  const button = h("button", { type: "button", class: "small" }, label);
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      show(button, "Copied");
      say("Copied");
    } catch {
      show(button, "Select it and copy by hand");
    }
    setTimeout(() => show(button, label), 2500);
  });
  return button;
}

/** A share of a whole as a bar beside its number. */
export function bar(share, text) {
  const width = Math.max(0, Math.min(1, share || 0));
  return h(
    "span",
    { class: "share" },
    h("span", { class: "track", "aria-hidden": "true" }, h("span", { class: "fill", style: { width: `${100 * width}%` } })),
    h("span", { class: "figure" }, text),
  );
}

/** A value with its interval, on a line from `low` to `high`; the numbers stand beside it. */
export function whisker(score, low, high, { strong = false, zero = null } = {}) {
  const wide = 220;
  const x = (v) => 6 + ((wide - 12) * (v - low)) / (high - low || 1);
  const held = (v) => Math.max(6, Math.min(wide - 6, x(v)));
  return s(
    "svg",
    { viewBox: `0 0 ${wide} 18`, class: `whisker${strong ? " strong" : ""}`, "aria-hidden": "true", focusable: "false" },
    s("line", { x1: 6, x2: wide - 6, y1: 9, y2: 9, class: "axis" }),
    zero !== null ? s("line", { x1: held(zero), x2: held(zero), y1: 2, y2: 16, class: "zero" }) : null,
    score.low !== null && score.low !== undefined
      ? s("line", { x1: held(score.low), x2: held(score.high), y1: 9, y2: 9, class: "range" })
      : null,
    s("circle", { cx: held(score.value), cy: 9, r: strong ? 4.5 : 3.5, class: "point" }),
  );
}

/** A line of figures over time. What follows `split` (0..1) is drawn as the later part. */
export function sparkline(points, { label, wide = 260, tall = 56, split = null, base = null, ends = true } = {}) {
  const held = points.filter((p) => p[1] !== null && p[1] !== undefined && Number.isFinite(p[1]));
  if (held.length < 2) return h("p", { class: "quiet small" }, "too few periods to draw");
  const values = held.map((p) => p[1]);
  if (base !== null) values.push(base);
  const low = Math.min(...values);
  const high = Math.max(...values);
  const x = (i) => 4 + ((wide - 8) * i) / (held.length - 1);
  const y = (v) => (high === low ? tall / 2 : 5 + (tall - 10) * (1 - (v - low) / (high - low)));
  const line = (from, to) => held.slice(from, to).map((p, i) => `${(x(from + i)).toFixed(1)},${y(p[1]).toFixed(1)}`).join(" ");
  const cut = split === null ? held.length : Math.max(1, Math.round(split * held.length));
  const last = held[held.length - 1];
  const range = `from ${number(Math.min(...held.map((p) => p[1])))} to ${number(Math.max(...held.map((p) => p[1])))}`;
  return s(
    "svg",
    { viewBox: `0 0 ${wide} ${tall}`, class: "spark", role: "img", "aria-label": `${label ?? "over time"}: ${range}, last ${number(last[1])}` },
    base !== null ? s("line", { x1: 4, x2: wide - 4, y1: y(base), y2: y(base), class: "base" }) : null,
    cut < held.length ? s("line", { x1: x(cut - 0.5), x2: x(cut - 0.5), y1: 1, y2: tall - 1, class: "cut" }) : null,
    cut > 1 ? s("polyline", { points: line(0, cut), class: "early" }) : null,
    cut < held.length ? s("polyline", { points: line(Math.max(0, cut - 1)), class: "late" }) : null,
    ends ? s("circle", { cx: x(held.length - 1), cy: y(last[1]), r: 3, class: "end" }) : null,
  );
}

/** Plots that the server draws: both themes, the browser chooses. */
export function plots(list, root) {
  if (!list.length) return null;
  return h(
    "div",
    { class: "plots" },
    list.map((plot) =>
      h(
        "figure",
        {},
        h("figcaption", {}, plot.title || plot.name),
        h(
          "picture",
          {},
          h("source", { media: "(prefers-color-scheme: dark)", srcset: `${root}/${encodeURIComponent(plot.name)}.svg?theme=dark` }),
          h("img", { src: `${root}/${encodeURIComponent(plot.name)}.svg?theme=light`, alt: plot.alt || plot.title || plot.name, loading: "lazy" }),
        ),
      ),
    ),
  );
}

/** A statement of SQL, folded away, to copy. */
export function sql(text, summary = "The SQL that gives it") {
  return h("details", { class: "sql" }, h("summary", {}, summary), h("div", { class: "code" }, copier(text), h("pre", { tabindex: "0", "aria-label": "SQL" }, h("code", {}, text))));
}

/** Facts as a list of terms. */
export function facts(pairs) {
  return h("dl", { class: "facts" }, pairs.filter((p) => p && p[1] !== null && p[1] !== undefined && p[1] !== "").map(([term, told]) => h("div", {}, h("dt", {}, term), h("dd", {}, told))));
}
