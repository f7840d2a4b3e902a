// What a phone can ask of the lab. Answers carry no result: whatever happens comes back over the event stream.

export class Refused extends Error {
  constructor(code) {
    super(code);
    this.code = code;
  }
}

async function ask(method, path, body) {
  let response;
  try {
    response = await fetch(path, { method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body ?? {}) });
  } catch {
    throw new Refused("unavailable");
  }
  if (response.ok) return;
  const problem = await response.json().catch(() => ({}));
  throw new Refused(problem.code ?? "unavailable");
}

export function phoneApi(number) {
  const base = `/api/handsets/${number}`;
  return {
    dial: (code) => ask("POST", `${base}/ussd`, { code }),
    answer: (text) => ask("POST", `${base}/ussd/answer`, { text }),
    closeDialogue: () => ask("DELETE", `${base}/ussd`),
    sms: (to, text) => ask("POST", `${base}/sms`, { to, text }),
    call: (to, seconds) => ask("POST", `${base}/call`, { to, seconds }),
    hangUp: () => ask("DELETE", `${base}/call`),
    useData: (megabytes, technology) => ask("POST", `${base}/data`, { megabytes, technology }),
    stopData: () => ask("DELETE", `${base}/data`),
  };
}

// The stream starts with a snapshot each time it is (re)opened, so a lost connection can miss nothing that matters.
export function watch({ snapshot, change, link }) {
  const source = new EventSource("/api/events");
  source.addEventListener("snapshot", (event) => {
    link("live");
    snapshot(JSON.parse(event.data));
  });
  source.addEventListener("change", (event) => change(JSON.parse(event.data)));
  source.addEventListener("error", () => link("lost"));
  addEventListener("pagehide", () => source.close());
}
