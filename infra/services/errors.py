"""What can go wrong with an embedded service, each in one line that ends in the remedy.

Every class here is somebody else's fault than this code's (the machine, the network, a second run): a command prints
`str(error)` and exits, without a traceback.
"""


class ServiceError(Exception):
    """An embedded service cannot be had; `str()` is one line: the fault, then the remedy."""

    def __init__(self, fault: str, remedy: str) -> None:
        super().__init__(fault, remedy)
        self.fault = fault
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.fault}; {self.remedy}"


class FolderLockedError(ServiceError):
    """Another run owns the data folder; the fault names its process and since when."""


class FolderUnreachableError(ServiceError):
    """The user that the service runs as cannot make, enter or write the folder."""


class NoSpaceError(ServiceError):
    """The file system of the data folder or of the cache has too little free space."""


class PortInUseError(ServiceError):
    """The port asked for is taken; the fault names the process that holds it, where that can be seen."""


class DownloadFailedError(ServiceError):
    """A file could not be fetched, or what came is not what the lock file says."""


class ServiceUnavailableError(ServiceError):
    """The programs of this service cannot be had on this machine."""


class StartFailedError(ServiceError):
    """The process ended or stayed silent instead of becoming ready; the fault quotes its last log lines."""
