// Fields for settings, made of what openapi.json says of them.

import { make } from "./app.js";
import { field, note, secret } from "./forms.js";

// Returns [element, read]: the field, or group of fields, of a setting, and what tells its value by a form's.
export function settingField(given, value, path, hint = given.description) {
  const schema = given.anyOf && !given.type ? { ...given.anyOf[0], isNullable: true } : given;
  const { title = path.split(".").pop(), enum: choices, properties, writeOnly, default: usual } = schema;
  const types = [].concat(schema.type || []);
  const isNullable = schema.isNullable || types.includes("null");
  const has = (type) => types.includes(type);
  if (properties) return group(title, hint, settingFields(properties, value || {}, path));
  if (writeOnly) {
    const element = secret(title, path, "new-password");
    if (value) element.querySelector("input").placeholder = "unchanged";
    return [element, (form) => form[path] || value];
  }
  const told = { name: path, value: String(value ?? "") };
  if (choices) told.choices = Object.fromEntries(choices.map((choice) => [choice, choice]));
  else if (has("boolean")) told.choices = { ...isNullable && { "": "as the board's size wants" }, false: "no", true: "yes" };
  else if (has("array")) Object.assign(told, { rows: Math.max(2, value.length), value: value.join("\n") });
  else if (!has("string")) Object.assign(told, { inputMode: "decimal", placeholder: usual ?? "" });
  const read = (text) => {
    if (choices) return choices.find((choice) => String(choice) === text);
    if (has("array")) return text.split(/\s+/).filter(Boolean);
    if (text === "" && (isNullable || !has("string"))) return null;
    if (has("boolean")) return text === "true";
    // The board says what is wrong with what is no number.
    return !has("string") && Number.isFinite(Number(text)) ? Number(text) : text;
  };
  return [field(title, told, hint), (form) => read(form[path])];
}

// The same of several, [[name, element, read]]; `path` is empty for the settings as a whole.
export function settingFields(properties, values, path = "") {
  return Object.entries(properties).map(([name, schema]) => [name, ...settingField(schema, values[name], path ? `${path}.${name}` : name)]);
}

function group(title, hint, parts) {
  return [make("fieldset", { className: "group" }, make("legend", {}, title), hint ? note(hint) : "", ...parts.map((part) => part[1])), readAll(parts)];
}

export const readAll = (parts) => (form) => Object.fromEntries(parts.map(([name, , read]) => [name, read(form)]));

const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

// What somebody changed from `before` to `after` is changed in `now`, which others may have changed meanwhile.
export function merge(now, before, after) {
  if (!isObject(after) || !isObject(now)) return JSON.stringify(before) === JSON.stringify(after) ? now : after;
  const merged = { ...now };
  for (const name of Object.keys(after)) merged[name] = merge(now[name], before?.[name], after[name]);
  return merged;
}

// Whether something is another that is read at the start only.
export function needsRestart(schema, before, after) {
  if (schema["x-restart"]) return JSON.stringify(before) !== JSON.stringify(after);
  return Object.entries(schema.properties || {}).some(([name, inner]) => needsRestart(inner, before?.[name], after?.[name]));
}
