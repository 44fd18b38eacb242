"""What every service process shares: settings, clock, logging, metrics, health, and a life with a draining end.

Read :func:`shared.runtime.service.run_service` first.
"""
