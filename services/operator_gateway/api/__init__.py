"""The gateway's HTTP API, `/api/v1`: logins, sites, skills and operators.

`table.py` names every route with the rule that guards it; `endpoint.py` is the way of each request from the first byte
to the answer. `add_api_routes` puts all of it into the gateway's application.
"""

from services.operator_gateway.api.context import ApiContext, Limits
from services.operator_gateway.api.mount import add_api_routes

__all__ = ["ApiContext", "Limits", "add_api_routes"]
