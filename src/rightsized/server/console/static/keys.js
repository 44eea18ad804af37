// One key for what is done often: an element with data-key="key key" is clicked, or focused where it is a field, when one
// of its keys is pressed outside of a field. A select with data-key sends its form on Enter, a textarea with data-submit
// on Ctrl+Enter; Escape leaves a field.

const FIELDS = "input:not([type=checkbox]), textarea, select";

document.addEventListener("keydown", (event) => {
  const inField = event.target.closest(FIELDS);
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && inField?.matches("[data-submit]")) {
    event.preventDefault();
    inField.form.requestSubmit();
    return;
  }
  if (event.key === "Enter" && inField?.matches("select[data-key]")) {
    event.preventDefault();
    inField.form.requestSubmit(inField.form.querySelector("button"));
    return;
  }
  if (event.key === "Escape" && inField) inField.blur();
  if (event.key === "Enter" && event.target.closest("a, button, summary")) return;
  if (inField || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const wanted = [...document.querySelectorAll("[data-key]")].find((element) => element.dataset.key.split(" ").includes(event.key));
  if (!wanted) return;
  event.preventDefault();
  if (wanted.matches(FIELDS)) wanted.focus();
  else wanted.click();
});
