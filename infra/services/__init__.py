"""Apache Kafka and PostgreSQL or TimescaleDB as child processes of one folder."""
