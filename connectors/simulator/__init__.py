"""A simulated park: the physics of its assets and cables, its meters, its devices behind a link, and its own ledger."""
