// A form that must be sent once: a second click does nothing.
"use strict";

for (const form of document.querySelectorAll("form[data-once]")) {
  let sent = false;
  form.addEventListener("submit", (event) => {
    if (sent) event.preventDefault();
    sent = true;
  });
  // Back from the next page, as the browser kept this one.
  window.addEventListener("pageshow", () => {
    sent = false;
  });
}
