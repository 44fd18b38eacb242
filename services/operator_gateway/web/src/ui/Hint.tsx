import { Content, Portal, Root, Trigger } from "@radix-ui/react-tooltip";
import type { ReactElement, ReactNode } from "react";

/** A tooltip around one focusable element; nothing at all without text. */
export function Hint({ text, children }: { text: ReactNode; children: ReactElement }) {
  if (text === null || text === undefined || text === "") return children;
  return (
    <Root>
      <Trigger asChild>{children}</Trigger>
      <Portal>
        <Content className="hint" sideOffset={6} collisionPadding={8}>
          {text}
        </Content>
      </Portal>
    </Root>
  );
}
