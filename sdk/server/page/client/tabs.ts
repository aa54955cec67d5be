/**
 * Tabs: arrow keys go from one to the next, as screen readers announce.
 *
 * @module
 */
/// <reference lib="dom" />
import { element } from "./dom.ts";

/**
 * Makes tabs of buttons with the role `tab`, each of which controls a panel.
 *
 * @param list The element with the role `tablist`.
 * @returns Shows the tab of a panel.
 */
export function makeTabs(list: HTMLElement): (panel: string) => void {
  const tabs = [...list.querySelectorAll<HTMLElement>("[role=tab]")];
  const panelOf = (tab: HTMLElement): string => tab.getAttribute("aria-controls") ?? "";
  const show = (panel: string): void => {
    for (const tab of tabs) {
      const chosen = panelOf(tab) === panel;
      tab.setAttribute("aria-selected", String(chosen));
      tab.tabIndex = chosen ? 0 : -1;
      element(panelOf(tab), HTMLElement).hidden = !chosen;
    }
  };
  list.addEventListener("click", ({ target }) => {
    const tab = tabs.find((tab) => tab.contains(target as Node));
    if (tab) show(panelOf(tab));
  });
  list.addEventListener("keydown", (event) => {
    const at = tabs.indexOf(document.activeElement as HTMLElement);
    const next = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: -1 }[event.key];
    const tab = next === undefined ? undefined : tabs.at(next % tabs.length);
    if (at < 0 || !tab) return;
    event.preventDefault();
    show(panelOf(tab));
    tab.focus();
  });
  return show;
}
