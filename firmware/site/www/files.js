// The files on the board.

import { attempt, call, make, problem, show, size, why } from "./app.js";
import { ask } from "./forms.js";

let list, nothing, jobs;
let queue = Promise.resolve();

const path = (name) => `files/${name.split("/").map(encodeURIComponent).join("/")}`;

export function build(section) {
  const input = make("input", { type: "file", multiple: true, id: "upload" });
  const drop = make("label", { htmlFor: "upload", className: "drop" }, "Choose files, or drop them here", input);
  input.onchange = () => { uploadAll([...input.files]).then(() => { input.value = ""; }); };
  drop.ondragover = (event) => { event.preventDefault(); drop.classList.add("over"); };
  drop.ondragleave = () => drop.classList.remove("over");
  drop.ondrop = (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    uploadAll([...event.dataTransfer.files]);
  };
  jobs = make("ul", { "aria-label": "Uploads" });
  nothing = make("p", { className: "quiet", hidden: true }, "No files yet.");
  list = make("ul", { id: "stored", "aria-label": "Files" });
  section.append(why(), make("div", { className: "card own" }, make("h3", {}, "Upload"), drop, jobs),
    make("div", { className: "card" }, make("h3", {}, "On the board"), nothing, list,
      make("p", { className: "quiet", id: "free" })));
}

export async function enter() {
  const { files, more, free_bytes: free } = await call("GET", "api/files");
  list.replaceChildren(...files.map(item));
  nothing.hidden = files.length > 0;
  show("free", [more && "There are more files than the board can list.", free !== null && `${size(free)} free`].filter(Boolean).join(" "));
}

function item(file) {
  const link = make("a", { href: path(file.name), download: file.name.split("/").pop() }, file.name);
  const remove = make("button", { className: "plain bad own", "aria-label": `Delete ${file.name}` }, "Delete");
  remove.onclick = async () => {
    if (!await ask(`Delete ${file.name}?`)) return;
    await attempt(async () => {
      await call("DELETE", path(file.name));
      await enter();
      document.getElementById("h-files").focus();
    });
  };
  return make("li", {}, make("div", { className: "wide" }, link), make("span", { className: "quiet" }, size(file.size)), remove);
}

// One after the other: two are no faster.
async function uploadAll(files) {
  const known = [...list.querySelectorAll("a")].map((link) => link.textContent);
  const same = files.map(({ name }) => name).filter((name) => known.includes(name));
  if (same.length && !await ask(`Replace ${same.join(", ")}?`, "Replace")) {
    files = files.filter(({ name }) => !same.includes(name));
  }
  if (!jobs.querySelector(".quiet")) jobs.replaceChildren();
  const waiting = files.map((file) => [file, job(file)]);
  await (queue = queue.then(async () => {
    for (const [file, show] of waiting) await upload(file, show);
  }));
  await attempt(enter);
}

function job(file) {
  const bar = make("progress", { max: 1, value: 0, "aria-label": `Upload of ${file.name}` });
  const text = make("span", { className: "quiet", role: "status" }, "waits");
  jobs.append(make("li", {}, make("div", { className: "wide" }, file.name), bar, text));
  return (part, words, kind = "quiet") => {
    bar.value = part;
    text.className = kind;
    if (text.textContent !== words) text.textContent = words;
  };
}

function upload(file, show) {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    const fail = (message) => show(0, message, "error");
    request.upload.onprogress = ({ loaded, total }) => show(total ? loaded / total : 0, `${size(loaded)} of ${size(total)}`);
    request.onload = () => {
      if (request.status < 300) return show(1, "done", "good");
      let content = {};
      try { content = JSON.parse(request.responseText); } catch {} // no JSON: the status has to do
      fail(problem(request.status, content).message);
    };
    request.onerror = () => fail("The connection broke.");
    request.onloadend = resolve;
    request.open("PUT", path(file.name));
    request.setRequestHeader("Accept", "application/json");
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.send(file);
  });
}
