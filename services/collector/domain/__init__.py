"""What the collector decides without a socket, a clock or Redis.

Read :mod:`body` (bytes to a batch, or why not), then :mod:`tracked` (a batch to what presence reads). The rest are the
rules that both need: addresses, origins, tokens, rates, peers.
"""
