"""Simulated visitors: people who browse the demo website, as `VISITORS=200 make run` adds them.

`journey.py` decides what a person does and when (pure), `tab.py` is what the tracker in a tab would say (pure),
`people.py` is who they are, `visitor.py` speaks to the collector, `crowd.py` keeps the number of people steady.
"""
