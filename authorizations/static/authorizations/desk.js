// What unfold leaves out, on all pages.

// It makes buttons of what a keyboard can't reach: spans, and links that lead nowhere.
document.addEventListener("DOMContentLoaded", () => {
  const unreachable = "[x-on\\:click]:not(a[href], button, input, label, select, summary)";
  for (const element of document.querySelectorAll(unreachable)) {
    if (!element.textContent.trim()) continue; // what darkens the page behind a menu
    element.tabIndex = 0;
    element.setAttribute("role", "button");
  }
  document.addEventListener("keydown", (event) => {
    if ((event.key !== "Enter" && event.key !== " ") || !event.target.matches(unreachable)) return;
    event.preventDefault();
    event.target.click();
  });
});

// Paper is white, whatever the theme.
(() => {
  let dark = false;
  addEventListener("beforeprint", () => {
    dark = document.documentElement.classList.contains("dark");
    document.documentElement.classList.remove("dark");
  });
  addEventListener("afterprint", () => document.documentElement.classList.toggle("dark", dark));
})();
