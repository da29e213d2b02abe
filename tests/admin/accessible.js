// What a keyboard or a screen reader can't use on the page as it is drawn, one sentence each; beside
// what axe finds.
() => {
  const problems = [];
  const seen = (element) => {
    const box = element.getBoundingClientRect();
    return box.width > 1 && box.height > 1 && element.checkVisibility({ opacityProperty: true, visibilityProperty: true });
  };
  const words = (element) => `${element.outerHTML.slice(0, 160).replace(/\s+/g, " ")}`;
  const stops = "a[href], button, input, select, textarea, summary, [tabindex], [contenteditable]";
  const isStop = (element) => element.matches(stops) && element.tabIndex >= 0 && !element.disabled && element.checkVisibility() && !element.closest("[inert]");

  // Whatever answers a click can be reached by Tab: itself, what holds it, or the field it is a label of.
  const clicked = "a, button, label, [role=button], [role=link], [x-on\\:click], [onclick], .cursor-pointer";
  for (const element of document.querySelectorAll(clicked)) {
    if (!seen(element) || element.closest("[aria-hidden=true], :disabled, svg")) continue;
    if (element.matches("a:not([href]):not([role])") && !element.matches("[x-on\\:click], [onclick]")) continue; // a name
    if (element.matches("label")) {
      const field = element.control;
      if (!field || isStop(field) || field.matches("[type=hidden], .admin-autocomplete, .unfold-admin-autocomplete")) continue;
      if (element.querySelector(stops) && isStop(element.querySelector(stops))) continue;
    } else if (isStop(element) || [...element.querySelectorAll(stops)].some(isStop)) continue;
    else if (element.parentElement.closest(stops) && isStop(element.parentElement.closest(stops))) continue;
    else if (!element.textContent.trim() && !element.children.length) continue; // what darkens the page
    problems.push(`no tab stop: ${words(element)}`);
  }
  return [...new Set(problems)];
}
