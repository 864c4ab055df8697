// Speaks with the server: one call, and watching a job until it is over.

export class Fault extends Error {
  constructor(status, told) {
    super(told.message || `the server answered ${status}`);
    this.status = status;
    this.kind = told.error || "error";
    this.mend = told.mend || "";
    this.examples = told.examples || [];
    this.start = told.start;
    this.end = told.end;
  }
}

/** Names as part of an address. */
export const part = (name) => encodeURIComponent(String(name));

export async function call(method, path, body, { signal } = {}) {
  let answer;
  try {
    answer = await fetch(path, {
      method,
      signal,
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (fault) {
    if (fault.name === "AbortError") throw fault;
    throw new Fault(0, {
      error: "away",
      message: "The server does not answer.",
      mend: "See whether `foretell serve` still runs, then try again.",
    });
  }
  const text = await answer.text();
  let told = {};
  try {
    told = text ? JSON.parse(text) : {};
  } catch {
    told = { message: answer.ok ? "The server's answer is not JSON." : `The server answered ${answer.status}.` };
    if (answer.ok) throw new Fault(answer.status, told);
  }
  if (answer.ok) return told;
  if (answer.status === 401) {
    const fault = new Fault(401, told);
    window.dispatchEvent(new CustomEvent("token", { detail: fault }));
    throw fault;
  }
  throw new Fault(answer.status, told);
}

export const get = (path, options) => call("GET", path, undefined, options);
export const post = (path, body = {}, options) => call("POST", path, body, options);

export const over = (job) => ["done", "failed", "cancelled"].includes(job.state);

/**
 * Call `tell(job)` whenever a job gets on, until it is over. Events where they come, questions where not.
 * Gives a function that ends it.
 */
export function watch(id, tell, failed = () => {}) {
  let ended = false;
  let events = null;
  let timer = 0;
  let last = "";
  const stop = () => {
    ended = true;
    events?.close();
    clearTimeout(timer);
  };
  const take = (job) => {
    if (ended) return;
    const now = JSON.stringify(job);
    if (now === last) return;
    last = now;
    if (over(job)) stop();
    tell(job);
  };
  const poll = async () => {
    if (ended) return;
    try {
      take(await get(`/api/jobs/${part(id)}`));
    } catch (fault) {
      if (fault.status !== 0 && fault.status < 500) {
        stop();
        failed(fault);
        return;
      }
    }
    if (!ended) timer = setTimeout(poll, 1000);
  };
  const listen = () => {
    if (typeof EventSource === "undefined") return void poll();
    events = new EventSource(`/api/jobs/${part(id)}/events`);
    const heard = (event) => {
      let job = null;
      try {
        job = JSON.parse(event.data);
      } catch {
        return;
      }
      if (job && job.state) take(job);
    };
    for (const name of ["message", "progress", "end"]) events.addEventListener(name, heard);
    events.addEventListener("error", () => {
      events?.close();
      if (!ended) timer = setTimeout(poll, 300);
    });
  };
  get(`/api/jobs/${part(id)}`).then(
    (job) => {
      take(job);
      if (!ended) listen();
    },
    (fault) => {
      stop();
      failed(fault);
    },
  );
  return stop;
}
