// One phone: its screen and what its buttons do. What the network says goes in as text, never as markup.

import { phoneApi } from "./api.js";
import { money, phoneNumber, quantity, reason, t, talk, translate } from "./i18n.js";
import { MessageThread } from "./messages.js";
import { drawCards } from "./cards.js";
import { MoneyPanel } from "./money.js";

const KEYS = ["1", "2 abc", "3 def", "4 ghi", "5 jkl", "6 mno", "7 pqrs", "8 tuv", "9 wxyz", "*", "0 +", "#"];
const QUICK = [["*111*1#", "codeBalance"], ["*111#", "codeMenu"]];
const MEGABYTE = 1e6;

function build(index) {
  const element = document.getElementById("phone").content.firstElementChild.cloneNode(true);
  for (const node of [element, ...element.querySelectorAll("*")]) {
    for (const attribute of node.attributes) {
      if (attribute.value.includes("{n}")) attribute.value = attribute.value.replaceAll("{n}", index);
    }
  }
  const refs = {};
  for (const node of element.querySelectorAll("[ref]")) {
    refs[node.getAttribute("ref")] = node;
    node.removeAttribute("ref");
  }
  return { element, refs };
}

export class Phone {
  constructor(handset, index, { complain, news }) {
    const { element, refs } = build(index);
    this.element = element;
    this.refs = refs;
    this.number = handset.number;
    this.complain = complain;
    this.news = () => news(this);
    this.api = phoneApi(handset.number);
    this.peers = [];
    this.cards = [];
    this.scratched = new Set();
    this.thread = new MessageThread(refs.thread, (peer) => this.nameOf(peer));
    this.panel = new MoneyPanel(refs);
    this.view = "dial";
    translate(element);
    this.prepareDial();
    this.prepareForms();
    this.prepareTabs();
    this.load(handset);
  }

  load(handset) {
    this.handset = handset;
    this.owner = handset.owner;
    this.brand = handset.brand;
    this.element.dataset.brand = handset.brand;
    this.element.dataset.number = handset.number;
    this.refs.avatar.textContent = handset.owner.slice(0, 1);
    this.refs.name.textContent = handset.owner;
    this.refs.number.textContent = phoneNumber(handset.number);
    this.refs.operator.textContent = handset.brand === "kcell" ? "Kcell" : handset.brand;
    this.thread.load(handset.messages);
    this.redraw();
  }

  // The other phones and the payment cards, as the whole lab knows them.
  know({ peers, cards }) {
    this.peers = peers;
    this.cards = cards;
    this.refs.peers.replaceChildren(
      ...peers.map(({ number, owner }) => new Option(owner, number)),
      new Option(t("serviceNumber"), "111"),
    );
    this.thread.redraw();
    this.drawQuick();
    this.drawCards();
  }

  nameOf(peer) {
    return this.peers.find(({ number }) => number === peer)?.owner ?? phoneNumber(peer);
  }

  update(part, value) {
    if (part === "message") {
      if (this.thread.put(value) && value.state === "received" && this.view !== "messages") this.thread.unread += 1;
      if (value.state === "received") this.news();
      this.drawBadge();
      return;
    }
    this.handset[part] = value;
    ({ dialogue: () => this.drawDialogue(), call: () => this.drawCall(), data: () => this.drawData(), account: () => this.panel.show(value) })[part]?.();
  }

  redraw() {
    translate(this.element);
    for (const option of this.refs.talk.options) option.textContent = quantity("seconds", Number(option.value));
    for (const option of this.refs.volume.options) option.textContent = quantity("bytes", Number(option.value) * MEGABYTE);
    this.thread.redraw();
    this.panel.show(this.handset.account);
    this.drawQuick();
    this.drawCards();
    this.drawDialogue();
    this.drawCall();
    this.drawData();
    this.drawBadge();
    this.drawTabs();
  }

  async try(action) {
    try {
      await action();
      return true;
    } catch (refused) {
      this.complain(refused.code ?? "unavailable");
      return false;
    }
  }

  // ---- dial pad ----

  prepareDial() {
    const { keys, digits, erase, dialForm, talk: talkTime } = this.refs;
    for (const key of KEYS) {
      const [digit, letters = ""] = key.split(" ");
      const button = document.createElement("button");
      button.type = "button";
      button.append(digit);
      const small = document.createElement("small");
      small.textContent = letters.toUpperCase();
      small.ariaHidden = "true";
      if (!"*#".includes(digit)) button.append(small);
      button.setAttribute("aria-label", digit);
      button.addEventListener("click", () => (digits.value = (digits.value + digit).slice(0, digits.maxLength)));
      keys.append(button);
    }
    erase.addEventListener("click", () => (digits.value = digits.value.slice(0, -1)));
    dialForm.addEventListener("submit", (event) => {
      event.preventDefault();
      const typed = digits.value.replaceAll(/[\s()-]/g, "");
      if (typed) this.dial(typed, Number(talkTime.value));
    });
  }

  async dial(typed, seconds) {
    const done = await this.try(() => (/^[*#]/.test(typed) ? this.api.dial(typed) : this.api.call(typed, seconds)));
    if (done) this.refs.digits.value = "";
  }

  drawQuick() {
    const codes = QUICK.map(([code, key]) => [t(key), code]);
    const friends = this.peers.slice(0, 1).map(({ owner, number }) => [owner, `+${number}`]);
    this.refs.quick.replaceChildren(
      ...[...codes, ...friends].map(([label, code]) => {
        const button = document.createElement("button");
        button.type = "button";
        button.textContent = label;
        button.title = code;
        button.addEventListener("click", () => {
          this.refs.digits.value = code;
          this.refs.digits.focus();
        });
        return button;
      }),
    );
  }

  // ---- forms of the other screens ----

  prepareForms() {
    const { smsForm, to, text, dataForm, volume, ussdForm, ussdCancel, answer, ussd, hangup, calling } = this.refs;
    smsForm.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (!to.value.trim() || !text.value) return (to.value.trim() ? text : to).focus();
      const written = text.value;
      text.value = "";
      if (!(await this.try(() => this.api.sms(to.value.trim(), written)))) text.value = written;
    });
    text.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        smsForm.requestSubmit();
      }
    });
    dataForm.addEventListener("submit", (event) => {
      event.preventDefault();
      const technology = dataForm.querySelector("input:checked").value;
      this.try(() => (this.handset.data?.running ? this.api.stopData() : this.api.useData(Number(volume.value), technology)));
    });
    dataForm.addEventListener("change", () => this.drawData());
    ussdForm.addEventListener("submit", (event) => {
      event.preventDefault();
      this.replyToDialogue();
    });
    ussdCancel.addEventListener("click", () => this.try(() => this.api.closeDialogue()));
    ussd.addEventListener("keydown", (event) => event.key === "Escape" && this.try(() => this.api.closeDialogue()));
    hangup.addEventListener("click", () => this.try(() => this.api.hangUp()));
    calling.addEventListener("keydown", (event) => event.key === "Escape" && this.try(() => this.api.hangUp()));
    answer.addEventListener("input", () => this.drawDialogueButtons());
  }

  // ---- USSD ----

  replyToDialogue() {
    const { answer } = this.refs;
    if (this.handset.dialogue?.state !== "open") return this.try(() => this.api.closeDialogue());
    const typed = answer.value.trim();
    if (!typed) return answer.focus();
    answer.value = "";
    return this.try(() => this.api.answer(typed));
  }

  drawDialogue() {
    const { ussd, ussdText, ussdCode, answer } = this.refs;
    const dialogue = this.handset.dialogue;
    const hadFocus = ussd.contains(document.activeElement);
    this.cover(ussd, dialogue);
    if (!dialogue) {
      answer.value = "";
      if (hadFocus) this.refs.digits.focus({ preventScroll: true });
      return;
    }
    ussdCode.textContent = dialogue.dialled;
    ussdText.toggleAttribute("data-waiting", dialogue.state === "waiting");
    ussdText.toggleAttribute("data-bad", Boolean(dialogue.reason));
    if (dialogue.state === "waiting") ussdText.replaceChildren(waitingDots());
    else ussdText.textContent = dialogue.reason ? reason(dialogue.reason) : dialogue.text;
    ussdText.scrollTop = 0;
    answer.hidden = dialogue.state === "closed";
    answer.disabled = dialogue.state === "waiting";
    this.drawDialogueButtons();
    if (hadFocus || this.element.contains(document.activeElement)) {
      const target = { open: answer, closed: this.refs.ussdSend, waiting: ussdText }[dialogue.state];
      target.focus({ preventScroll: true });
    }
  }

  drawDialogueButtons() {
    const { ussdSend, ussdCancel } = this.refs;
    const state = this.handset.dialogue?.state;
    ussdSend.textContent = state === "closed" ? t("ok") : t("send");
    ussdSend.disabled = state === "waiting";
    ussdCancel.hidden = state === "closed";
  }

  // ---- calls ----

  drawCall() {
    const { calling, callState, callPeer, callTimer, callCost, hangup } = this.refs;
    const call = this.handset.call;
    const hadFocus = calling.contains(document.activeElement);
    const wasHidden = calling.hidden;
    this.cover(calling, call);
    if (!call) {
      if (hadFocus) this.refs.digits.focus({ preventScroll: true });
      return;
    }
    const live = call.state !== "ended";
    calling.toggleAttribute("data-live", live);
    const states = { dialling: t("dialling"), talking: call.outgoing ? t("talking") : t("incoming"), ended: call.reason ? t("endedWhy", { reason: reason(call.reason) }) : t("ended") };
    if (callState.textContent !== states[call.state]) callState.textContent = states[call.state];
    callPeer.textContent = this.nameOf(call.peer);
    callTimer.textContent = talk(call.seconds);
    callCost.textContent = call.cost === null ? "" : t("cost", { cost: money(call.cost) });
    hangup.textContent = live ? t("hangUp") : t("close");
    if (wasHidden && this.element.contains(document.activeElement)) hangup.focus({ preventScroll: true });
    if (wasHidden && !call.outgoing) this.news();
  }

  cover(sheet, content) {
    sheet.hidden = !content;
    const covered = Boolean(this.handset.dialogue || this.handset.call);
    for (const view of this.element.querySelectorAll(".view")) view.inert = covered;
  }

  // ---- internet ----

  drawData() {
    const { gauge, arc, used, wanted, dataCost, dataButton, dataForm, technology, volume } = this.refs;
    const data = this.handset.data;
    const total = data ? data.wanted_bytes : Number(volume.value) * MEGABYTE;
    const share = data ? Math.min(100, (100 * data.used_bytes) / total) : 0;
    gauge.setAttribute("aria-valuenow", String(Math.round(share)));
    gauge.toggleAttribute("data-empty", share === 0);
    arc.style.strokeDasharray = `${share} 100`;
    used.textContent = quantity("bytes", data ? data.used_bytes : 0);
    wanted.textContent = t("of", { total: quantity("bytes", total) });
    const cost = money(data?.cost ?? "0.00");
    const failed = Boolean(data?.reason) && data.reason !== "stopped";
    dataCost.toggleAttribute("data-bad", failed);
    if (!data) dataCost.textContent = t("dataReady");
    else if (data.running) dataCost.textContent = t("dataRunning", { cost });
    else dataCost.textContent = data.reason ? t("dataStopped", { reason: reason(data.reason), cost }) : t("dataDone", { cost });
    technology.textContent = data?.running ? data.technology : dataForm.querySelector("input:checked").value;
    dataButton.textContent = data?.running ? t("stop") : t("start");
    dataButton.toggleAttribute("data-stop", Boolean(data?.running));
  }

  // ---- payment cards ----

  drawCards() {
    drawCards(this.refs.cards, this.cards, this.scratched, {
      scratch: (card) => {
        this.scratched.add(card.serial);
        this.drawCards();
        this.refs.cards.querySelector(`[data-serial="${card.serial}"] .topup`)?.focus();
      },
      use: (card) => this.dial(card.dial, 0),
    });
  }

  // ---- tabs ----

  prepareTabs() {
    const tabs = [...this.refs.tabs.children];
    this.refs.tabs.addEventListener("click", (event) => {
      const tab = event.target.closest("button");
      if (tab) this.open(tab.dataset.view);
    });
    this.refs.tabs.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      const edge = { Home: 0, End: tabs.length - 1 }[event.key];
      if (step === undefined && edge === undefined) return;
      event.preventDefault();
      const at = tabs.findIndex((tab) => tab.dataset.view === this.view);
      const next = tabs[edge ?? (at + step + tabs.length) % tabs.length];
      this.open(next.dataset.view);
      next.focus();
    });
  }

  open(view) {
    this.view = view;
    if (view === "messages") this.thread.unread = 0;
    this.drawTabs();
    this.drawBadge();
    if (view === "messages") this.thread.toEnd();
  }

  drawTabs() {
    for (const tab of this.refs.tabs.children) {
      const chosen = tab.dataset.view === this.view;
      tab.setAttribute("aria-selected", String(chosen));
      tab.tabIndex = chosen ? 0 : -1;
      this.refs[`${tab.dataset.view}View`].hidden = !chosen;
    }
  }

  drawBadge() {
    const { badge } = this.refs;
    badge.hidden = this.thread.unread === 0;
    badge.textContent = String(Math.min(99, this.thread.unread));
    badge.setAttribute("aria-label", t("unread", { n: this.thread.unread }));
  }
}

function waitingDots() {
  const dots = document.createElement("span");
  dots.className = "dots";
  dots.setAttribute("role", "img");
  dots.setAttribute("aria-label", t("waiting"));
  dots.append(document.createElement("i"), document.createElement("i"), document.createElement("i"));
  return dots;
}
