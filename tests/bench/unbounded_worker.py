"""A worker that folds whatever comes, however much: a burst is to be measured, not to be spread over ticks (R20)."""

from lusbalans.cli import main
from streams import intake

if __name__ == "__main__":
    intake.PERIOD_BYTES = 10**12
    main(["run", "worker"], prog_name="lusbalans")
