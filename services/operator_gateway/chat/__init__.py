"""The operators' chats: what they ask of chat-routing and how they are answered, and what they are told.

Read :mod:`commands` (one command and its outcome), :mod:`requests` (the events of the contract), :mod:`desk` (events
out, and the state that a console finds when it connects).
"""
