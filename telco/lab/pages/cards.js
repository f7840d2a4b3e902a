// The payment cards of the demo: scratch, read the code, top up.

import { money, t } from "./i18n.js";

function make(tag, className, text = "") {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  return element;
}

const spaced = (code) => code.replace(/(\d{4})(?=\d)/g, "$1 ");

function draw(card, open, { scratch, use }) {
  const element = make("li", card.used ? "scratch used" : "scratch");
  element.dataset.serial = card.serial;
  element.append(make("span", "face", money(card.value)), make("span", "serial", t("serial", { serial: card.serial })));
  if (card.used) {
    element.append(make("span", "code", spaced(card.code)), make("span", "mark", t("usedCard")));
    return element;
  }
  if (open) element.append(make("span", "code", spaced(card.code)));
  else {
    const cover = make("button", "cover", t("scratch"));
    cover.setAttribute("aria-label", t("scratchCard", { serial: card.serial, value: money(card.value) }));
    cover.addEventListener("click", () => scratch(card));
    element.append(cover);
  }
  const button = make("button", "topup", t("useCard"));
  button.disabled = !open;
  button.addEventListener("click", () => use(card));
  element.append(button);
  for (const control of element.querySelectorAll("button")) control.type = "button";
  return element;
}

export function drawCards(list, cards, scratched, actions) {
  const unusedFirst = [...cards].sort((a, b) => Number(a.used) - Number(b.used));
  const drawn = unusedFirst.map((card) => draw(card, scratched.has(card.serial), actions));
  list.replaceChildren(...(drawn.length ? drawn : [make("li", "nothing", t("noCards"))]));
}
