// Updates a page in place instead of loading it anew. A form or link with data-swap="id id" is sent as it would be
// anyway; of the page that comes back, only the elements named are taken. Without this file everything still works.

document.documentElement.classList.add("scripted");

/** Takes the named elements out of an answer; where one is missing (an error page) takes all of its main part. */
function take(html, names) {
  const page = new DOMParser().parseFromString(html, "text/html");
  const parts = names.split(" ").map((name) => [document.getElementById(name), page.getElementById(name)]);
  const whole = parts.some(([here, there]) => here && !there);
  for (const [here, there] of whole ? [[document.querySelector("main"), page.querySelector("main")]] : parts) {
    if (here && there) here.replaceWith(document.adoptNode(there));
  }
  document.querySelector("[data-focus]")?.focus({ preventScroll: true });
}

async function swap(element, address, options, names) {
  element.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(address, { ...options, headers: { Accept: "text/html" } });
    take(await answer.text(), names);
    if (answer.redirected) history.replaceState(null, "", answer.url);
  } catch {
    const note = document.createElement("p");
    note.className = "note alert";
    note.setAttribute("role", "alert");
    note.textContent = "The server cannot be reached. Is it still running? Start it with: rightsized serve";
    document.getElementById(names.split(" ")[0])?.prepend(note);
  } finally {
    element.removeAttribute("aria-busy");
  }
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.dataset.swap || event.defaultPrevented) return;
  event.preventDefault();
  if (form.getAttribute("aria-busy")) return;
  const fields = new FormData(form);
  if (event.submitter?.name) fields.append(event.submitter.name, event.submitter.value);
  swap(form, form.getAttribute("action"), { method: "POST", body: new URLSearchParams(fields) }, form.dataset.swap);
});

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-swap]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  swap(link, link.href, {}, link.dataset.swap).then(() => history.replaceState(null, "", link.href));
});

setInterval(() => {
  const live = document.querySelector("[data-refresh]");
  if (!live || document.hidden || live.contains(document.activeElement)) return;
  fetch(location.href, { headers: { Accept: "text/html" } })
    .then((answer) => answer.text())
    .then((html) => take(html, live.id))
    .catch(() => {}); // the next tick tries again
}, 2000);
