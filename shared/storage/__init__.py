"""The only package that speaks Redis.

Read :mod:`clients` (connections and what goes wrong with them), :mod:`keys` (every key), then :mod:`log` (producers and
tails of a partition's streams) and :mod:`owner` (the loop that presence and chat-routing are built on).
"""
