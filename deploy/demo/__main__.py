"""`python -m deploy.demo`: the demo website. DEMO_PORT, DEMO_SITE, DEMO_COLLECTOR_URL."""

from deploy.demo.app import main

main()
