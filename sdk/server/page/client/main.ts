/**
 * The page of a server.
 *
 * @module
 */
/// <reference lib="dom" />
import { serverApi } from "./api.ts";
import { chatPanel } from "./chat_panel.ts";
import { element } from "./dom.ts";
import { tablePanel } from "./table_panel.ts";
import { makeTabs } from "./tabs.ts";

/** What the server writes into the page. */
interface Setup {
  readonly classifier: boolean;
  readonly lm: boolean;
  readonly prompts: readonly string[];
}

const content = document.querySelector<HTMLMetaElement>("meta[name=filigree]")?.content ?? "{}";
const { classifier, lm, prompts } = JSON.parse(content) as Setup;

const access = element("access", HTMLFormElement);
const token = element("token", HTMLInputElement);
const api = serverApi(() => {
  access.hidden = false;
  token.focus();
});
access.addEventListener("submit", (event) => {
  event.preventDefault();
  api.token = token.value.trim();
  access.hidden = true;
});

const tabs = element("tabs", HTMLElement);
const show = makeTabs(tabs);
tabs.hidden = !(classifier && lm);
show(classifier ? "table" : "chat");
if (classifier) tablePanel(api);
if (lm) chatPanel(api, prompts);
