// The page's frame: which view an address leads to, the state of the database, and what is amiss.

import { get } from "./api.js";
import { h, say, show } from "./dom.js";
import { ask } from "./ask.js";
import { jobs } from "./jobs.js";
import { models } from "./models.js";
import { patterns } from "./patterns.js";
import { schema } from "./schema.js";
import { fault as faultNote, loading } from "./parts.js";

const VIEWS = { schema, ask, models, patterns, jobs };
const main = document.getElementById("main");
const opening = document.getElementById("opening");
const state = { about: null, leave: null, view: "", locked: false };

/** `#/models/churn/grades?page=2` as {view, path, given}. */
function address() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [view, ...rest] = path.split("/").map((each) => {
    try {
      return decodeURIComponent(each);
    } catch {
      return each;
    }
  });
  return { view: view || "ask", path: rest.filter((each) => each !== ""), given: new URLSearchParams(query) };
}

async function go() {
  if (state.locked) return;
  const { view, path, given } = address();
  const render = VIEWS[view];
  state.leave?.abort();
  const leave = new AbortController();
  state.leave = leave;
  for (const link of document.querySelectorAll("#views a")) {
    const here = link.getAttribute("href") === `#/${view}`;
    if (here) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const moved = state.view !== "" && state.view !== view;
  const anew = state.view !== view;
  state.view = view;
  if (!render) {
    show(main, h("h1", {}, "There is no such view"), h("p", {}, "Choose one above."));
    document.title = "foretell";
    return;
  }
  if (render.needs === "database" && state.about?.database?.state !== "ready") {
    waiting();
    return;
  }
  if (!anew && render.stays?.({ path, given, left: leave.signal })) return;
  if (anew) show(main, loading());
  const place = h("div", { class: `view view-${view}` });
  try {
    const title = await render.open(place, { path, given, left: leave.signal, about: state.about, anew });
    if (leave.signal.aborted) return;
    document.title = `${title} · foretell`;
    if (main.firstElementChild !== place && place.childNodes.length) show(main, place);
    if (moved) {
      window.scrollTo(0, 0);
      main.focus({ preventScroll: true });
      say(title);
    }
  } catch (fault) {
    if (leave.signal.aborted || fault.name === "AbortError" || fault.status === 401) return;
    show(main, h("h1", {}, "This cannot be shown"), faultNote(fault, { again: fault.status === 404 ? undefined : go }));
  }
}

function waiting() {
  const database = state.about?.database;
  if (database?.state === "failed") {
    show(main, h("h1", {}, "The database could not be opened"), faultNote(failure(database)));
  } else if (database?.state === "none" || !database) {
    show(
      main,
      h("h1", {}, "No database is open"),
      h("p", {}, "Start the server with one: ", h("code", {}, "foretell serve shop.duckdb"), "."),
    );
  } else {
    show(main, h("h1", { class: "quiet" }, "Opening the database"), loading(database.stage || "reading"));
  }
  document.title = "foretell";
}

function failure(database) {
  const told = database.error;
  if (told && typeof told === "object") return told;
  return { message: told || "It failed for a reason that is not known.", mend: "" };
}

/** What the head of the page says about the database; again while it opens. */
async function about() {
  if (state.locked) return;
  let next = 15000;
  try {
    const before = state.about?.database?.state;
    state.about = await get("/api/about");
    const database = state.about.database ?? {};
    const place = document.getElementById("database");
    const STATES = { opening: "opening", ready: "open", failed: "failed", none: "no database" };
    show(
      place,
      h("span", { class: `dot ${database.state}` }),
      h("span", { class: "unseen" }, "Database: "),
      h("span", { class: "name" }, database.name || "no database"),
      database.state === "ready" ? h("span", { class: "unseen" }, " (open)") : h("span", { class: "quiet" }, ` ${STATES[database.state] ?? ""}`),
    );
    opening.hidden = database.state !== "failed" || address().view !== "models";
    if (!opening.hidden)
      show(opening, "The database could not be opened, so nothing can be scored. Models and their histories can be read.");
    if (database.state === "opening") {
      next = 700;
      if (VIEWS[address().view]?.needs === "database") waiting();
    }
    if (before !== undefined && before !== database.state) await go();
  } catch (fault) {
    if (fault.status === 401) return;
    if (fault.status === 0) {
      const place = document.getElementById("database");
      show(place, h("span", { class: "dot failed" }), h("span", { class: "quiet" }, "the server does not answer"));
      next = 3000;
    }
  }
  setTimeout(about, next);
}

/** How many jobs run, in the menu. */
async function running() {
  if (state.locked) return;
  const place = document.getElementById("running");
  try {
    const told = await get("/api/jobs");
    const list = told.jobs ?? told;
    const at = list.filter((job) => job.state === "running" || job.state === "queued").length;
    place.hidden = at === 0;
    show(place, String(at), h("span", { class: "unseen" }, ` ${at === 1 ? "is" : "are"} running`));
  } catch {
    place.hidden = true;
  }
  setTimeout(running, document.hidden ? 20000 : 5000);
}

window.addEventListener("token", () => {
  state.locked = true;
  state.leave?.abort();
  const field = h("input", { name: "token", type: "password", autocomplete: "off", required: true, id: "token" });
  show(
    main,
    h("h1", {}, "The page needs its token again"),
    h("p", {}, "The server was started anew, or this browser has forgotten it. Open the address that ", h("code", {}, "foretell serve"), " printed, or paste its token here."),
    h(
      "form",
      { class: "row", method: "get", action: "/" },
      h("label", { for: "token" }, "Token"),
      field,
      h("button", { class: "primary" }, "Open"),
    ),
  );
  say("The page needs its token again");
});

window.addEventListener("hashchange", go);

await about();
await go();
running();
