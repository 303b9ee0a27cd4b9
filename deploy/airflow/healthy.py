#!/usr/bin/env python3
"""healthy.py scheduler | dag_processor | triggerer: whether Airflow has heard of it lately."""

import json
import os
import sys
import urllib.request

API = os.environ["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"].replace("/execution/", "/api/v2")

with urllib.request.urlopen(f"{API}/monitor/health", timeout=10) as answer:  # noqa: S310
    status = json.load(answer)[sys.argv[1]]["status"]
if status != "healthy":
    sys.exit(f"{sys.argv[1]} is {status}")
