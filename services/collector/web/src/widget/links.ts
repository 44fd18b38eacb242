/** Addresses in what people write. Only http and https become links; everything else stays text. */

export interface Part {
  text: string;
  href?: string;
}

/** Ends of sentences and brackets that were around the address are not part of it. */
const TRAILING = /[.,;:!?'"»”’\])}>]+$/;

function hrefOf(text: string): string | undefined {
  try {
    const { protocol, href, username, password } = new URL(text);
    return /^https?:$/.test(protocol) && !username && !password ? href : undefined;
  } catch {
    return undefined;
  }
}

export function parts(text: string): Part[] {
  const found: Part[] = [];
  let end = 0;
  for (const match of text.matchAll(/\bhttps?:\/\/[^\s<>"\u200e\u200f\u202a-\u202e\u2066-\u2069]+/gi)) {
    const address = match[0].replace(TRAILING, "");
    const href = hrefOf(address);
    if (!href) continue;
    if (match.index > end) found.push({ text: text.slice(end, match.index) });
    found.push({ text: address, href });
    end = match.index + address.length;
  }
  if (end < text.length) found.push({ text: text.slice(end) });
  return found;
}
