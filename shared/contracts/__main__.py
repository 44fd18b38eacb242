"""`python -m shared.contracts operators|streams`: the AsyncAPI document, as `docs/protocol/` keeps it."""

import sys

from shared.contracts.asyncapi import DOCUMENTS, rendered

if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in DOCUMENTS:
        sys.exit(f"usage: python -m shared.contracts {'|'.join(DOCUMENTS)}")
    sys.stdout.write(rendered(sys.argv[1]).decode())
