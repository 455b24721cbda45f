"""Watches that every grid loop is being decided on, and reverts it when it is not."""
