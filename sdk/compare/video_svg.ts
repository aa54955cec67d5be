/**
 * Videos beside each other as one animated picture.
 *
 * @module
 */
import { escapeXml } from "../attention/draw.ts";
import { VIDEO_GRID, type VideoGrid } from "./video.ts";

/** A video with its caption. */
export interface VideoPanel {
  readonly title: string;
  readonly video: Float32Array;
}

/** Seconds per frame. */
const PACE = 0.25;
/** Size of a pixel, and of the gap between panels. */
const [PIXEL, GAP] = [14, 16];

/**
 * Draws panels from left to right that play together; all in the grey scale of the first one. Where motion is not wanted, the first frame stands.
 *
 * @returns An SVG document.
 */
export function videoSvg(panels: readonly VideoPanel[], grid: VideoGrid = VIDEO_GRID): string {
  const { frames, height, width } = grid;
  const [low, high] = [Math.min(...panels[0]!.video), Math.max(...panels[0]!.video)];
  const level = (value: number): number =>
    Math.max(0, Math.min(15, Math.round(15 * (value - low) / (high - low || 1))));
  const across = width * PIXEL + GAP;
  const [w, h] = [GAP + panels.length * across, GAP + height * PIXEL + 2 * GAP];
  const pictures = panels.map(({ title, video }, n) => {
    const all = Array.from({ length: frames }, (_, f) => {
      const own = video.subarray(f * height * width, (f + 1) * height * width);
      return `<g class="f f${f}">${paths([...own].map(level), width)}</g>`;
    });
    const text = `<text x="0" y="${height * PIXEL + GAP}">${escapeXml(title)}</text>`;
    return `<g transform="translate(${GAP + n * across} ${GAP})"><g transform="scale(${PIXEL})">${
      all.join("")
    }</g>${text}</g>`;
  });
  const seconds = frames * PACE;
  const delays = Array.from({ length: frames }, (_, f) => `.f${f}{animation-delay:${f * PACE}s}`).join("");
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${w} ${h}" width="${w}" height="${h}" role="img" aria-label="${
    escapeXml(panels.map(({ title }) => title).join(", "))
  }">
<style>
text{font:12px system-ui,sans-serif;fill:#555}
path{shape-rendering:crispEdges}
.f{visibility:hidden;animation:f ${seconds}s step-end infinite}${delays}
@keyframes f{0%{visibility:visible}${100 / frames}%{visibility:hidden}}
@media (prefers-reduced-motion:reduce){.f{animation:none}.f0{visibility:visible}}
</style>
<rect width="${w}" height="${h}" fill="#fff"/>
${pictures.join("\n")}
</svg>
`;
}

/** One path per grey level, of runs of equal pixels in a row. */
function paths(levels: readonly number[], width: number): string {
  const found = new Map<number, string>();
  let begin = 0;
  for (let at = 1; at <= levels.length; at++) {
    if (at % width > 0 && levels[at] === levels[begin]) continue;
    const shade = levels[begin]!;
    const run = `M${begin % width} ${Math.floor(begin / width)}h${at - begin}v1h-${at - begin}z`;
    found.set(shade, (found.get(shade) ?? "") + run);
    begin = at;
  }
  return [...found].map(([shade, d]) => `<path fill="#${shade.toString(16).repeat(3)}" d="${d}"/>`).join("");
}
