"""Dispatch: takes setpoint frames from the log, keeps their leases, and tells devices. One writer per asset (R8)."""
