"""The command line: a verb per job. Results on stdout, everything else on stderr.

Exit codes: 0 ok, 1 failure, 2 bad input, 3 not found, 4 a checked limit is breached.
"""

import click

from lusbalans.balance import balance
from lusbalans.demo import demo
from lusbalans.hub_commands import hub
from lusbalans.kernel_commands import warm_up
from lusbalans.limit_commands import limit
from lusbalans.override_commands import override
from lusbalans.revert import revert
from lusbalans.roles import run
from lusbalans.service_commands import db, topics
from lusbalans.simulate import simulate
from lusbalans.topology_commands import topology


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="lusbalans", prog_name="lusbalans")
def main() -> None:
    """Balance power on a business park in real time, grid loop by grid loop.

    Results go to stdout, everything else to stderr. Exit codes: 0 ok, 1 failure, 2 bad input, 3 not found, 4 a checked
    limit is breached.
    """


for command in (demo, run, hub, balance, simulate, topics, db, warm_up, limit, override, topology, revert):
    main.add_command(command)
