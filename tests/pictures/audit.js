// Looks at the page as it is drawn, and lists what is wrong with it, one sentence each.
() => {
  const problems = [];
  const pixel = document.createElement("canvas").getContext("2d", { willReadFrequently: true });

  // Any colour CSS knows, as [red, green, blue, alpha].
  const rgba = (color) => {
    pixel.clearRect(0, 0, 1, 1);
    pixel.fillStyle = color;
    pixel.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = pixel.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, under) => top.map((part, i) => (i === 3 ? 1 : part * top[3] + under[i] * (1 - top[3])));
  const ground = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) {
      layers.push(rgba(getComputedStyle(at).backgroundColor));
      if (layers.at(-1)[3] === 1) break;
    }
    return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255, 1]);
  };
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((v) => (v / 255 <= 0.04045 ? v / 3294.6 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const contrast = (color, element) => {
    const under = ground(element);
    const [a, b] = [light(over(rgba(color), under)), light(under)];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  };
  const seen = (element) => {
    const box = element.getBoundingClientRect();
    return box.width > 1 && box.height > 1 && element.checkVisibility({ opacityProperty: true, visibilityProperty: true });
  };
  const name = (element) =>
    `${element.tagName.toLowerCase()}${element.id ? "#" + element.id : ""}${element.className?.trim ? "." + element.className.trim().split(/\s+/).slice(0, 3).join(".") : ""}`;
  const complain = (what, element) => problems.push(`${what}: ${name(element)} "${(element.textContent || element.placeholder || "").trim().slice(0, 40)}"`);

  // Text of AA contrast: 4.5, large text and icons 3. What is disabled is exempt.
  for (const element of document.body.querySelectorAll("*")) {
    const words = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!words || !seen(element) || element.closest(":disabled, option, svg, script, style")) continue;
    const style = getComputedStyle(element);
    const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.6 && style.fontWeight >= 700);
    const least = large || element.classList.contains("material-symbols-outlined") ? 3 : 4.5;
    const measured = contrast(style.color, element);
    if (measured < least - 0.005) complain(`contrast ${measured.toFixed(2)}, not ${least}`, element);
  }
  for (const field of document.querySelectorAll("input[placeholder], textarea[placeholder]")) {
    if (!seen(field) || !field.placeholder) continue;
    const measured = contrast(getComputedStyle(field, "::placeholder").color, field);
    if (measured < 4.5) complain(`placeholder's contrast ${measured.toFixed(2)}`, field);
  }

  // A name for whatever can be used.
  for (const field of document.querySelectorAll("input:not([type=hidden]), select, textarea")) {
    if (!seen(field) || field.classList.contains("select2-search__field")) continue;
    if (!field.labels?.length && !field.getAttribute("aria-label") && !field.getAttribute("aria-labelledby") && !field.title)
      complain("field without a label", field);
  }
  for (const link of document.querySelectorAll("a[href], button")) {
    if (link.closest("svg") && link.tabIndex < 0) continue; // a chart, told again by its table
    const icons = [...link.querySelectorAll(".material-symbols-outlined")].reduce((n, icon) => n + icon.textContent.trim().length, 0);
    const words = link.textContent.trim().length - icons;
    if (seen(link) && words <= 0 && !link.getAttribute("aria-label") && !link.title && !link.querySelector("img[alt]:not([alt=''])"))
      complain("link or button without a name", link);
  }
  for (const image of document.querySelectorAll("img:not([alt])")) complain("picture without alt", image);

  // One h1, no level left out.
  const headings = [...document.querySelectorAll("#main :is(h1, h2, h3, h4), main :is(h1, h2, h3, h4)")].filter(seen);
  const levels = headings.map((heading) => +heading.tagName[1]);
  if (levels.filter((level) => level === 1).length !== 1) problems.push(`${levels.filter((l) => l === 1).length} h1 on the page`);
  levels.forEach((level, i) => i && level > levels[i - 1] + 1 && complain(`heading jumps from h${levels[i - 1]} to h${level}`, headings[i]));

  // The title can be read, whatever stands beside it.
  const title = document.querySelector("#main h1");
  if (title && title.clientWidth < Math.min(title.scrollWidth, 90)) complain("title squeezed", title);

  // Ids are unique, and nothing sticks out sideways.
  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  for (const id of new Set(ids.filter((id, i) => ids.indexOf(id) !== i))) problems.push(`two elements with id ${id}`);
  const wide = document.documentElement.scrollWidth;
  if (wide > innerWidth) {
    problems.push(`${wide} pixels wide, the window ${innerWidth}`);
    for (const element of document.querySelectorAll("#main *, main *"))
      if (seen(element) && element.getBoundingClientRect().right > innerWidth + 1 && !element.closest(".desk-scroll, .overflow-x-auto")) {
        complain("sticks out", element);
        break;
      }
  }
  if (/\bundefined\b|\bNaN\b|\{\{|\{%/.test(document.querySelector("#content, main")?.innerText ?? "")) problems.push("NaN, undefined or a template's braces among the words");
  return [...new Set(problems)];
}
