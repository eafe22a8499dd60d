"""Where the workers are: processes of this machine, an existing scheduler, or jobs of a cluster.

Whoever has started workers names their scheduler in the environment variable WTAL_SCHEDULER. All
that computes runs, in this process or in the kernel of a notebook, then sends them there.
"""

import logging
import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from multiprocessing import active_children
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from wtal_core.errors import WorkbookError
from wtal_core.reading.places import refuse_special
from wtal_core.reading.refusal import shown
from wtal_core.reading.values import text
from wtal_core.reading.yaml_files import read_mapping

if TYPE_CHECKING:  # imported where it is used: Dask takes as long to import as many a run takes
    from distributed import Client

Kind = Literal["", "cuda", "slurm", "pbs", "kubernetes"]
SCHEDULER = "WTAL_SCHEDULER"
DATA_ADDRESS = "WTAL_DATA_ADDRESS"
SCHEMES = ("tcp", "tls", "ws", "wss", "ucx", "ucxx")
CLOSE_SECONDS = 0.5  # for saying goodbye; Ctrl-C ends everything within two seconds
TRIES = 3  # how often a run is begun whose worker dies, or runs are sent whose scheduler does
RETURN_SECONDS = 60.0  # that a scheduler may be away which is started again
CONFIG = {
    "distributed.scheduler.allowed-failures": TRIES - 1,
    "distributed.scheduler.worker-saturation": 1.0,  # no run waits in a worker behind another
    # As many threads in a worker as it says itself: they change how sums are rounded
    "distributed.nanny.pre-spawn-environ": {"MALLOC_TRIM_THRESHOLD_": 65536},
    # Weights of a finished run travel with the task of a run that begins with them
    "distributed.admin.large-graph-warning-threshold": "1 TB",
    "distributed.comm.timeouts.connect": "10s",
}
# kind -> package, module and class that starts its workers
STARTERS = {
    "cuda": ("dask-cuda", "dask_cuda", "LocalCUDACluster"),
    "slurm": ("dask-jobqueue", "dask_jobqueue", "SLURMCluster"),
    "pbs": ("dask-jobqueue", "dask_jobqueue", "PBSCluster"),
    "kubernetes": ("dask-kubernetes", "dask_kubernetes.operator", "KubeCluster"),
}


@dataclass(frozen=True)
class Place:
    """Where runs are computed: by `jobs` processes of this machine; by the workers of an existing
    scheduler, by its address; or by `workers` workers that a cluster starts, with a file of
    settings. Raises WorkbookError for a mixture, and for an address that is none.
    """

    jobs: int = 1
    scheduler: str = ""
    cluster: Kind = ""
    workers: int = 1
    settings: Path | None = None

    def __post_init__(self) -> None:
        if self.scheduler and self.cluster:
            raise WorkbookError("--scheduler and --cluster exclude each other; give one of them")
        if self.settings is not None and not self.cluster:
            raise WorkbookError(f"--settings {self.settings} is for --cluster; leave it out")
        for name in ("jobs", "workers"):
            if getattr(self, name) < 1:
                raise WorkbookError(f"--{name} is {getattr(self, name)}; expected at least 1")
        if self.scheduler:
            _check_address(self.scheduler, "--scheduler")
        read_settings(self.settings)  # now, not after all that is planned
        _ = self.is_elsewhere  # refuses an address of the environment that is none

    @property
    def is_elsewhere(self) -> bool:
        """Whether the workers are not started by this command on this machine."""
        return bool(self.scheduler or self.cluster or has_scheduler())


def _check_address(address: str, named: str) -> None:
    """Refuse what is no address. named: who gave it."""
    try:
        parts = urlsplit(address)
        is_address = parts.scheme in SCHEMES and bool(parts.hostname and parts.port)
    except ValueError:
        is_address = False
    if not is_address:
        raise WorkbookError(
            f"{named} {shown(address)} is no address; give one such as tcp://10.0.0.1:8786, which "
            "`dask scheduler` prints"
        )


def has_scheduler() -> bool:
    """Whether runs go to workers that somebody has started before.

    Raises WorkbookError where WTAL_SCHEDULER names none.
    """
    address = os.environ.get(SCHEDULER, "")
    if address:
        _check_address(address, SCHEDULER)
    return bool(address)


def data_address() -> str:
    """Where workers find data sets that they have not: what fsspec reads; "" for nowhere."""
    return os.environ.get(DATA_ADDRESS, "")


@contextmanager
def workers(jobs: int) -> "Iterator[Client]":
    """A client of the scheduler that WTAL_SCHEDULER names, else of new processes, `jobs` of them,
    which end with the block.

    Raises WorkbookError where the scheduler does not answer.
    """
    if not has_scheduler():
        with local_workers(jobs) as end_at_once, workers(jobs) as client:
            try:
                yield client
            finally:
                end_at_once()
        return
    import dask
    from distributed import Client

    address = os.environ[SCHEDULER]
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what matters is raised
    with dask.config.set(CONFIG):
        try:
            client = Client(address, set_as_default=False)
        except (OSError, ValueError) as error:
            raise WorkbookError(
                f"no scheduler answers at {address} ({error}); start one by `dask scheduler`, and "
                "workers by `dask worker`"
            ) from error
        try:
            yield client
        finally:
            with suppress(TimeoutError, OSError):  # all that matters has come back before
                client.close(timeout=CLOSE_SECONDS)


def returned(stack: ExitStack, gone: WorkbookError) -> "Client":
    """A client of the scheduler as soon as it answers again; the stack closes it.

    Raises what is given where it does not for `RETURN_SECONDS`.
    """
    address = os.environ.get(SCHEDULER)
    print(
        f"the scheduler {address} is gone; waiting {RETURN_SECONDS:.0f} s for it to come back",
        file=sys.stderr,
        flush=True,
    )
    end = time.monotonic() + RETURN_SECONDS
    while has_scheduler() and time.monotonic() < end:
        with suppress(WorkbookError):
            client = stack.enter_context(workers(1))
            print(
                f"the scheduler {address} is back; runs that it had are sent again", file=sys.stderr
            )
            return client
        time.sleep(CLOSE_SECONDS)
    raise gone


async def load(module: str) -> None:
    """Import a module in a worker, before it is sent anything: torch takes seconds."""
    import_module(module)


@contextmanager
def local_workers(jobs: int) -> Iterator[Callable[[], None]]:
    """Workers on this machine, as processes that end with the block, or with this process; and a
    function that ends them at once.

    They listen to whoever shows the key that is drawn here: other users of the machine cannot.
    """
    import dask
    from distributed import LocalCluster, Security

    security = Security.temporary()
    config = _settings_of(security)
    others = set(active_children())
    cluster = None
    with dask.config.set({**CONFIG, **config}):
        try:
            cluster = LocalCluster(
                n_workers=jobs,
                threads_per_worker=1,
                memory_limit=0,
                protocol="tls://",
                security=security,
                dashboard_address="127.0.0.1:0",
                silence_logs=logging.CRITICAL,
            )
            with _named(cluster, _as_environment(config)):
                yield partial(_end_at_once, cluster, others)
        finally:
            _end_at_once(cluster, others)
            if cluster is not None:
                _close(cluster)


def _settings_of(security: Any) -> dict[str, Any]:
    """The key as Dask's settings, by which every part of the cluster finds it."""
    config = {
        "distributed.comm.require-encryption": True,
        "distributed.comm.tls.ca-file": security.tls_ca_file,
    }
    for role in ("client", "scheduler", "worker"):
        config[f"distributed.comm.tls.{role}.key"] = security.tls_client_key
        config[f"distributed.comm.tls.{role}.cert"] = security.tls_client_cert
    return config


def _as_environment(config: Mapping[str, Any]) -> dict[str, str]:
    """Dask's settings as environment variables, for processes that are started from here."""
    return {
        "DASK_" + name.replace(".", "__").replace("-", "_").upper(): repr(value)
        for name, value in config.items()
    }


def _end_at_once(cluster: Any, others: set[Any]) -> None:
    """Kill the workers: what they have done is kept, or in a checkpoint."""
    from distributed.core import Status

    for nanny in cluster.workers.values() if cluster is not None else ():
        nanny.status = Status.closing_gracefully  # so that it does not start another one
    for child in set(active_children()) - others:
        child.kill()


def _close(cluster: Any) -> None:
    """Say goodbye to workers that have ended; nobody waits where a busy machine takes long."""
    from distributed.core import Status

    with suppress(TimeoutError, OSError):
        cluster.close(timeout=CLOSE_SECONDS)
    cluster.status = Status.closed


@contextmanager
def engaged(place: Place) -> Iterator[Callable[[], None]]:
    """The workers of a place, in WTAL_SCHEDULER until the block ends, none for one job; and a
    function that ends those of this machine at once.
    """
    if place.scheduler:
        with _environment({SCHEDULER: place.scheduler}):
            yield _nothing
    elif place.cluster:
        with hired(place.cluster, place.workers, place.settings):
            yield _nothing
    elif place.jobs > 1 and not has_scheduler():
        with local_workers(place.jobs) as end_at_once:
            yield end_at_once
    else:
        yield _nothing


def _nothing() -> None:
    """There are no workers of this machine to be ended."""


@contextmanager
def hired(kind: str, number: int, settings: Path | None) -> Iterator[None]:
    """Workers that a cluster's own system starts, until the block ends. settings: a YAML file of
    what the class that starts them takes, see docs/scale.md.
    """
    import dask

    given = read_settings(settings)
    package, module, name = STARTERS[kind]
    try:
        starter = getattr(import_module(module), name)
    except ImportError as error:
        install = shlex.join([sys.executable, "-m", "pip", "install", package])
        raise WorkbookError(f"--cluster {kind} needs {package}: {install}") from error
    address = given.pop("data", "")
    with dask.config.set(CONFIG):
        try:
            cluster = starter(**given)
        except Exception as error:  # whatever a foreign system makes of the user's settings
            where = settings or "no settings"
            raise WorkbookError(f"--cluster {kind}, {where}: {error}") from error
        try:
            cluster.scale(number)
            with _named(cluster, {DATA_ADDRESS: address} if address else {}):
                yield
        finally:
            cluster.close(timeout=10)


def read_settings(path: Path | None) -> dict[str, Any]:
    """The settings of a cluster. Raises WorkbookError for a file that is no mapping of names."""
    if path is None:
        return {}
    refuse_special(path)  # it is read more than once
    content = read_mapping(path)
    for key in content:
        text(key, f"{path}: the name of a setting")
    if "data" in content:
        text(content["data"], f"{path}: data")
    return dict(content)


@contextmanager
def _named(cluster: Any, more: Mapping[str, str]) -> Iterator[None]:
    """Say where the workers are: to people on stderr, to other processes by the environment."""
    print(f"workers: {cluster.dashboard_link}", file=sys.stderr, flush=True)
    with _environment({SCHEDULER: cluster.scheduler_address, **more}):
        yield


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def is_loopback(address: str) -> bool:
    """Whether an address such as tls://127.0.0.1:4000 is of this machine alone."""
    return urlsplit(address).hostname in ("127.0.0.1", "localhost", "::1")
