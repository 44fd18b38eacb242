import { linkAddress, shortAddress } from "../format/names";

/** An address from a visitor: a link only for http and https, and text in any other case. */
export function SafeLink({ address, text }: { address: string; text?: string }) {
  const target = linkAddress(address);
  const shown = text || shortAddress(address);
  if (target === null) return <bdi className="address">{shown}</bdi>;
  return (
    <a className="address" href={target} target="_blank" rel="noopener noreferrer" title={address}>
      <bdi>{shown}</bdi>
    </a>
  );
}
