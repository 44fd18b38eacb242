"""The live list: sites that are being watched, kept fresh from the log, and the views on them, sent to connections.

Read :mod:`sites` (one watched site), :mod:`viewers` (who is sent what) and :mod:`requests` (what operators may ask).
"""
