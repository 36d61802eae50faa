"""A real SLURM of two nodes on this machine: its own folder, keys and ports, and nothing left when it ends.

Nothing is read or written in /etc: daemons and tests find their file through SLURM_CONF. A job step that Snakemake
starts has lost that variable, so a folder with a `srun` that sets it again stands first in the jobs' PATH.
"""

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

NODES = ("n1", "n2")
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol", "squeue", "sinfo", "scancel", "setpriv")
DIES_WITH_US = ("setpriv", "--pdeathsig", "KILL", "--")
"""Starts a program that ends when this process does, however it does."""
MARK = "RANKSCAPE_TEST_CLUSTER"
"""Variable by which every process of a cluster is known: daemons, steps and jobs inherit it."""
_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"])

# Memory is as large as the rules ask, whatever the machine has. A node that does not answer is down after six seconds,
# and what ran there may start again five seconds later (cred_expire).
CONFIGURATION = """
ClusterName=rankscape
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CredType=cred/munge
StateSaveLocation={folder}/slurmctld
SlurmdSpoolDir={folder}/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/finished.txt
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
SlurmdParameters=config_overrides
SlurmdTimeout=6
ReturnToService=2
MinJobAge=3600
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=1 RealMemory=16000 State=UNKNOWN
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=1 RealMemory=16000 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE PriorityTier=1 State=UP
PartitionName=urgent Nodes=ALL MaxTime=60 PriorityTier=2 PreemptMode=OFF State=UP
"""


def why_not() -> str | None:
    """Say why no cluster can be had here; None if one can."""
    if missing := [name for name in PROGRAMS if shutil.which(name, path=_PATH) is None]:
        return f"no {', '.join(missing)}: apt-get install --no-install-recommends slurm-wlm munge"
    if os.geteuid() != 0:
        return "slurmd starts jobs as their users, which only root can"
    return None


@dataclass
class Cluster:
    """Two nodes of one core each, partition `main`, and partition `urgent` whose jobs push those of `main` aside."""

    folder: Path
    environment: dict[str, str]
    daemons: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def run(self, *words: str) -> str:
        """Run a command of SLURM's; return what it prints."""
        run = subprocess.run(words, env=self.environment, text=True, capture_output=True, check=False, timeout=60)
        assert run.returncode == 0, run.stderr
        return run.stdout

    def running_on(self, job: str) -> str:
        """Node of a job that runs; empty while it waits."""
        return self.run("squeue", "--noheader", "--states=RUNNING", f"--jobs={job}", "--format=%N").strip()

    def waiting_or_running(self) -> list[str]:
        """Ids of all jobs that are not over."""
        return self.run("squeue", "--noheader", "--format=%A").split()

    def described(self, job: str) -> dict[str, str]:
        """What SLURM knows of a job."""
        words = self.run("scontrol", "--oneliner", "show", "job", job).split()
        return dict(word.split("=", 1) for word in words if "=" in word)

    def start(self, name: str, *command: str) -> None:
        """Start a daemon that ends with this process, whatever ends it."""
        program = shutil.which(command[0], path=_PATH)
        words = [*DIES_WITH_US, str(program), *command[1:]]
        with (self.folder / f"{name}.out").open("ab") as out:
            self.daemons[name] = subprocess.Popen(
                words, env=self.environment, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )

    def start_node(self, name: str) -> None:
        """Start a node's daemon and wait until the node takes jobs."""
        self.start(name, "slurmd", "-D", "-N", name)
        listed = ("sinfo", "--noheader", "--Node", "--partition=main", f"--nodes={name}", "--format=%t")
        self.wait_for(lambda: self.run(*listed).strip() in {"idle", "mix", "alloc"}, f"node {name}")

    def kill_node(self, name: str, job: str) -> None:
        """Let a node die, and the job on it, as if its power were cut."""
        self.daemons[name].kill()
        self.daemons.pop(name).wait()
        words = {f"SLURM_JOB_ID={job}".encode(), f"SLURMD_NODENAME={name}".encode()}
        for pid in processes_of(self.folder):
            steps = f"slurmstepd: [{job}.".encode() in _read(pid, "cmdline")
            if steps or words <= set(_read(pid, "environ").split(b"\0")):
                _kill(pid)

    def wait_for(self, done: Callable[[], bool], what: str, timeout_s: float = 60) -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + timeout_s
        while not done():
            assert time.monotonic() < deadline, f"no {what} after {timeout_s:.0f} s\n{self.last_words()}"
            time.sleep(0.1)

    def last_words(self) -> str:
        """The ends of the daemons' logs."""
        logs = sorted([*self.folder.glob("*.log"), *self.folder.glob("*.out")])
        return "\n".join(f"{log.name}: " + "\n".join(log.read_text().splitlines()[-3:]) for log in logs)

    def stop(self) -> None:
        """End the daemons, then their jobs and whatever else is left."""
        for daemon in reversed(self.daemons.values()):
            daemon.terminate()
        deadline = time.monotonic() + 10
        for daemon in self.daemons.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                daemon.wait(max(0.1, deadline - time.monotonic()))
        while left := processes_of(self.folder):
            for pid in left:
                _kill(pid)
            time.sleep(0.05)
        for daemon in self.daemons.values():
            daemon.wait()


@contextmanager
def running(folder: Path) -> Iterator[Cluster]:
    """Bring up a cluster in an empty folder; it is gone when the block ends, however it ends."""
    cluster = Cluster(folder, _prepare(folder))
    try:
        key = ("--key-file", "munge.key", "--seed-file", "munge.seed")
        files = ("--socket", "munge.socket", "--pid-file", "munge.pid", "--log-file", "munge.log")
        places = [word if word.startswith("--") else str(folder / word) for word in (*key, *files)]
        cluster.start("munged", "munged", "--foreground", "--force", *places)
        cluster.wait_for((folder / "munge.socket").exists, "socket of munged")
        cluster.start("slurmctld", "slurmctld", "-D")
        for node in NODES:
            cluster.start_node(node)
        yield cluster
    finally:
        cluster.stop()


def processes_of(folder: Path) -> list[int]:
    """Ids of all processes that belong to the cluster of a folder."""
    mark = f"{MARK}={folder}".encode()
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [pid for pid in pids if mark in _read(pid, "environ").split(b"\0")]


def _prepare(folder: Path) -> dict[str, str]:
    """Write keys, configuration and the jobs' `srun`; return the environment of all that belongs to the cluster."""
    for name in ("slurmctld", *NODES, "bin"):
        (folder / name).mkdir()
    folder.chmod(0o700)
    (folder / "munge.key").write_bytes(secrets.token_bytes(128))
    (folder / "munge.key").chmod(0o600)
    host = socket.gethostname().partition(".")[0]
    configuration = folder / "slurm.conf"
    configuration.write_text(CONFIGURATION.format(folder=folder, host=host, ports=_free_ports(3), user="root"))
    srun = folder / "bin/srun"
    srun.write_text(f'#!/bin/sh\nSLURM_CONF={configuration} exec {shutil.which("srun", path=_PATH)} "$@"\n')
    srun.chmod(0o755)
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("COVERAGE", "SLURM", "SNAKEMAKE"))}
    path = os.pathsep.join([str(folder / "bin"), _PATH])
    return kept | {"PATH": path, "SLURM_CONF": str(configuration), MARK: str(folder)}


def _free_ports(count: int) -> Sequence[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""  # it has ended


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
