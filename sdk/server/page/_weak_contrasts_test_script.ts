/// <reference lib="dom" />
/**
 * Runs in a page.
 *
 * @returns Texts whose contrast to what is behind them is below 4.5.
 */
export function weakContrasts(): string[] {
  const context = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true })!;
  const paint = (colours: string[]): number[] => {
    context.clearRect(0, 0, 1, 1);
    for (const colour of colours) {
      context.fillStyle = colour;
      context.fillRect(0, 0, 1, 1);
    }
    return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const luminance = (rgb: number[]): number => {
    const [r, g, b] = rgb.map((c) => c / 255).map((c) =>
      c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4
    );
    return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
  };
  const weak: string[] = [];
  for (const element of document.querySelectorAll<HTMLElement>("body *")) {
    const text = [...element.childNodes].filter(({ nodeType }) => nodeType === 3).map(({ textContent }) =>
      textContent
    )
      .join("").trim();
    if (text === "" || !element.checkVisibility() || element.closest(".unseen")) continue;
    const behind: string[] = [];
    for (let at: Element | null = element; at; at = at.parentElement) {
      behind.unshift(getComputedStyle(at).backgroundColor);
    }
    const { color } = getComputedStyle(element);
    const [a, b] = [luminance(paint(behind)), luminance(paint([...behind, color]))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) weak.push(`${ratio.toFixed(2)}: ${text.slice(0, 30)}`);
  }
  return weak;
}
