"""`python -m airflow`, which starts and ends in less time: `airflow_command.py dags list`.

Importing Airflow makes hardly any garbage, and a process that ends has none to look for. Python
would look all the same, which is a quarter of the time that each of Airflow's processes takes to
start, and most of what it takes to end.
"""

import atexit
import gc
import runpy
import sys

if __name__ == "__main__":
    gc.set_threshold(50_000)
    atexit.register(gc.freeze)
    # What `python -m` has there, instead of this folder.
    sys.path[0] = ""
    runpy.run_module("airflow", run_name="__main__", alter_sys=True)
