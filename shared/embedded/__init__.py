"""A Valkey server that comes with the program: for `make run` and for the tests.

Read `server.py` first: `EmbeddedValkey` starts, watches and stops the process. This package never imports a client.
"""

from shared.embedded.config import Fsync
from shared.embedded.server import EmbeddedValkey, EmbeddedValkeyError, PortBusyError

__all__ = ["EmbeddedValkey", "EmbeddedValkeyError", "Fsync", "PortBusyError"]
