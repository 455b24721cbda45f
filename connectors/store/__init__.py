"""The store: schema and migrations, packing of rows, and the exactly-once write that the recorder does."""
