"""The mathematics of balancing: numbers in, numbers out. No I/O, no clock, no logging, no await."""
