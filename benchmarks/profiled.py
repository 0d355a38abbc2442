"""Run a script under cProfile by the CPU of its main thread: ``python profiled.py OUT SCRIPT [ARGUMENTS]``."""

import cProfile
import runpy
import sys
import time

out, script = sys.argv[1:3]
sys.argv = sys.argv[2:]
profile = cProfile.Profile(time.thread_time)
try:
    profile.runcall(runpy.run_path, script, run_name="__main__")
finally:
    profile.dump_stats(out)
