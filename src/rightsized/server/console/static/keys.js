// One key for what is done often: an element with data-key is clicked, or focused where it is a field, when that key
// is pressed outside of a field. A textarea with data-submit sends its form on Ctrl+Enter.

const FIELDS = "input:not([type=checkbox]), textarea, select";

document.addEventListener("keydown", (event) => {
  const inField = event.target.closest(FIELDS);
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && inField?.matches("[data-submit]")) {
    event.preventDefault();
    inField.form.requestSubmit();
    return;
  }
  if (event.key === "Enter" && event.target.closest("a, button, summary")) return;
  if (inField || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const wanted = [...document.querySelectorAll("[data-key]")].find((element) => element.dataset.key === event.key);
  if (!wanted) return;
  event.preventDefault();
  if (wanted.matches(FIELDS)) wanted.focus();
  else wanted.click();
});
