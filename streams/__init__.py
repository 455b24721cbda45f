"""From telemetry to setpoints: the message contracts, the pure fold of grid-loop state, and the Faust worker around them."""
