"""Settings for every test, made before any numeric library is loaded."""

import os

# Threads that wait without spinning: with several test processes on few cores, spinning ones take the cores
# from those that work (training the same model took three times as long).
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# No test leaves copies of its databases behind, nor finds those of another run.
os.environ["FORETELL_CACHE"] = "off"
