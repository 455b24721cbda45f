"""Apache Kafka and PostgreSQL or TimescaleDB as child processes of one folder.

Each starts with one call and stops as a context manager; calls may run in parallel threads:

    with embedded_kafka(folder) as kafka, embedded_database(folder, edition="timescaledb") as database:
        ...  # kafka.bootstrap, database.dsn
"""

from infra.services.broker import embedded_kafka
from infra.services.database import embedded_database
from infra.services.errors import (
    DownloadFailedError,
    FolderLockedError,
    FolderUnreachableError,
    NoSpaceError,
    PortInUseError,
    ServiceError,
    ServiceUnavailableError,
    StartFailedError,
)
from infra.services.folder import default_cache_folder, default_data_folder
from infra.services.kafka import KafkaService
from infra.services.postgres import DatabaseService, Edition
from infra.services.process import Progress

__all__ = [
    "DatabaseService",
    "DownloadFailedError",
    "Edition",
    "FolderLockedError",
    "FolderUnreachableError",
    "KafkaService",
    "NoSpaceError",
    "PortInUseError",
    "Progress",
    "ServiceError",
    "ServiceUnavailableError",
    "StartFailedError",
    "default_cache_folder",
    "default_data_folder",
    "embedded_database",
    "embedded_kafka",
]
