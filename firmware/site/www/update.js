// An update, from a file that `python3 -m tools deploy --to FILE` has made (tools/update.py).

import { attempt, call, make, pause, problem, SILENT } from "./app.js";
import { ask, note } from "./forms.js";

const BLOCK_BYTES = 512; // of a tar file
const TRIES = 5;
const PATIENCE_MS = 60000; // the board hashes its whole tree

export function updateCard() {
  const input = make("input", { type: "file", accept: ".tar", id: "update" });
  const bar = make("progress", { max: 1, value: 0, hidden: true, "aria-label": "Update" });
  const said = make("p", { className: "good", role: "status" });
  input.onchange = () => attempt(async () => {
    const [file] = input.files;
    said.textContent = "";
    try {
      if (await ask(`Update the board by ${file.name}? It starts anew.`, "Update")) await update(await file.arrayBuffer(), bar);
      else return;
      said.textContent = "The board changes over and starts anew. If the new files do not come up, it goes back to the old ones.";
    } finally {
      input.value = "";
      bar.hidden = true;
    }
  });
  return make("div", { className: "card" }, make("h3", {}, "Update"),
    note("By a file that python3 -m tools deploy --to FILE --chip CHIP has made. What is the same is not sent."),
    make("div", { className: "row" }, make("label", { className: "button plain", htmlFor: "update" }, "Choose a file", input), bar), said);
}

async function update(buffer, bar) {
  const { index, contents } = read(buffer);
  const info = await call("GET", "api/update");
  if (index.arch && index.arch !== (info.mpy >> 10 & 15)) throw { message: "The file is for another chip." };
  if (info.python_bytes && index.needed > info.python_bytes) throw { message: "The board has not the memory for it." };
  await call("DELETE", "api/update");
  const there = {};
  for (const line of (await call("GET", "api/update/files", null, PATIENCE_MS)).split("\n")) there[line.slice(line.indexOf(" ") + 1)] = line.split(" ")[0];
  const paths = Object.fromEntries(Object.values(index.files));
  const isSame = (path) => !paths[path] || there[path] === paths[path];
  // A compressed file goes with the plain one: the server takes none that is older.
  const wanted = Object.entries(index.files).filter(([, [path]]) => ![path, `${path}.gz`, path.replace(/\.gz$/, "")].every(isSame));
  bar.hidden = false;
  for (const [done, [name, [, digest]]] of wanted.entries()) {
    bar.value = done / wanted.length;
    await stage(name, contents[name], digest);
  }
  await call("POST", "api/update", { manifest: index.tree, ...index.signature }, PATIENCE_MS);
}

async function stage(name, content, digest) {
  const sum = btoa(String.fromCharCode(...digest.match(/../g).map((hex) => parseInt(hex, 16))));
  for (let tries = 1; ; tries += 1) {
    const response = await fetch(`api/update/files/${name}`, {
      method: "PUT", body: content, headers: { Accept: "application/json", "Content-Digest": `sha-256=:${sum}:` },
    }).catch(() => ({ status: 0, json: async () => ({ error: { detail: SILENT } }) }));
    if (response.ok) return;
    if (tries === TRIES || ![0, 429, 503].includes(response.status)) throw problem(response.status, await response.json().catch(() => ({})));
    await pause(1000 * tries);
  }
}

// The first file of a tar file tells what the others are.
function read(buffer) {
  const text = (start, size) => new TextDecoder().decode(new Uint8Array(buffer, start, size)).replace(/\0.*/s, "");
  const contents = {};
  try {
    for (let start = 0; text(start, 100);) {
      const size = parseInt(text(start + 124, 12), 8);
      if (!(size >= 0)) throw size;
      contents[text(start, 100)] = new Uint8Array(buffer, start + BLOCK_BYTES, size);
      start += BLOCK_BYTES * (1 + Math.ceil(size / BLOCK_BYTES));
    }
    return { index: JSON.parse(new TextDecoder().decode(contents["update.json"])), contents };
  } catch {
    throw { message: "This is no update." };
  }
}
