// Before a page is sent, check that the server answers and the user is still logged in. If not, the
// page stays as it is, with everything that was typed, and says what to do.
"use strict";

(() => {
  const { probe, login } = document.currentScript.dataset;
  const form = document.currentScript.closest("form");
  let state = "editing"; // then "asking", "cleared" and "sent"

  const obstacle = async () => {
    try {
      const signal = AbortSignal.timeout(5_000); // the database may hang
      const answer = await fetch(probe, { cache: "no-store", redirect: "manual", signal });
      if (answer.type === "opaqueredirect") return "You are no longer logged in, so nothing was saved.";
      return answer.ok ? "" : "The server can't save this at the moment. Wait a moment, then save again.";
    } catch {
      return "The server can't be reached, so nothing was saved. Wait a moment, then save again.";
    }
  };

  const show = (sentence) => {
    form.querySelector(".desk-not-sent")?.remove();
    const panel = document.createElement("section");
    panel.className = "desk-panel desk-panel--declined desk-not-sent mb-6";
    panel.setAttribute("role", "alert");
    panel.append(`${sentence} Everything you typed is still here. `);
    if (sentence.includes("logged in")) {
      const link = document.createElement("a");
      Object.assign(link, { href: login, target: "_blank", className: "text-link", textContent: "Log in in another tab" });
      panel.append(link, ", then save here again.");
    }
    form.prepend(panel);
    panel.scrollIntoView({ block: "center" });
  };

  // A new log-in changes the token; the form still has the old one.
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
    if (state !== "editing") return; // a second click
    // The server validates the form; only the choices of a merge are checked here.
    const open = form.querySelector("#conflict input:invalid");
    if (open) return open.reportValidity();
    state = "asking";
    const sentence = await obstacle();
    state = sentence ? "editing" : "cleared";
    if (sentence) return show(sentence);
    renewToken();
    form.requestSubmit(event.submitter);
  });

  // The browser restores this page as it was when the user goes back to it.
  window.addEventListener("pageshow", () => {
    state = "editing";
  });
})();
