// The page's own words in three languages, and how numbers look in them.

export const LANGUAGES = ["kk", "ru", "en"];
const STORED = "telco.lab.language";
const strings = {};
let current = "en";

export async function loadStrings() {
  const files = await Promise.all(LANGUAGES.map((language) => fetch(`/static/strings/${language}.json`)));
  for (const [index, file] of files.entries()) strings[LANGUAGES[index]] = await file.json();
  choose(initialLanguage());
}

function initialLanguage() {
  const asked = new URLSearchParams(location.search).get("lang");
  const wishes = [asked, remembered(), ...navigator.languages.map((language) => language.slice(0, 2))];
  return wishes.find((language) => LANGUAGES.includes(language)) ?? "en";
}

function remembered() {
  try {
    return localStorage.getItem(STORED);
  } catch {
    return null; // storage is switched off: the browser's language decides
  }
}

export function choose(language) {
  current = language;
  document.documentElement.lang = language;
  try {
    localStorage.setItem(STORED, language);
  } catch {
    // as above
  }
}

export const language = () => current;

export function has(key) {
  return key in strings[current];
}

export function t(key, values = {}) {
  const template = strings[current][key] ?? strings.en[key] ?? key;
  return template.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

export function reason(code) {
  return has(`reason.${code}`) ? t(`reason.${code}`) : t("reason.refused");
}

// Fill every element that names its text; used again whenever the language changes.
export function translate(root) {
  for (const element of root.querySelectorAll("[data-t]")) element.textContent = t(element.dataset.t);
  for (const element of root.querySelectorAll("[data-t-label]")) element.setAttribute("aria-label", t(element.dataset.tLabel));
  for (const element of root.querySelectorAll("[data-t-placeholder]")) element.placeholder = t(element.dataset.tPlaceholder);
}

const group = (digits) => digits.replace(/\B(?=(\d{3})+$)/g, current === "en" ? "," : "\u00a0");

// "1250.00" becomes "1 250 ₸", "-12.50" becomes "−12,50 ₸"; in English "1,250 KZT", "−12.50 KZT". Works on the digits,
// never on floats.
export function money(text, { plus = false } = {}) {
  const [, sign, whole, fraction] = /^([-+]?)(\d+)(?:\.(\d\d))?$/.exec(text) ?? [null, "", String(text), ""];
  const rest = !fraction || fraction === "00" ? "" : (current === "en" ? "." : ",") + fraction;
  const lead = sign === "-" ? "−" : plus ? "+" : "";
  return `${lead}${group(whole)}${rest}\u00a0${current === "en" ? "KZT" : "₸"}`;
}

function decimal(value, digits) {
  const text = value.toFixed(digits).replace(/\.(\d*?)0+$/, (_, kept) => (kept ? `.${kept}` : ""));
  return current === "en" ? text : text.replace(".", ",");
}

const roundish = (value) => decimal(value, value >= 100 || Number.isInteger(value) ? 0 : value >= 10 ? 1 : 2);

// A quantity of a ledger unit ("bytes", "seconds", "messages") as a person says it; decimal megabytes, as operators sell.
export function quantity(unit, amount) {
  if (unit === "bytes") {
    const power = amount >= 1e9 ? 3 : amount >= 1e6 ? 2 : amount >= 1e3 ? 1 : 0;
    return `${roundish(amount / 1000 ** power)}\u00a0${t(`unit.bytes.${power}`)}`;
  }
  if (unit === "seconds") {
    if (amount < 60) return `${amount}\u00a0${t("unit.seconds")}`;
    return `${roundish(Math.floor((amount / 60) * 10) / 10)}\u00a0${t("unit.minutes")}`;
  }
  return `${amount}\u00a0${t("unit.messages")}`;
}

export const talk = (seconds) => `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;

// +7 701 000 00 01; short codes stay as they are.
export function phoneNumber(text) {
  const parts = /^7(\d{3})(\d{3})(\d{2})(\d{2})$/.exec(text);
  return parts ? `+7\u00a0${parts.slice(1).join("\u00a0")}` : text;
}

const two = (value) => String(value).padStart(2, "0");

export function clockTime(iso) {
  const at = new Date(iso);
  return `${two(at.getHours())}:${two(at.getMinutes())}`;
}

export function day(iso) {
  const at = new Date(iso);
  return `${two(at.getDate())}.${two(at.getMonth() + 1)}`;
}

export function moment(iso) {
  const sameDay = new Date(iso).toDateString() === new Date().toDateString();
  return sameDay ? clockTime(iso) : `${day(iso)} ${clockTime(iso)}`;
}
