"""What is asked of a page in its own language."""

NAMES_OF_FIELDS = """
(nodes) => nodes.filter((one) => one.checkVisibility()).map((one) =>
  (one.labels && one.labels[0] && one.labels[0].innerText.trim()) || one.getAttribute("aria-label")
  || one.name || one.id || one.placeholder || one.tagName.toLowerCase())
"""
"""Fields -> what a person would call those that can be seen."""

NAMES_OF_BUTTONS = """
(nodes) => nodes.filter((one) => one.checkVisibility()).map((one) =>
  (one.getAttribute("aria-label") || one.innerText || one.value || one.title || "").trim()).filter(Boolean)
"""
"""Buttons -> the words on those that can be seen."""

DESCRIBE = """
(one) => {
  const form = one.form || one.closest("form");
  const sends = form
    && one.matches("button:not([type=button]):not([type=reset]), [type=submit], [type=image]");
  const secret = (name) => /token|csrf|nonce|secret/i.test(name)
    || form.querySelector(`[type=password][name="${CSS.escape(name)}"]`);
  const fields = () => [...new FormData(form)].map(([name, value]) =>
    [name, secret(name) ? "***" : String(value)]);
  return {
    tag: one.tagName.toLowerCase(),
    type: (one.type || "").toString(),
    text: (one.innerText || one.value || one.getAttribute("aria-label") || "").trim().slice(0, 200),
    href: one.href || null,
    form: sends ? {
      method: (one.getAttribute("formmethod") || form.getAttribute("method") || "get").toUpperCase(),
      url: one.hasAttribute("formaction") ? one.formAction
        : new URL(form.getAttribute("action") || "", document.URL).href,
      fields: Object.fromEntries(fields()),
    } : null,
  };
}
"""
"""An element -> tag, type, words, and what its form would send where it sends one."""

READ = """
(one) => one.type === "checkbox" || one.type === "radio" ? one.checked
  : one.tagName === "SELECT" ? (one.selectedOptions[0] ? one.selectedOptions[0].label : "")
  : one.isContentEditable ? one.innerText : one.value
"""
"""A field -> its text, the label of the chosen option, or whether the box is ticked."""

OPTIONS = "(one) => [...one.options].map((option) => [option.label, option.value])"
"""A field to choose in -> label and value of each option."""

TABLE = """
(one) => [...one.rows].map((row) => [...row.cells].map((cell) => {
  const copy = cell.cloneNode(true);
  copy.querySelectorAll("[aria-hidden=true], script, style").forEach((part) => part.remove());
  return copy.textContent.replace(/\\s+/g, " ").trim();
}))
"""
"""A table -> the texts of its cells, without what a reader of the screen leaves out."""

LINKS = "(nodes) => nodes.map((one) => ({text: one.innerText.trim(), url: one.href}))"
"""Links -> words and address."""

FETCH = "(one) => fetch(one.href).then(async (answer) => [answer.status, await answer.text()])"
"""A link -> status and text of what it leads to."""
