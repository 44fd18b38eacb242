"""The visitors' live channel. Read :mod:`channel` (one connection), then :mod:`attachments` (what presence is told)."""
