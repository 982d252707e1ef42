"""The chart's scorecard, with the render times that a clock has to measure: `python tests/bench/render.py [--write]`.

`helm template` alternates with an empty chart's in one run, so that a busy machine slows both alike. --write also
writes docs/reference/scorecard.md and the table of features.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "chart"))

from chart_harness import features, scorecard
from chart_harness.scenarios import EVERYTHING

ROUNDS = 15


def main(arguments: list[str]) -> None:
    """Measure and print."""
    text = scorecard.page()
    print(text)
    print(f"helm template against an empty chart, {ROUNDS} rounds, median (lowest to highest)")
    print(f"  default values   {scorecard.ratio({}, ROUNDS)}   target: at most 2.5")
    print(f"  everything on    {scorecard.ratio(EVERYTHING, ROUNDS)}   target: at most 4")
    if "--write" in arguments:
        scorecard.PAGE.write_text(text)
        features.write()


if __name__ == "__main__":
    main(sys.argv[1:])
