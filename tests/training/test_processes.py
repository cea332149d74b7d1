"""Groups of processes: who joins one leaves it, and nobody leaves another's."""

import pytest
import torch.distributed
from torch.distributed import HashStore

from clearcall.training import processes


def join():
    torch.distributed.init_process_group("gloo", store=HashStore(), rank=0, world_size=1)


@pytest.fixture(autouse=True)
def nothing_left():
    yield
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def test_a_group_that_was_joined_is_left():
    with processes.leaving_group():
        join()
    assert not torch.distributed.is_initialized()


def test_a_group_of_the_caller_stays():
    join()
    with processes.leaving_group():
        pass
    assert torch.distributed.is_initialized()


def test_without_a_group_there_is_nothing_to_leave():
    with processes.leaving_group():
        pass
    assert not torch.distributed.is_initialized()
