// Jobs: what runs and what ran.

import { call, get, part } from "./api.js";
import { h, say, show } from "./dom.js";
import { percent, seconds, time } from "./format.js";
import { empty, fault, table, toast } from "./parts.js";

const STATES = { queued: ["waits", ""], running: ["runs", "accent"], done: ["done", "good"], failed: ["failed", "bad"], cancelled: ["cancelled", "warn"] };
const KINDS = { ask: "Ask", predict: "Predict", grade: "Grade", monitor: "Monitor", retrain: "Retrain", report: "Report", patterns: "Patterns" };

/** Where a job's own view is. */
export function viewOf(job) {
  const asked = job.asked ?? {};
  if (job.kind === "ask") return `#/ask/${part(job.id)}`;
  if (job.kind === "patterns") return `#/patterns/${part(job.id)}`;
  if (asked.model) return `#/models/${part(asked.model)}${{ grade: "/grades", monitor: "/monitoring", predict: "/predictions" }[job.kind] ?? ""}`;
  return "#/jobs";
}

const aboutOf = (job) => job.asked?.query ?? job.asked?.table ?? job.asked?.model ?? "";

export const jobs = {
  async open(place, { left }) {
    const again = async () => {
      const told = await get("/api/jobs", { signal: left });
      const held = told.jobs ?? told;
      const cancel = async (job) => {
        try {
          await call("DELETE", `/api/jobs/${part(job.id)}`);
          say("Cancelled");
          await again();
        } catch (fault_) {
          toast(fault_.message);
        }
      };
      const focused = document.activeElement?.getAttribute?.("data-job");
      show(
        place,
        h("div", { class: "head" }, h("h1", {}, "Jobs"), h("p", {}, "One runs at a time. What they found is kept until the server stops; models are kept for good.")),
        held.length
          ? table(
              "Jobs",
              [
                { title: "Job", head: true, cell: (job) => h("a", { href: viewOf(job), "data-job": job.id }, KINDS[job.kind] ?? job.kind) },
                { title: "About", wrap: true, cell: (job) => h("code", {}, aboutOf(job)) },
                { title: "State", cell: (job) => { const [text, tone] = STATES[job.state] ?? [job.state, ""]; return h("span", { class: `tag ${tone}` }, text); } },
                { title: "Now", wrap: true, cell: (job) => (job.state === "running" ? `${job.stage ?? ""}${job.fraction ? ` (${percent(job.fraction)})` : ""}` : job.state === "failed" ? (job.error?.message ?? job.error ?? "") : "") },
                { title: "Began", cell: (job) => time(job.started ?? job.made) },
                { title: "Took", right: true, cell: (job) => seconds(job.seconds) },
                { title: "", cell: (job) => (["queued", "running"].includes(job.state) ? h("button", { type: "button", class: "small", onclick: () => cancel(job) }, "Cancel") : null) },
              ],
              held,
            )
          : empty("No job has run yet", h("p", {}, "Asking a question, looking for patterns, grading and monitoring are jobs."), h("p", {}, h("a", { class: "button", href: "#/ask" }, "Ask a question"))),
      );
      if (focused) place.querySelector(`[data-job="${focused}"]`)?.focus();
    };
    await again();
    const timer = setInterval(() => {
      if (left.aborted) clearInterval(timer);
      else if (!document.hidden && !place.contains(document.activeElement?.closest?.("button") ?? null)) again().catch((told) => { if (told.name !== "AbortError" && told.status !== 401 && told.status !== 0) show(place, fault(told)); });
    }, 2000);
    left.addEventListener("abort", () => clearInterval(timer));
    return "Jobs";
  },
};
