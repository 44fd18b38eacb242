/// <reference types="vite/client" />

declare module "virtual:flags" {
  /** Address of the folder with `<code>.svg` files. */
  export const base: string;
  /** All known codes, two letters each, without separators. */
  export const codes: string;
}
