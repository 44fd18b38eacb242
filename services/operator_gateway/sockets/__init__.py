"""Socket.IO towards operators: connections, what may come in, what goes out and how fast. Knows nothing of visitors.

Read :mod:`server` for what is let in, :mod:`events` for what is answered, :mod:`peer` for what is sent.
"""
