// Scripts of the policy page beyond unfold's: Enter takes a match rather than the typed text, added
// rows get their lists, rows show only the fields that apply, and limits fold.
"use strict";

(() => {
  const OPEN_LIMITS = 3; // with more limits, all start folded, so that they read as a list

  const $ = django.jQuery;

  // After the matches, not before: typed text counts only if nothing on the list matches.
  $.fn.select2.defaults.set("insertTag", (matches, typed) => matches.push(typed));

  // Long lists are on the page once; other fields copy the missing options when they open.
  $(document).on("select2:opening", "select[data-options-of]", ({ target }) => {
    const have = new Set(Array.from(target.options, (option) => option.value));
    for (const option of document.getElementById(target.dataset.optionsOf).options) {
      if (!have.has(option.value)) target.append(new Option(option.text, option.value));
    }
  });

  const intervals = (root) => root.querySelectorAll("select[name$='-interval']");

  const INTERVALS_OF = {
    rolling_length: ["rolling"],
    month_starts: ["monthly"],
    year_starts_month: ["quarterly", "yearly"],
  };

  const showFieldsOf = (interval) => {
    for (const [field, shown] of Object.entries(INTERVALS_OF)) {
      const line = interval.closest("fieldset").querySelector(`.field-${field}`);
      line.closest(".form-row").hidden = !shown.includes(interval.value);
    }
  };

  // What follows when a number of attempts is reached: shown where there is one, or it is set.
  const showFreezeOf = (attempts) => {
    const fieldset = attempts.closest("fieldset");
    const field = (name) => fieldset.querySelector(`[name$='-${name}']`);
    const isSet = field("then_freeze").checked || field("then_freeze_minutes").value;
    fieldset.querySelector(".field-then_freeze").closest(".form-row").hidden = !attempts.value && !isSet;
  };

  const attemptsIn = (root) => root.querySelectorAll("input[name$='-attempts']");

  const fold = (limit, open) => {
    limit.querySelector(".desk-fold").setAttribute("aria-expanded", open);
    for (const part of limit.querySelectorAll("fieldset")) part.hidden = !open;
  };

  const makeFoldable = (limit, open) => {
    const title = limit.querySelector("h3 strong");
    const button = document.createElement("button");
    button.type = "button";
    button.className = "desk-fold";
    title.replaceWith(button);
    button.append(title);
    button.addEventListener("click", () => fold(limit, button.getAttribute("aria-expanded") === "false"));
    fold(limit, open);
  };

  const foldLimits = () => {
    const limits = document.querySelectorAll("#spending_limits-data > .form-group:not(.empty-form)");
    const merged = Array.from(document.querySelectorAll("#conflict [data-field]"), (it) => it.dataset.field);
    for (const limit of limits) {
      const hasErrors = limit.querySelector(".errors, .errornote, .errorlist") !== null;
      const isNew = !limit.classList.contains("original"); // it has no meaningful title yet
      const isMerged = merged.some((name) => name.startsWith(`${limit.id}-`));
      makeFoldable(limit, limits.length <= OPEN_LIMITS || hasErrors || isNew || isMerged);
    }
  };

  document.addEventListener("DOMContentLoaded", () => {
    intervals(document).forEach(showFieldsOf);
    attemptsIn(document).forEach(showFreezeOf);
    foldLimits();
  });

  document.addEventListener("change", (event) => {
    if (event.target.matches("select[name$='-interval']")) showFieldsOf(event.target);
  });

  document.addEventListener("input", (event) => {
    if (event.target.matches("input[name$='-attempts']")) showFreezeOf(event.target);
  });

  document.addEventListener("formset:added", (event) => {
    $(event.target).find(".unfold-admin-autocomplete").djangoCustomSelect2();
    intervals(event.target).forEach(showFieldsOf);
    attemptsIn(event.target).forEach(showFreezeOf);
    if (event.target.closest("#spending_limits-data")) makeFoldable(event.target, true);
  });
})();
