// The query editor: a text area over a coloured mirror of its text, with completion and the fault underlined.

import { post } from "./api.js";
import { fresh, h, say, settled, show } from "./dom.js";

const WORDS = new Set(
  ("PREDICT FOR EACH WHERE ASSUMING AS OF EVERY RETURN FORECAST TIMEFRAMES RANK TOP CLASSIFY EXPLAIN CHECK BACKTEST IN IS NOT NULL " +
    "AND OR EXISTS CASE WHEN THEN ELSE END BETWEEN LIKE CONTAINS STARTS ENDS WITH VIA TRUE FALSE INF DISTINCT PROBABILITY CLASS " +
    "QUANTILES INTERVAL").split(" "),
);
const TOKEN = /(--[^\n]*|#[^\n]*|\/\*[\s\S]*?(?:\*\/|$))|('(?:[^']|'')*'?)|("(?:[^"]|"")*"?|`[^`]*`?)|([\p{L}_][\p{L}\p{N}_$]*)(\s*\()?/gu;

/** [start, end, class] of what is coloured. */
function tokens(text) {
  const found = [];
  for (const match of text.matchAll(TOKEN)) {
    const [, remark, string, , name, opens] = match;
    const end = match.index + match[0].length;
    if (remark) found.push([match.index, end, "remark"]);
    else if (string) found.push([match.index, end, "text"]);
    else if (name) {
      const upper = name.toUpperCase();
      const after = match.index + name.length;
      if (WORDS.has(upper) && text[match.index - 1] !== ".") found.push([match.index, after, "word"]);
      else if (opens) found.push([match.index, after, "call"]);
    }
  }
  return found;
}

/** The server counts characters, JavaScript counts halves of some. */
const toUnits = (text, points) => Array.from(text).slice(0, points).join("").length;
const toPoints = (text, units) => Array.from(text.slice(0, units)).length;

/**
 * An editor. `changed(text)` is called at each change, `run()` by Ctrl+Enter.
 * Gives {element, area, text(), set(text), mark(fault), clear()}.
 */
export function editor({ label, describedBy, value = "", placeholder = "", changed = () => {}, closed = () => {}, run = () => {} }) {
  const listId = fresh("suggestions");
  const areaId = fresh("query");
  const mirror = h("pre", { class: "mirror", "aria-hidden": "true" });
  const list = h("ul", { class: "suggestions", role: "listbox", id: listId, "aria-label": "Completions", hidden: true });
  const area = h("textarea", {
    id: areaId, rows: 4, spellcheck: "false", autocapitalize: "off", autocomplete: "off", placeholder,
    "aria-autocomplete": "list", "aria-haspopup": "listbox", "aria-controls": listId, "aria-describedby": describedBy,
  });
  area.value = value;
  const element = h("div", { class: "editor" }, mirror, area, list);
  let marked = null;
  let offered = [];
  let active = -1;
  let asked = null;

  const draw = () => {
    const text = area.value;
    const cuts = tokens(text);
    const bounds = new Set([0, text.length]);
    for (const [from, to] of cuts) bounds.add(from).add(to);
    if (marked) bounds.add(Math.min(marked.start, text.length)).add(Math.min(marked.end, text.length));
    const edges = [...bounds].sort((a, b) => a - b);
    const pieces = [];
    for (let i = 0; i + 1 < edges.length; i += 1) {
      const [from, to] = [edges[i], edges[i + 1]];
      const kind = cuts.find((c) => c[0] <= from && to <= c[1])?.[2] ?? "";
      const wrong = marked && marked.start <= from && to <= marked.end;
      const classes = [kind, wrong ? "fault" : ""].filter(Boolean).join(" ");
      pieces.push(classes ? h("span", { class: classes }, text.slice(from, to)) : text.slice(from, to));
    }
    if (marked && marked.start >= text.length) pieces.push(h("span", { class: "fault end" }, "\u00a0"));
    show(mirror, pieces, "\n\u200b");
  };

  const close = () => {
    const open = !list.hidden;
    offered = [];
    active = -1;
    list.hidden = true;
    area.removeAttribute("aria-activedescendant");
    asked?.abort();
    if (open) closed();
  };

  const point = (to) => {
    active = to;
    [...list.children].forEach((item, i) => item.setAttribute("aria-selected", String(i === active)));
    if (active >= 0) {
      area.setAttribute("aria-activedescendant", list.children[active].id);
      list.children[active].scrollIntoView({ block: "nearest" });
    } else area.removeAttribute("aria-activedescendant");
  };

  const take = (at) => {
    const chosen = offered[at];
    if (!chosen) return;
    const text = area.value;
    area.focus();
    area.setSelectionRange(toUnits(text, chosen.start), toUnits(text, chosen.end));
    // This way the browser can undo it.
    if (!document.execCommand("insertText", false, chosen.text))
      area.setRangeText(chosen.text, area.selectionStart, area.selectionEnd, "end");
    close();
    draw();
    changed(area.value);
    if (/[.(]$/.test(chosen.text)) suggest(false);
  };

  const put = () => {
    const at = area.selectionStart;
    const walker = document.createTreeWalker(mirror, NodeFilter.SHOW_TEXT);
    let left = at;
    let node = walker.nextNode();
    while (node && left > node.length) {
      left -= node.length;
      node = walker.nextNode();
    }
    if (!node) return;
    const range = document.createRange();
    range.setStart(node, left);
    range.collapse(true);
    let box = range.getBoundingClientRect();
    if (!box.height) {
      range.setEnd(node, Math.min(node.length, left + 1));
      box = range.getBoundingClientRect();
    }
    const frame = element.getBoundingClientRect();
    list.style.left = "0px"; // its width is what it is where there is room
    list.style.top = `${box.bottom - frame.top + 4}px`;
    list.style.left = `${Math.max(0, Math.min(box.left - frame.left - 12, frame.width - list.offsetWidth))}px`;
  };

  new ResizeObserver(() => list.hidden || put()).observe(element);

  const suggest = async (called) => {
    asked?.abort();
    asked = new AbortController();
    const text = area.value;
    const at = area.selectionStart;
    if (at !== area.selectionEnd) return;
    let told;
    try {
      told = await post("/api/query/complete", { query: text, position: toPoints(text, at) }, { signal: asked.signal });
    } catch {
      return;
    }
    if (area.value !== text || area.selectionStart !== at || document.activeElement !== area) return;
    offered = (told.suggestions ?? []).slice(0, 40);
    const typed = offered.length ? text.slice(toUnits(text, offered[0].start), at) : "";
    if (!offered.length || (!called && offered.length === 1 && offered[0].text.toLowerCase() === typed.toLowerCase())) {
      close();
      if (called) say("No completion here");
      return;
    }
    show(
      list,
      offered.map((each, i) =>
        h(
          "li",
          { role: "option", id: `${listId}-${i}`, "aria-selected": "false", onmousedown: (e) => { e.preventDefault(); take(i); } },
          h("span", {}, each.text),
          h("span", {}, [each.kind, each.detail].filter(Boolean).join(" · ")),
        ),
      ),
    );
    list.hidden = false;
    list.scrollTop = 0;
    put();
    // With nothing typed yet, Enter and Tab keep their own meaning until something is pointed at.
    point(typed || called ? 0 : -1);
    say(`${offered.length} ${offered.length === 1 ? "completion" : "completions"}; arrows choose, Enter takes`);
  };
  const soon = settled(() => suggest(false), 90);

  area.addEventListener("input", (event) => {
    marked = null;
    area.removeAttribute("aria-invalid");
    draw();
    changed(area.value);
    const before = area.value[area.selectionStart - 1];
    if (event.inputType === "insertFromPaste" || before === undefined || before === "\n" || /[);\d]/.test(before)) {
      soon.cancel();
      close();
    } else soon();
  });
  area.addEventListener("blur", () => {
    soon.cancel();
    close();
  });
  area.addEventListener("click", close);
  area.addEventListener("keydown", (event) => {
    const open = !list.hidden;
    if ((event.ctrlKey || event.metaKey) && event.key === "Enter") {
      event.preventDefault();
      close();
      run();
    } else if (event.ctrlKey && event.key === " ") {
      event.preventDefault();
      suggest(true);
    } else if (open && event.key === "ArrowDown") {
      event.preventDefault();
      point((active + 1) % offered.length);
    } else if (open && event.key === "ArrowUp") {
      event.preventDefault();
      point((active - 1 + offered.length) % offered.length);
    } else if (open && active >= 0 && (event.key === "Enter" || event.key === "Tab") && !event.shiftKey) {
      event.preventDefault();
      take(active);
    } else if (open && event.key === "Escape") {
      event.preventDefault();
      close();
    } else if (open && ["ArrowLeft", "ArrowRight", "Home", "End"].includes(event.key)) {
      close();
    }
  });

  draw();
  return {
    element,
    area,
    label: h("label", { for: areaId }, label),
    text: () => area.value,
    completing: () => !list.hidden,
    set(text) {
      area.value = text;
      marked = null;
      close();
      draw();
      changed(text);
    },
    mark(fault) {
      const text = area.value;
      if (fault.start === undefined || fault.start === null) marked = null;
      else {
        const start = toUnits(text, fault.start);
        const end = Math.max(toUnits(text, fault.end ?? fault.start), start);
        // A fault of no width still needs a place to be seen.
        marked = end > start ? { start, end } : start >= text.length ? { start, end: start } : { start, end: start + 1 };
      }
      area.setAttribute("aria-invalid", "true");
      draw();
      return marked;
    },
    clear() {
      marked = null;
      area.removeAttribute("aria-invalid");
      draw();
    },
  };
}

/** The line of a fault with carets under it, as the command line shows it. */
export function marker(text, marked) {
  if (!marked) return "";
  const from = text.lastIndexOf("\n", Math.max(0, marked.start - 1)) + 1;
  const until = text.indexOf("\n", marked.start);
  const line = text.slice(from, until < 0 ? undefined : until);
  const at = marked.start - from;
  const wide = Math.max(1, Math.min(marked.end, from + line.length) - marked.start);
  const begin = Math.max(0, at - 30);
  const cut = line.slice(begin, begin + 64);
  return `${begin ? "…" : ""}${cut}\n${" ".repeat(at - begin + (begin ? 1 : 0))}${"^".repeat(Math.min(wide, 64))}`;
}
