"""The processes of one distributed run, torch.distributed.run's
children: how they meet, agree and part."""

import logging
import os
import threading
from collections.abc import Callable
from datetime import timedelta

import torch
import torch.distributed as dist

from trainer.config import rank, world

log = logging.getLogger("trainer")
# Until all are there, and for each exchange with the others.
GROUP_SECONDS, LOOK_SECONDS = 900, 2.0


def join(device: torch.device, is_finished: Callable[[], bool]) -> None:
    """Meet the other processes.

    The first one may find, once it has the lock, that the run was finished while it waited, and
    never come. So the others look again and again, from a thread: the main one is inside C++
    meanwhile.
    """
    if world() == 1:
        return
    joined = threading.Event()

    def leave_when_finished() -> None:
        while not joined.wait(LOOK_SECONDS):
            if is_finished():
                os._exit(0)

    if rank() > 0:
        threading.Thread(target=leave_when_finished, daemon=True).start()
    log.info("waiting for the other processes of the run")
    backend = "nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, timeout=timedelta(seconds=GROUP_SECONDS))
    joined.set()


def agree(device: torch.device, *flags: bool) -> tuple[bool, ...]:
    """Which flags are set here or, of several processes, in
    any: they have to stop at the same batch."""
    if world() == 1:
        return flags
    told = torch.tensor(flags, dtype=torch.float32, device=device)
    dist.all_reduce(told, dist.ReduceOp.MAX)
    return tuple(bool(flag) for flag in told.tolist())


def average_gradients(model: torch.nn.Module) -> None:
    """Make every process step by the mean of all gradients."""
    if world() == 1:
        return
    for parameter in model.parameters():
        if parameter.grad is not None:
            dist.all_reduce(parameter.grad)
            parameter.grad /= world()


def leave() -> None:
    """Part from the other processes together, after the receipt is there.

    One that ended before would count as done, and the first, killed while it leaves the receipt,
    would wait for it for ever. So this is not called where a process fails: the others' barrier
    fails too, and all start again.
    """
    if world() > 1:
        dist.barrier()
        dist.destroy_process_group()
