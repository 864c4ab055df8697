// A job on its way: its stage, how far it is, and stopping it; and what is said of one that gives no result.

import { call, over, part, watch } from "./api.js";
import { fresh, h, say, show } from "./dom.js";
import { seconds } from "./format.js";
import { fault, toast } from "./parts.js";

/** A job's progress, until it is over. */
export function progress(job, { cancelled = () => {} } = {}) {
  const id = fresh("progress");
  const bar = h("span", { class: "fill" });
  const meter = h("div", { class: "meter unsure", role: "progressbar", "aria-labelledby": id, "aria-valuemin": "0", "aria-valuemax": "100" }, bar);
  const stage = h("p", { id, class: "strong" }, "Waiting");
  const clock = h("span", { class: "quiet" });
  const list = h("ul", { class: "stages", "aria-label": "Stages" });
  const button = h("button", { type: "button", class: "small" }, "Cancel");
  const stages = [];
  let begun = performance.now();
  let done = false;
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      await call("DELETE", `/api/jobs/${part(job)}`);
      say("Cancelled");
      cancelled();
    } catch (told) {
      button.disabled = false;
      toast(told.message);
    }
  });
  const ticking = setInterval(() => {
    if (done || !element.isConnected) {
      if (done) clearInterval(ticking);
      return;
    }
    show(clock, seconds((performance.now() - begun) / 1000));
  }, 500);
  const element = h("div", { class: "card progress" }, h("div", { class: "head" }, stage, h("span", {}, clock, " ", button)), meter, list);
  return {
    element,
    tell(now) {
      const text = now.state === "queued" ? "Waiting for its turn" : (now.stage || "Starting");
      if (stages[stages.length - 1] !== text) {
        stages.push(text);
        show(list, stages.length > 1 ? stages.slice(-12).map((each) => h("li", {}, each)) : null);
        show(stage, `${text.charAt(0).toUpperCase()}${text.slice(1)} …`);
        say(text);
      }
      if (typeof now.seconds === "number") begun = performance.now() - 1000 * now.seconds;
      if (typeof now.fraction === "number" && now.fraction > 0) {
        const share = Math.round(100 * Math.min(1, now.fraction));
        meter.classList.remove("unsure");
        meter.setAttribute("aria-valuenow", String(share));
        bar.style.width = `${share}%`;
      }
      done = over(now);
    },
    stop() {
      done = true;
      clearInterval(ticking);
    },
  };
}

/** A job's progress in `body` until it is over: then `said` is told to who listens, and `finish` shows the rest. */
export function attend(body, id, job, { left, said, finish }) {
  const shown = progress(id);
  show(body, shown.element);
  shown.tell(job);
  const stop = watch(
    id,
    (now) => {
      shown.tell(now);
      if (!over(now)) return;
      say(now.state === "done" ? said : `The job ${now.state}`);
      finish(now);
    },
    (told) => show(body, fault(told)),
  );
  left.addEventListener("abort", () => {
    stop();
    shown.stop();
  });
}

/** What became of a job that gives no result. */
export function ended(job, { again }) {
  if (job.state === "cancelled") return h("div", { class: "note" }, h("p", { class: "strong" }, "It was cancelled."), again);
  const told = typeof job.error === "object" && job.error ? job.error : { message: job.error || "It failed." };
  return h("div", {}, fault(told), again);
}
