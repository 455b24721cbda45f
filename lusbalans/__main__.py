"""`python -m lusbalans` is `lusbalans`."""

from lusbalans.cli import main

main(prog_name="lusbalans")
