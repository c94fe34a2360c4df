// The log, live.

import { call, make, notice, pause, readStatus, timeOf } from "./app.js";

export const isPrivate = true;

const MOST = 300;
const PAUSE_MS = 2000;

let lines, level, visit = 0, last = 0;

export function build(section) {
  level = make("select", { id: "level" }, make("option", { value: "all" }, "Everything"),
    make("option", { value: "bad" }, "Warnings and errors"));
  level.onchange = () => { lines.className = level.value; };
  lines = make("div", { id: "lines", className: "all", tabIndex: 0, role: "log", "aria-label": "Lines, the newest last" });
  const download = make("a", { className: "button plain", href: "", download: "log.txt" }, "Download");
  download.onclick = () => {
    URL.revokeObjectURL(download.href);
    download.href = URL.createObjectURL(new Blob([[...lines.children].map((line) => `${line.title || line.textContent}\n`).join("")]));
  };
  section.append(make("div", { className: "card" },
    make("div", { className: "row" }, make("label", { htmlFor: "level" }, "Show"), level, download), lines));
}

export function enter() { follow(++visit); }

export function leave() { visit += 1; }

async function follow(mine) {
  while (mine === visit) {
    try {
      if (!document.hidden) await add(await call("GET", `api/log?since=${last}`));
      notice();
    } catch (error) {
      if (mine !== visit) return;
      notice(error.message);
      if (error.status && error.status !== 503) return;
    }
    await pause(PAUSE_MS);
  }
}

async function add(text) {
  const isAtEnd = lines.scrollHeight - lines.scrollTop - lines.clientHeight < 40;
  const found = String(text).split("\n").filter(Boolean).map((line) => JSON.parse(line));
  const first = found.find((line) => line.number);
  if (first && first.number <= last) { // the board started anew
    lines.replaceChildren();
    await readStatus();
  }
  for (const { number, level, uptime_s: second, text, lost } of found) {
    if (number) last = number;
    lines.append(lost ? make("p", { className: "quiet" }, `${lost} lines are gone`) : item(timeOf(second), second, level, text));
  }
  while (lines.children.length > MOST) lines.firstChild.remove();
  if (isAtEnd) lines.scrollTop = lines.scrollHeight;
}

// `title` is what is downloaded.
function item(time, second, level, text) {
  const isToday = time.toDateString() === new Date().toDateString();
  return make("p", { className: level, title: `${time.toISOString()} (${second} s up) ${level} ${text}` },
    make("time", { className: "quiet", dateTime: time.toISOString() }, isToday ? time.toLocaleTimeString() : time.toLocaleString()), ` ${text}`);
}
