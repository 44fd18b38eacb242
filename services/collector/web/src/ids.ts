/** Ids and time, from the browser's sources. */

/**
 * A random uuid. The browser makes one for each object URL; `crypto.randomUUID` is missing where a website is plain
 * http. The URL is not revoked: it holds nothing, and there is one for each page view.
 */
export const uuid = (): string => URL.createObjectURL(new Blob()).slice(-36);

/** Monotonic within a page, and comparable between the pages of one tab. */
export const now = (): number => Math.round(performance.timeOrigin + performance.now());
