"""Compile the kernel once for all test runs, anew when its source changes."""

import hashlib
import tempfile
from pathlib import Path

import numba

SOURCES = sorted((Path(__file__).parents[2] / "balancer").glob("*.py"))
DIGEST = hashlib.sha256(b"".join(path.read_bytes() for path in SOURCES)).hexdigest()[:16]

if not numba.config.CACHE_DIR:
    numba.config.CACHE_DIR = str(Path(tempfile.gettempdir()) / f"lusbalans-kernel-{DIGEST}")
