"""Tasks in parallel processes: whoever is free takes the next, and none outlives its caller."""

import os
import signal
import sys
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from multiprocessing.resource_tracker import ensure_running
from typing import Final

import torch

from models.evaluation.trials.task import Failure, Outcome, Step, Task, performed

POLL_S: Final = 0.2
_ENDING_S: Final = 5.0
_THREADS: Final = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


def run(tasks: Sequence[Task], jobs: int) -> Generator[Step | Outcome | None]:
    """Perform tasks, each in one of so many processes; closing this ends them at once.

    A process that dies takes its task with it, and another takes its place.

    Args:
        tasks: What is to be done.
        jobs: Processes at a time, >= 1.

    Yields:
        What the processes tell, as it comes; None where nothing came for a fifth of a second.
    """
    waiting = list(reversed(tasks))
    workers = list[_Worker]()
    try:
        while waiting or workers:
            while waiting and len(workers) < jobs:
                workers.append(_Worker.started(waiting.pop()))
            ready = wait([one.connection for one in workers], POLL_S)
            if not ready:
                yield None
            for worker in [one for one in workers if one.connection in ready]:
                told = worker.told()
                if isinstance(told, Outcome) and not (waiting and worker.takes(waiting)):
                    workers.remove(worker)
                    worker.end()
                yield told
    finally:
        for worker in workers:
            worker.process.terminate()
        for worker in workers:
            worker.end()


@dataclass(slots=True, eq=False)
class _Worker:
    """A process, the line to it, and what it is at."""

    process: BaseProcess
    connection: Connection
    task: Task

    @classmethod
    def started(cls, task: Task) -> "_Worker":
        """Start a process that knows nothing of this one, and hand it a task."""
        context = get_context("spawn")
        here, there = context.Pipe()
        process = context.Process(target=_serve, args=(there,), daemon=True)
        with _one_thread_each(), _out_of_reach():
            process.start()
        there.close()
        here.send(task)
        return cls(process, here, task)

    def told(self) -> Step | Outcome:
        """Take what it says; its death is the outcome of its task."""
        try:
            told: Step | Outcome = self.connection.recv()
        except (EOFError, OSError):
            self.process.join(_ENDING_S)
            name, status = self.task.source.name, self.process.exitcode
            reason = f"its process ended with status {status}; was there too little memory?"
            failure = Failure(machine=name, scorer=None, reason=reason)
            return Outcome(machine=name, failures=[failure])
        return told

    def takes(self, waiting: list[Task]) -> bool:
        """Hand it the next task, if it lives."""
        if not self.process.is_alive():
            return False
        try:
            self.connection.send(waiting[-1])
        except OSError:
            return False
        self.task = waiting.pop()
        return True

    def end(self) -> None:
        """Hang up, and see to it that it ends."""
        self.connection.close()
        self.process.join(_ENDING_S)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


def _serve(connection: Connection) -> None:
    """Perform what comes until the other side hangs up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    torch.set_num_threads(1)
    try:
        while True:
            connection.send(performed(connection.recv(), connection.send))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return


@contextmanager
def _out_of_reach() -> Iterator[None]:
    """Keep Ctrl-C from a process that is started here, from its first instruction on.

    It reaches all processes of a terminal; this one decides what happens, and ends the others by
    SIGTERM. What comes meanwhile is delivered here afterwards.
    """
    ensure_running()  # else it is done within, and unblocks the signal
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Let numpy start no threads in a process that is started here: there is one for each core."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def cores() -> int:
    """Count the cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
