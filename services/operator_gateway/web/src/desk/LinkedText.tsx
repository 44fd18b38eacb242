import { Fragment } from "react";
import { linkAddress } from "../format/names";

const ADDRESS = /https?:\/\/[^\s<>"'`]+/gi;
const TRAILING = /[.,;:!?)\]}]+$/; // belongs to the sentence more often than to the address

export interface Piece {
  text: string;
  link: string | null;
}

/** Text with its http(s) addresses told apart. Nothing else ever becomes a link. */
export function pieces(text: string): Piece[] {
  const found: Piece[] = [];
  let at = 0;
  for (const match of text.matchAll(ADDRESS)) {
    const address = match[0].replace(TRAILING, "");
    const link = linkAddress(address);
    if (link === null) continue;
    if (match.index > at) found.push({ text: text.slice(at, match.index), link: null });
    found.push({ text: address, link });
    at = match.index + address.length;
  }
  if (at < text.length) found.push({ text: text.slice(at), link: null });
  return found;
}

export function LinkedText({ text }: { text: string }) {
  return pieces(text).map((piece, at) =>
    piece.link === null ? (
      <Fragment key={at}>{piece.text}</Fragment>
    ) : (
      <a key={at} href={piece.link} target="_blank" rel="noopener noreferrer">
        {piece.text}
      </a>
    ),
  );
}
