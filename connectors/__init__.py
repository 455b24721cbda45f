"""Everything that touches a device, a broker client or SQL: simulator, dispatch, recorder."""
