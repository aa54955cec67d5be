/**
 * Shows runs on the page.
 *
 * @module
 */
/// <reference lib="dom" />
import { percent } from "../../sdk/cli/report.ts";
import type { DeviceKind, DeviceReport } from "../../sdk/device/mod.ts";
import { element, make } from "../../sdk/server/page/client/dom.ts";
import { agreementOf, TOLERANCE } from "./agreement.ts";
import type { TableRun } from "./run_table.ts";

/** Names of devices for people. */
export const NAMES: Readonly<Record<DeviceKind, string>> = {
  webgpu: "WebGPU",
  wasm: "WASM",
  reference: "Reference",
};

/**
 * Shows what came of a run in the card of the device that was asked for.
 *
 * @param prefer The device that was asked for.
 * @param run What came of it; an error says why nothing did.
 */
export function showRun(prefer: DeviceKind, run: TableRun | Error): void {
  const card = element(prefer, HTMLElement);
  clearRun(prefer);
  card.hidden = false;
  if (run instanceof Error) {
    const notice = make("p", { class: "notice" }, run.message);
    card.append(notice);
    return;
  }
  card.dataset["kind"] = run.kind;
  const body = element("result", HTMLTemplateElement).content.cloneNode(true) as DocumentFragment;
  for (const [slot, text] of Object.entries(textsOf(prefer, run))) {
    body.querySelector(`[data-slot="${slot}"]`)!.textContent = text;
  }
  for (const [name, text] of linesOf(run.report)) {
    body.querySelector(".report")!.append(make("dt", {}, name), make("dd", {}, text));
  }
  card.append(body);
}

/**
 * Empties the card of a device.
 *
 * @param prefer The device.
 */
export function clearRun(prefer: DeviceKind): void {
  const card = element(prefer, HTMLElement);
  card.hidden = true;
  delete card.dataset["kind"];
  card.querySelectorAll(":scope > :not(h2)").forEach((child) => child.remove());
}

/**
 * Shows whether two runs agree.
 *
 * @param a One run.
 * @param b The other.
 */
export function showAgreement(a: TableRun, b: TableRun): void {
  const banner = element("agreement", HTMLElement);
  banner.hidden = false;
  if (a.kind === b.kind) {
    banner.className = "plain";
    banner.textContent = `Nothing to compare: both runs were on ${NAMES[a.kind]}.`;
    return;
  }
  const { largest, differing } = agreementOf(a.outcome.checked, b.outcome.checked);
  const labels = differing === 0 ? "the same class for every row" : `another class for ${differing} rows`;
  banner.className = differing === 0 && largest <= TOLERANCE ? "good" : "bad";
  banner.dataset["largest"] = String(largest);
  banner.textContent = `${NAMES[a.kind]} and ${NAMES[b.kind]} say ${labels}; their probabilities differ by ${
    largest.toExponential(1)
  } at most.`;
}

function textsOf(prefer: DeviceKind, { kind, report, openMs, outcome }: TableRun): Record<string, string> {
  const { checked, accuracy, ms } = outcome;
  const right = checked.filter(({ label, actual }) => label === actual).length;
  const reason = report.tried.find((attempt) => attempt.kind === prefer && !attempt.ok)?.reason;
  return {
    notice: kind === prefer
      ? ""
      : `${NAMES[prefer]} does not work here, so ${NAMES[kind]} computed: ${reason}`,
    accuracy: percent(accuracy ?? NaN),
    rows: `right: ${right} of ${checked.length} rows`,
    adapter: report.adapter,
    open: openMs === 0 ? "open since the last run" : duration(openMs),
    // Learning is only queued on a GPU, so that alone its time would say nothing.
    predict: `${duration(ms.fit + ms.predict)}, learning included`,
  };
}

/** The device's report as names and texts. */
function linesOf(report: DeviceReport): [name: string, text: string][] {
  const { features, variants, measured, tried, peakBytes } = report;
  return [
    ["Features", features.join(", ") || "none"],
    ["Variants", variants.join(", ") || "none"],
    ...(measured ? [["Measured", speedText(measured)] satisfies [string, string]] : []),
    ["Memory", `${(peakBytes / 2 ** 20).toFixed(0)} MiB at most`],
    ...tried.map(({ kind, ok, reason, ms }): [string, string] => [
      ok ? "Took" : "Refused",
      `${NAMES[kind]} after ${duration(ms)}: ${reason}`,
    ]),
  ];
}

function speedText({ readbackMs, bytesPerSecond }: NonNullable<DeviceReport["measured"]>): string {
  return `readback ${readbackMs.toFixed(2)} ms, copies ${(bytesPerSecond / 1e9).toFixed(1)} GB/s`;
}

function duration(ms: number): string {
  return ms < 1000 ? `${ms.toFixed(0)} ms` : `${(ms / 1000).toFixed(1)} s`;
}
