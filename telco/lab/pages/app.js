// The page: three phones, the switcher of narrow screens, the language, the live link.

import { watch } from "./api.js";
import { choose, language, loadStrings, phoneNumber, reason, t, translate } from "./i18n.js";
import { Phone } from "./phone.js";

const byId = (id) => document.getElementById(id);
const phones = new Map();
let links = {};
let cards = [];
let shown = "";
let linkState = "connecting";

function showLink(state) {
  linkState = state;
  byId("link").dataset.state = state;
  byId("link").lastElementChild.textContent = t(state);
}

function showSnapshot(snapshot) {
  cards = snapshot.cards;
  links = snapshot.links;
  const numbers = new Set(snapshot.handsets.map((handset) => handset.number));
  for (const [number, phone] of phones) {
    if (!numbers.has(number)) {
      phone.element.remove();
      phones.delete(number);
    }
  }
  for (const handset of snapshot.handsets) add(handset);
  if (!phones.has(shown)) show([...phones.keys()][0] ?? "");
  byId("empty").hidden = phones.size > 0;
  for (const phone of phones.values()) phone.know({ peers: peersOf(phone), cards });
  drawSwitcher();
  drawLinks();
}

function add(handset) {
  const known = phones.get(handset.number);
  if (known) {
    known.load(handset);
    return;
  }
  const phone = new Phone(handset, phones.size + 1, { complain, news: markNews });
  phones.set(handset.number, phone);
  byId("phones").append(phone.element);
}

const peersOf = (phone) => [...phones.values()].filter((other) => other !== phone).map(({ number, owner }) => ({ number, owner }));

function applyChange({ number, part, value }) {
  if (part === "cards") {
    cards = value;
    for (const phone of phones.values()) phone.know({ peers: peersOf(phone), cards });
  } else {
    phones.get(number)?.update(part, value);
  }
}

function show(number) {
  shown = number;
  for (const phone of phones.values()) phone.element.classList.toggle("shown", phone.number === number);
}

function drawSwitcher() {
  byId("switcher").replaceChildren(
    ...[...phones.values()].map((phone) => {
      const button = document.createElement("button");
      button.type = "button";
      button.dataset.brand = phone.brand;
      button.dataset.number = phone.number;
      button.setAttribute("aria-pressed", String(phone.number === shown));
      const name = document.createElement("b");
      name.textContent = phone.owner;
      const number = document.createElement("span");
      number.textContent = phoneNumber(phone.number).slice(-9);
      button.append(name, number);
      button.addEventListener("click", () => {
        show(phone.number);
        drawSwitcher();
        byId("switcher").querySelector('[aria-pressed="true"]')?.focus();
      });
      return button;
    }),
  );
}

// On a narrow screen a dot says that a phone out of sight has news.
function markNews(phone) {
  const button = byId("switcher").querySelector(`[data-number="${phone.number}"]`);
  if (button && phone.number !== shown && !button.querySelector("i")) button.append(document.createElement("i"));
}

function drawLinks() {
  byId("foot").replaceChildren(
    ...Object.entries(links).map(([name, url]) => {
      const link = document.createElement("a");
      link.href = url;
      link.textContent = t(name);
      return link;
    }),
  );
}

function chooseLanguage(chosen) {
  choose(chosen);
  translate(document);
  document.title = t("title");
  for (const button of byId("languages").children) button.setAttribute("aria-pressed", String(button.dataset.language === language()));
  for (const phone of phones.values()) phone.redraw();
  drawLinks();
  showLink(linkState);
}

let toastTimer;

function complain(code) {
  const toast = byId("toast");
  const words = reason(code);
  toast.textContent = words.charAt(0).toUpperCase() + words.slice(1);
  toast.hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => (toast.hidden = true), 4500);
}

await loadStrings();
byId("languages").addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button) chooseLanguage(button.dataset.language);
});
chooseLanguage(language());
watch({ snapshot: showSnapshot, change: applyChange, link: showLink });
