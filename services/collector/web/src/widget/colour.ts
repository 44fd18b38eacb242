/** The site's colour made readable: contrasts by WCAG 2, whatever colour a site chooses. */

export const DEFAULT_COLOUR = "#2f5bea";
/** WCAG 2.2 AA for text. */
export const LEGIBLE = 4.5;

type Rgb = readonly [number, number, number];

const parse = (hex: string): Rgb | null => {
  const match = /^#([\da-f]{2})([\da-f]{2})([\da-f]{2})$/i.exec(hex);
  return match ? [parseInt(match[1] ?? "", 16), parseInt(match[2] ?? "", 16), parseInt(match[3] ?? "", 16)] : null;
};

const channel = (value: number): number => {
  const part = value / 255;
  return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
};

const luminance = ([r, g, b]: Rgb): number => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);

export function contrast(one: string, other: string): number {
  const [a, b] = [one, other].map((hex) => luminance(parse(hex) ?? [0, 0, 0])) as [number, number];
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}

const hexOf = (rgb: Rgb): string => "#" + rgb.map((value) => Math.round(value).toString(16).padStart(2, "0")).join("");

const mix = (from: Rgb, to: number, share: number): Rgb =>
  from.map((value) => value + (to - value) * share) as unknown as Rgb;

/** White or black, whichever is easier to read on `colour`: one of them always has 4.5. */
export const inkOn = (colour: string): string =>
  contrast(colour, "#ffffff") >= LEGIBLE || contrast(colour, "#ffffff") > contrast(colour, "#000000")
    ? "#ffffff"
    : "#000000";

/** `colour`, moved towards white or black until it is legible on `surface`. */
export function legibleOn(surface: string, colour: string): string {
  const rgb = parse(colour) ?? [0, 0, 0];
  const to = luminance(parse(surface) ?? [255, 255, 255]) > 0.18 ? 0 : 255;
  let share = 0;
  let found = colour;
  while (contrast(found, surface) < LEGIBLE && share < 1) found = hexOf(mix(rgb, to, (share += 0.05)));
  return found;
}

export const colourOf = (wish: string | undefined): string => (wish && parse(wish) ? wish : DEFAULT_COLOUR);
