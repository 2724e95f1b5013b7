"""Batches that do not fit into a device's memory, with a device that is made up."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
import torch
from AnomalyDetectionLib.imaging.out_of_memory import (
    in_batches,
    is_out_of_memory,
    on_fallback,
    with_cpu_fallback,
)


class Device:
    """Takes batches up to a size; of each it says where it was done."""

    def __init__(self, holds):
        self.holds, self.tried = holds, []

    def made(self, device):
        def work(places):
            self.tried.append((device, places.stop - places.start))
            if places.stop - places.start > self.holds[device]:
                raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB")
            return list(range(places.start, places.stop))

        return work


def run(device, count=50, size=16):
    said: list[str] = []
    with on_fallback(said.append):
        parts = in_batches(device.made, count, size, "cuda", "The scoring")
    return [place for part in parts for place in part], said


def test_batches_that_fit_are_done_as_they_are():
    device = Device({"cuda": 16})
    assert run(device) == (list(range(50)), [])
    assert device.tried == [("cuda", 16)] * 3 + [("cuda", 2)]


def test_smaller_batches_are_tried_first_and_nothing_is_done_twice():
    device = Device({"cuda": 5})
    places, said = run(device)
    assert places == list(range(50))
    assert {where for where, _ in device.tried} == {"cuda"}
    assert said == ["The memory of the GPU was short. The scoring went on in smaller batches"] * 2


def test_then_the_cpu_takes_over_where_the_gpu_ended():
    device = Device({"cuda": 0, "cpu": 16})
    places, said = run(device)
    assert places == list(range(50))
    assert device.tried[-4:] == [("cpu", 16)] * 3 + [("cpu", 2)]
    assert said[-1] == "The memory of the GPU was not enough. The scoring went on on the CPU"


def test_a_network_that_does_not_fit_at_all_goes_to_the_cpu():
    def made(device):
        if device == "cuda":
            raise RuntimeError("CUDA error: out of memory")
        return lambda places: device

    assert in_batches(made, 3, 2, "cuda", "The scoring") == ["cpu", "cpu"]


def test_where_the_computer_has_not_enough_either_the_error_is_passed_on():
    with pytest.raises(torch.cuda.OutOfMemoryError):
        run(Device({"cuda": 0, "cpu": 0}))


def test_another_error_is_no_lack_of_memory():
    def broken(device):
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes"):
        in_batches(broken, 3, 2, "cuda", "The scoring")
    with pytest.raises(RuntimeError, match="shapes"):
        with_cpu_fallback(broken, "cuda", "The scoring")


def test_a_single_piece_of_work_goes_to_the_cpu_and_says_so():
    def work(device):
        if device != "cpu":
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return device

    said: list[str] = []
    with on_fallback(said.append):
        assert with_cpu_fallback(work, "mps", "The search for the brain") == "cpu"
    assert said == ["The memory of the GPU was not enough. The search for the brain went to the CPU"]


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.cuda.OutOfMemoryError("x"),
        RuntimeError("MPS backend out of memory (MPS allocated: 5 GB)"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:114] DefaultCPUAllocator: can't allocate memory: you tried"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("Exception thrown in SimpleITK: Failed to allocate memory for image."),
    ],
)  # fmt: skip
def test_all_ways_to_say_it_are_known(error):
    assert is_out_of_memory(error)
    assert not is_out_of_memory(ValueError("out of memory"))


def test_a_computer_without_memory_gets_a_sentence_and_nothing_is_left(tmp_path):
    pytest.importorskip("resource")
    program = """
import resource, sys
import AnomalyDetectionLib.detection.pipeline, numpy, SimpleITK, torch
from AnomalyDetectionLib import cli
from AnomalyDetectionLib.detection import pipeline
resource.setrlimit(resource.RLIMIT_AS, (2**33, 2**33))
for fill in (
    lambda: numpy.ones(2**34),
    lambda: torch.ones(2**34),
    lambda: SimpleITK.Image(4096, 4096, 4096, SimpleITK.sitkFloat64),
):
    pipeline.read_study = lambda *_, **__: fill()
    try:
        cli.main(["detect", "--t1", "a", "--flair", "b", "--output", sys.argv[1], "--progress", "none"])
    except SystemExit as left:
        assert left.code == 2, left.code
"""
    arguments = [sys.executable, "-c", program, str(tmp_path / "results")]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"(Not enough memory: [^\n]*\n){3}", done.stderr)
    assert list(tmp_path.iterdir()) == []
