"""HdrHistograms of latencies, from the library of that name, which contrib/packages puts below build/python. Used by rounds.py."""

import pathlib
import sys

LIBRARIES = pathlib.Path(__file__).resolve().parent.parent / "build" / "python"
LONGEST_NS = 60 * 1_000_000_000
DIGITS = 3

sys.path.append(str(LIBRARIES))
try:
    from hdrh.histogram import HdrHistogram
except ImportError:
    HdrHistogram = None


def histogram():
    """A new one of nanoseconds; None without the library, and then there are no latencies."""
    return HdrHistogram(1, LONGEST_NS, DIGITS) if HdrHistogram else None
