// The message screen: one thread of everything the phone sent and received, newest at the end.

import { money, moment, reason, t } from "./i18n.js";

function line(className, text) {
  const element = document.createElement("span");
  element.className = className;
  element.textContent = text;
  return element;
}

export class MessageThread {
  constructor(list, nameOf) {
    this.list = list;
    this.nameOf = nameOf;
    this.messages = new Map();
    this.unread = 0;
  }

  load(messages) {
    this.messages = new Map(messages.map((message) => [message.message_id, message]));
  }

  // Returns whether the message is new.
  put(message) {
    const known = this.messages.has(message.message_id);
    this.messages.set(message.message_id, message);
    const element = this.draw(message);
    const old = this.list.querySelector(`[data-id="${message.message_id}"]`);
    if (old) old.replaceWith(element);
    else {
      this.list.querySelector(".note")?.remove();
      this.list.append(element);
    }
    this.toEnd();
    return !known;
  }

  redraw() {
    const drawn = [...this.messages.values()].map((message) => this.draw(message));
    if (drawn.length === 0) {
      const note = document.createElement("li");
      note.className = "note";
      note.textContent = t("noMessages");
      drawn.push(note);
    }
    this.list.replaceChildren(...drawn);
    this.toEnd();
  }

  draw(message) {
    const mine = message.state !== "received";
    const element = document.createElement("li");
    element.className = mine ? "sms mine" : "sms";
    element.dataset.id = message.message_id;
    element.dataset.state = message.state;
    const peer = this.nameOf(message.peer);
    element.append(line("peer", mine ? t("to", { peer }) : peer), line("bubble", message.text), line("tail", this.tail(message)));
    return element;
  }

  tail(message) {
    const time = moment(message.at);
    if (message.state === "received") return time;
    if (message.state === "sending") return t("sending");
    if (message.state === "failed") return t("failed", { reason: reason(message.reason) });
    const cost = message.cost === null ? "" : ` · ${money(message.cost)}`;
    return `${time} · ${t("sent")}${cost}`;
  }

  toEnd() {
    this.list.scrollTop = this.list.scrollHeight;
  }
}
