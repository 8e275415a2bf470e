// SPDX-License-Identifier: LGPL-3.0-or-later
/* Before the first paint: the theme that was chosen, if one was. Not a module, because those wait. */
try {
  const theme = localStorage.getItem("rosin-theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // No storage in this window: as the system says.
}
