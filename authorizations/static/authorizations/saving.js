// Before a page is sent: is the server there, and is its reader still logged in? If not, the page
// stays as it is, with all that was typed, and says what to do.
"use strict";

(() => {
  const { probe, login } = document.currentScript.dataset;
  const form = document.currentScript.closest("form");
  let state = "editing"; // then "asking", "cleared" and "sent"

  const obstacle = async () => {
    try {
      const signal = AbortSignal.timeout(5_000); // a database that hangs keeps everybody waiting
      const answer = await fetch(probe, { cache: "no-store", redirect: "manual", signal });
      if (answer.type === "opaqueredirect") return "You are no longer logged in, so nothing was saved.";
      return answer.ok ? "" : "The server can't save this at the moment. Wait a little, then save again.";
    } catch {
      return "The server can't be reached, so nothing was saved. Wait a little, then save again.";
    }
  };

  const tell = (sentence) => {
    form.querySelector(".desk-not-sent")?.remove();
    const panel = document.createElement("section");
    panel.className = "desk-panel desk-panel--declined desk-not-sent mb-6";
    panel.setAttribute("role", "alert");
    panel.append(`${sentence} All you typed is still here. `);
    if (sentence.includes("logged in")) {
      const link = document.createElement("a");
      Object.assign(link, { href: login, target: "_blank", className: "text-link", textContent: "Log in in another tab" });
      panel.append(link, ", then save here again.");
    }
    form.prepend(panel);
    panel.scrollIntoView({ block: "center" });
  };

  // Logging in again changed the token; the form still has the old one.
  const renewToken = () => {
    const token = document.cookie.match(/(?:^|; )(?:__Host-)?csrftoken=([^;]+)/);
    if (token) form.elements.csrfmiddlewaretoken.value = token[1];
  };

  form.addEventListener("submit", async (event) => {
    if (state === "cleared") {
      state = "sent";
      return;
    }
    event.preventDefault();
    if (state !== "editing") return; // clicked twice
    // The form as a whole is checked by the server; what two people changed is chosen first.
    const open = form.querySelector("#conflict input:invalid");
    if (open) return open.reportValidity();
    state = "asking";
    const sentence = await obstacle();
    state = sentence ? "editing" : "cleared";
    if (sentence) return tell(sentence);
    renewToken();
    form.requestSubmit(event.submitter);
  });

  // Back from the next page, as the browser kept this one.
  window.addEventListener("pageshow", () => {
    state = "editing";
  });
})();
