"""Tests mirror `src/rfs_mail`: what `core/timing.py` promises is held by `core/test_timing.py`."""
