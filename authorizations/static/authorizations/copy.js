// Copy buttons: <button data-copy="id of the element whose text is copied" hidden>. This script shows
// them, as they need it to work.
"use strict";

(() => {
  const SHOWN_MS = 2000;
  const status = document.createElement("div");
  status.className = "desk-unseen";
  status.setAttribute("role", "status");

  // For pages without TLS, where browsers offer no clipboard.
  const copyOldWay = (text) => {
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "desk-unseen";
    document.body.append(area);
    area.select();
    const copied = document.execCommand("copy");
    area.remove();
    return copied;
  };

  const copy = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      return copyOldWay(text);
    }
  };

  const show = (button, word, sentence) => {
    const label = button.querySelector("[data-copy-word]");
    label.textContent = word;
    status.textContent = "";
    status.textContent = sentence;
    clearTimeout(button.timer);
    button.timer = setTimeout(() => { label.textContent = "Copy"; }, SHOWN_MS);
  };

  const select = (source) => {
    const range = document.createRange();
    range.selectNodeContents(source);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
  };

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const source = document.getElementById(button.dataset.copy);
    const copied = await copy(source.textContent.trim());
    button.focus();
    if (copied) return show(button, "Copied", "Copied");
    select(source);
    show(button, "Press Ctrl+C", "The browser did not allow copying. The text is selected: press Ctrl+C.");
  });

  document.addEventListener("DOMContentLoaded", () => {
    document.body.append(status);
    document.querySelectorAll("[data-copy]").forEach((button) => { button.hidden = false; });
  });
})();
