"""`python -m services.operator_gateway.api`: the OpenAPI document on standard output, as `docs/protocol/` keeps it."""

import sys

from services.operator_gateway.api.openapi import document
from services.operator_gateway.api.table import ROUTES

if __name__ == "__main__":
    sys.stdout.write(document(ROUTES).decode())
