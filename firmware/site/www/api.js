// The endpoints of openapi.json, to be tried.

import { call, make, size } from "./app.js";
import { ask, field, makeForm } from "./forms.js";

const PATIENCE_MS = 5000;
const MOST_LETTERS = 20000;

let isBuilt = false;

export function build(section) {
  section.append(make("p", {}, "What scripts may ask this board for. ",
    make("a", { href: "openapi.json" }, "openapi.json"), " says it to programs."));
}

export async function enter(section) {
  if (isBuilt) return;
  const { paths, components } = await call("GET", "openapi.json");
  const follow = (one) => one.$ref ? one.$ref.split("/").slice(2).reduce((at, name) => at[name], components) : one;
  const groups = {};
  for (const [path, item] of Object.entries(paths)) {
    for (const [method, operation] of Object.entries(item)) {
      if (!operation.summary) continue;
      const parameters = (item.parameters || []).concat(operation.parameters || []).map(follow);
      const { content } = follow(operation.requestBody || {});
      (groups[operation.tags[0]] ||= []).push(entry(method.toUpperCase(), path, operation.summary, parameters, content));
    }
  }
  for (const [tag, entries] of Object.entries(groups)) {
    section.append(make("div", { className: "card" }, make("h3", {}, tag), ...entries));
  }
  isBuilt = true;
}

function entry(method, path, summary, parameters, content) {
  const details = make("details", {}, make("summary", {}, make("b", { className: method.toLowerCase() }, method), " ",
    make("code", {}, path), make("span", { className: "quiet" }, summary)));
  details.ontoggle = () => {
    if (details.open && details.children.length === 1) details.append(trial(method, path, parameters, content));
  };
  return details;
}

function trial(method, path, parameters, bodies = {}) {
  const output = make("pre", { tabIndex: 0, hidden: true, "aria-label": "Answer", role: "region" });
  const inputs = parameters.map((one) =>
    field(one.name, { name: one.name, value: one.required ? one.example ?? "" : "" }, one.description));
  const [[kind, body] = []] = Object.entries(bodies);
  if (kind) {
    const example = typeof body.example === "string" ? body.example : JSON.stringify(body.example, null, 2);
    inputs.push(field("Body", { name: "body", rows: Math.min(8, example.split("\n").length), value: example }, kind));
  }
  const form = makeForm(inputs, "Send", async (values) => {
    if (/^DELETE|^P.*(settings|restart)/.test(method + path) && !await ask(`${method} ${path}?`, "Send")) return;
    const query = new URLSearchParams();
    let url = path.slice(1);
    const headers = { Accept: "application/json, */*;q=0.5" };
    for (const { name, in: place } of parameters) {
      if (place === "path") url = url.replace(`{${name}}`, encodeURIComponent(values[name]));
      else if (values[name] && place === "query") query.set(name, values[name]);
      else if (values[name]) headers[name] = values[name];
    }
    if (kind) headers["Content-Type"] = kind;
    if (query.size) url += `?${query}`;
    output.hidden = false;
    await send(url, { method, headers, body: kind && values.body }, output);
  });
  return make("div", { className: "trial" }, form, output);
}

// Shows what comes as it comes: some answers have no end.
async function send(url, request, output) {
  const began = performance.now();
  const patience = new AbortController();
  const timer = setTimeout(() => patience.abort(), PATIENCE_MS);
  let head = "", body = "";
  const print = (end = "") => { output.textContent = `${head}\n\n${body}${end}`; };
  try {
    const response = await fetch(url, { ...request, signal: patience.signal });
    head = `${response.status} ${response.statusText} · ${Math.round(performance.now() - began)} ms`;
    head += ` · ${response.headers.get("Content-Type") || "no body"}`;
    const decoder = new TextDecoder();
    const reader = response.body && response.body.getReader();
    for (let part; reader && !(part = await reader.read()).done && body.length < MOST_LETTERS; print("…")) {
      body += decoder.decode(part.value, { stream: true });
    }
    patience.abort();
    if (/json$/.test(response.headers.get("Content-Type"))) body = JSON.stringify(JSON.parse(body), null, 2);
    print();
  } catch {
    head ||= "The board does not answer.";
    print(body && `\n… (the first ${PATIENCE_MS / 1000} seconds, ${size(body.length)})`);
  }
  clearTimeout(timer);
}
