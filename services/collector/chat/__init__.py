"""The visitor's side of chats. Read :mod:`desk` (what a visitor says), then :mod:`feed` and :mod:`listener` (what it
hears)."""
