"""`lusbalans balance FILE`: one allocation problem in, the answer out."""

import hashlib
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO

import click


def use_kernel_cache(folder: Path | None = None) -> None:
    """Let the compiled kernel be kept in a folder named after its source. Call before `balancer` is imported.

    The name changes with any of its files, since numba notices only a change of the file of the function itself.
    An own `NUMBA_CACHE_DIR` counts; a folder that cannot be written costs compiling anew, nothing else.
    """
    spec = find_spec("balancer")
    if spec is None or spec.origin is None or "NUMBA_CACHE_DIR" in os.environ:
        return
    sources = sorted(Path(spec.origin).parent.glob("*.py"))
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:16]
    parent = folder or Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "lusbalans"
    os.environ["NUMBA_CACHE_DIR"] = str(parent / f"kernel-{digest}")


SMALL_BYTES = 100_000
"""Up to here (some hundred assets) plain Python is done before a kernel would be compiled, or even loaded."""


def choose_kernel(size_bytes: int) -> None:
    """Run the kernel as plain Python for a small problem, compiled for a large one; the same code either way.

    By size alone, so that the same bytes in give the same bytes out. A process that has numba already keeps what it has.
    """
    if "numba" in sys.modules:
        return
    if size_bytes <= SMALL_BYTES:
        os.environ["NUMBA_DISABLE_JIT"] = "1"
    else:
        use_kernel_cache()


@click.command()
@click.argument("file", type=click.File("rb"))
def balance(file: BinaryIO) -> None:
    """Solve one allocation problem, a JSON document in FILE (- for standard input).

    The answer goes to standard output, also when limits contradict. Input that means nothing is refused with one line
    that names the element and the rule, and exit code 2.
    """
    document = file.read()
    choose_kernel(len(document))
    from balancer.black_box import balance_text
    from balancer.model import InputError

    try:
        answer = balance_text(document)
    except InputError as error:
        click.echo(str(error), err=True)
        sys.exit(2)
    click.echo(answer)
