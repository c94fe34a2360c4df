// An update from a file: a tree that `python3 -m tools deploy --to FILE` has made (tools/update.py), or MicroPython itself.

import { attempt, call, make, pause, problem, SILENT } from "./app.js";
import { ask, note } from "./forms.js";

const BLOCK_BYTES = 512; // of a tar file
const TRIES = 5;
const PATIENCE_MS = 60000; // the board hashes its whole tree

// ESP-IDF: the first byte of an image, the word in an application's head, a partition table's address and first bytes.
const IMAGE_MAGIC = 0xE9;
const APP_MAGIC = 0xABCD5432;
const TABLE = 0x8000;
const TABLE_MAGIC = 0x50AA;

export function updateCard() {
  const input = make("input", { type: "file", accept: ".tar,.bin,.app-bin", id: "update" });
  const bar = make("progress", { max: 1, value: 0, hidden: true, "aria-label": "Update" });
  const said = make("p", { className: "good", role: "status" });
  input.onchange = () => attempt(async () => {
    const [file] = input.files;
    said.textContent = "";
    try {
      if (!await ask(`Update the board with ${file.name}? It will restart.`, "Update")) return;
      const bytes = new Uint8Array(await file.arrayBuffer());
      await (bytes[0] === IMAGE_MAGIC ? updateImage(bytes, bar) : update(bytes.buffer, bar));
      said.textContent = "The board changes over and restarts. If the update does not come up, the board goes back by itself.";
    } finally {
      input.value = "";
      bar.hidden = true;
    }
  });
  return make("div", { className: "card" }, make("h3", {}, "Update"),
    note("With a file of python3 -m tools deploy --to FILE --chip CHIP, or an image of MicroPython (.bin, .app-bin)."),
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
    await put(`files/${name}`, contents[name], digest);
  }
  await call("POST", "api/update", { manifest: index.tree, ...index.signature }, PATIENCE_MS);
}

async function updateImage(bytes, bar) {
  const app = application(bytes);
  const info = await call("GET", "api/update");
  if (info.signed) throw { message: "This board takes signed images alone: use python3 -m tools update-firmware." };
  await call("GET", "api/update/image"); // a board with one slot says so
  const digest = sha256(app);
  bar.hidden = false;
  bar.removeAttribute("value");
  await put("image", app, digest);
  await call("POST", "api/update/image", { image: digest, bytes: app.length }, PATIENCE_MS);
}

// The application of an image that may have the boot loader and the partition table before it.
function application(bytes) {
  try {
    const view = new DataView(bytes.buffer);
    let at = 0;
    if (view.getUint32(32, true) !== APP_MAGIC) {
      const start = [0, 0x1000, 0x2000].find((start) => view.getUint16(TABLE - start, true) === TABLE_MAGIC);
      let entry = TABLE - start;
      while (view.getUint16(entry, true) === TABLE_MAGIC && bytes[entry + 2]) entry += 32;
      at = view.getUint32(entry + 4, true) - start;
    }
    let end = at + 24;
    for (let left = bytes[at + 1]; left; left -= 1) end += 8 + view.getUint32(end + 4, true);
    end = at + (end - at | 15) + 33; // a sum fills 16 bytes, then 32 of SHA-256
    if (view.getUint32(at + 32, true) === APP_MAGIC && end <= bytes.length) return bytes.slice(at, end);
  } catch { /* it ends before */ }
  throw { message: "This is no image of MicroPython." };
}

// FIPS 180-4, in hex digits. A page that came by plain HTTP has no crypto.subtle.
function sha256(bytes) {
  const roots = (power) => { // the first 32 bits behind the point, of the first 64 primes
    const found = [];
    for (let n = 2; found.length < 64; n += 1) if (![...Array(n).keys()].slice(2).some((d) => n % d === 0)) found.push(n ** power % 1 * 2 ** 32 | 0);
    return found;
  };
  const turn = (word, by) => word >>> by | word << 32 - by;
  const keys = roots(1 / 3), sum = roots(1 / 2).slice(0, 8), words = new Int32Array(64);
  const padded = new DataView(new ArrayBuffer((bytes.length + 8 | 63) + 1));
  new Uint8Array(padded.buffer).set(bytes);
  padded.setUint8(bytes.length, 128);
  padded.setUint32(padded.byteLength - 4, bytes.length * 8);
  for (let at = 0; at < padded.byteLength; at += 64) {
    for (let i = 0; i < 64; i += 1) {
      const [a, b] = [words[i - 15], words[i - 2]];
      words[i] = i < 16 ? padded.getInt32(at + 4 * i)
        : words[i - 16] + words[i - 7] + (turn(a, 7) ^ turn(a, 18) ^ a >>> 3) + (turn(b, 17) ^ turn(b, 19) ^ b >>> 10);
    }
    let [a, b, c, d, e, f, g, h] = sum;
    for (let i = 0; i < 64; i += 1) {
      const one = h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + (e & f ^ ~e & g) + keys[i] + words[i];
      const two = (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + (a & b ^ a & c ^ b & c);
      [a, b, c, d, e, f, g, h] = [one + two | 0, a, b, c, d + one | 0, e, f, g];
    }
    [a, b, c, d, e, f, g, h].forEach((word, i) => { sum[i] = sum[i] + word | 0; });
  }
  return sum.map((word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
}

async function put(path, content, digest) {
  const sum = btoa(String.fromCharCode(...digest.match(/../g).map((hex) => parseInt(hex, 16))));
  for (let tries = 1; ; tries += 1) {
    const response = await fetch(`api/update/${path}`, {
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
