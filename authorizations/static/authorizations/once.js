// Send a form only once: ignore a second click.
"use strict";

for (const form of document.querySelectorAll("form[data-once]")) {
  let sent = false;
  form.addEventListener("submit", (event) => {
    if (sent) event.preventDefault();
    sent = true;
  });
  // The browser restores this page as it was when the user goes back to it.
  window.addEventListener("pageshow", () => {
    sent = false;
  });
}
