"""A park in virtual time: the real controllers, the real lease rules and simulated devices, without any service."""
