#!/usr/bin/env python3
"""worker_answers.py: whether this container's Celery worker answers through the broker.

`celery inspect ping` asks the same, but loads all of Airflow for it, which takes too long on a
busy machine.
"""

import os
import shlex
import socket
import subprocess
import sys

from celery import Celery

# Airflow gets the address by the same command.
command = shlex.split(os.environ["AIRFLOW__CELERY__BROKER_URL_CMD"])
broker = subprocess.check_output(command, text=True).strip()
worker = f"celery@{socket.gethostname()}"
if not Celery(broker=broker).control.ping(destination=[worker], timeout=10, limit=1):
    sys.exit(f"{worker} does not answer")
