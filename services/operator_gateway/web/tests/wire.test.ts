import { expect, test } from "vitest";
import document from "../../../../docs/protocol/asyncapi-operators.json";
import type {
  Device,
  Filter,
  OperatorRef,
  PageRef,
  Row,
  Sort,
  ViewCheck,
  ViewDelta,
  ViewOpen,
  ViewState,
} from "../src/wire";

// The document is made from the server's own types (shared/contracts), and a test there compares the two. Here the
// compiler compares it with ours: a field that was renamed on one side no longer compiles.
type Schemas = typeof document.components.schemas;
type Known<Ours, Name extends keyof Schemas> = [Exclude<keyof Ours, keyof Schemas[Name]["properties"]>] extends [never]
  ? true
  : never;

const compared: {
  Row: Known<Row, "Row">;
  Page: Known<PageRef, "Page">;
  Device: Known<Device, "Device">;
  OperatorRef: Known<OperatorRef, "OperatorRef">;
  Sort: Known<Sort, "Sort">;
  Filter: Known<Filter, "Filter">;
  ViewOpen: Known<ViewOpen, "ViewOpen">;
  ViewState: Known<ViewState, "ViewState">;
  ViewDelta: Known<ViewDelta, "ViewDelta">;
  ViewCheck: Known<ViewCheck, "ViewCheck">;
} = {
  Row: true,
  Page: true,
  Device: true,
  OperatorRef: true,
  Sort: true,
  Filter: true,
  ViewOpen: true,
  ViewState: true,
  ViewDelta: true,
  ViewCheck: true,
};

test("every type that the compiler compares is in the document", () => {
  expect(Object.keys(document.components.schemas)).toEqual(expect.arrayContaining(Object.keys(compared)));
});
