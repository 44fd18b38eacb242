"""Wire types of Foyer: what crosses a socket or a stream, and nothing else.

Read :mod:`tracking` (browser to collector), :mod:`operators` (console to gateway), :mod:`rows` (what the list shows)
and :mod:`streams` (what the services tell each other). Strict limits stand in the types; no I/O lives here.
"""
