"""Settings, logs, metrics, health, SQL and embedded services. Imports nothing of ours."""
