// The money beside the phone: balance, allowances, the last lines of the ledger, moving as they change.

import { day, has, language, money, moment, phoneNumber, quantity, t } from "./i18n.js";

const SIGNS = { up: "+", down: "−", none: "·" };
const LOW_SHARE = 20;

function make(tag, text = "", className = "") {
  const element = document.createElement(tag);
  element.textContent = text;
  if (className) element.className = className;
  return element;
}

const tiyn = (text) => BigInt(text.replace(".", ""));

function difference(before, after) {
  const change = tiyn(after) - tiyn(before);
  const digits = String(change < 0n ? -change : change).padStart(3, "0");
  return { sign: change < 0n ? "-" : "", text: `${digits.slice(0, -2)}.${digits.slice(-2)}`, changed: change !== 0n };
}

// "data.onnet" becomes "Internet, on-net"; a code the page does not know is shown as it is.
export function bucketName(code) {
  const [kind, scope] = code.split(".");
  if (!has(`bucket.${kind}`)) return code;
  if (!scope || scope === "any") return t(`bucket.${kind}`);
  return `${t(`bucket.${kind}`)}, ${has(`scope.${scope}`) ? t(`scope.${scope}`) : scope}`;
}

export class MoneyPanel {
  constructor(refs) {
    this.refs = refs;
    this.main = null;
    this.seen = null;
  }

  show(account) {
    const { balance, plan } = this.refs;
    if (!account || account.main === null) {
      balance.textContent = "–";
      balance.title = account ? t("balanceUnknown") : "";
      plan.textContent = account ? t("balanceUnknown") : "";
    } else {
      balance.title = "";
      balance.textContent = money(account.main);
      balance.dataset.sign = account.main.startsWith("-") ? "negative" : "positive";
      plan.textContent = account.plan[language()] ?? "";
      this.move(account.main);
    }
    this.drawAllowances(account?.allowances ?? []);
    this.drawLines(account?.lines ?? []);
  }

  move(main) {
    const { delta } = this.refs;
    if (this.main !== null) {
      const { sign, text, changed } = difference(this.main, main);
      if (changed) {
        delta.textContent = money(sign + text, { plus: true });
        delta.dataset.sign = sign ? "down" : "up";
        delta.classList.remove("moved");
        void delta.offsetWidth; // restarts the animation
        delta.classList.add("moved");
      }
    }
    this.main = main;
  }

  drawAllowances(allowances) {
    const drawn = allowances.map(({ code, unit, left, initial, until }) => {
      const element = make("li");
      const amount = make("span", unit === "money" ? money(left) : quantity(unit, left), "left");
      if (until) amount.append(make("small", ` ${t("until", { date: day(until) })}`));
      element.append(make("span", bucketName(code), "name"), amount);
      if (initial > 0) {
        const share = Math.max(0, Math.min(100, (100 * left) / initial));
        const meter = make("span", "", "meter");
        meter.toggleAttribute("data-low", share <= LOW_SHARE);
        const fill = make("i");
        fill.style.width = `${share}%`;
        meter.append(fill);
        element.append(meter);
      }
      return element;
    });
    this.refs.allowances.replaceChildren(...(drawn.length ? drawn : [make("li", t("noAllowances"), "nothing")]));
  }

  drawLines(lines) {
    const fresh = this.seen === null ? new Set() : new Set(lines.map(({ id }) => id).filter((id) => !this.seen.has(id)));
    const drawn = lines.map((line) => {
      const element = make("li");
      element.dataset.sign = line.sign;
      if (fresh.has(line.id)) element.className = "fresh";
      const what = make("span", "", "what");
      const moved = line.parts.map(({ unit, amount }) => `${amount > 0 ? "+" : "−"}${quantity(unit, Math.abs(amount))}`);
      const aside = line.money === null ? [] : moved;
      const detail = [moment(line.at), line.peer ? phoneNumber(line.peer) : "", ...aside].filter(Boolean).join(" · ");
      what.append(make("b", has(`line.${line.what}`) ? t(`line.${line.what}`) : t("line.other")), make("small", detail));
      const sum = make("span", line.money === null ? "" : money(line.money, { plus: line.sign === "up" }), "sum");
      if (line.money === null) sum.append(make("small", moved.join(" ")));
      const mark = make("span", SIGNS[line.sign], "mark");
      mark.ariaHidden = "true";
      element.append(mark, what, sum);
      return element;
    });
    if (lines.length > 0 || this.seen !== null) this.seen = new Set(lines.map(({ id }) => id));
    this.refs.lines.replaceChildren(...(drawn.length ? drawn : [make("li", t("noLines"), "nothing")]));
  }
}
