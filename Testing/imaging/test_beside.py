"""Work in a thread beside other work: both are done, both are heard of, and what fails is not lost."""

import threading

import pytest
from AnomalyDetectionLib.imaging.beside import beside
from AnomalyDetectionLib.imaging.out_of_memory import on_fallback, with_cpu_fallback


def test_both_run_at_the_same_time():
    both = threading.Barrier(2, timeout=20)
    with beside(both.wait) as other:
        both.wait()
    assert other.done()


def test_what_fails_there_is_raised_where_the_result_is_asked_for():
    def fail():
        raise ValueError("not this one")

    with beside(fail) as other:
        pass
    with pytest.raises(ValueError, match="not this one"):
        other.result()


def test_what_fails_here_waits_for_the_other_and_is_raised():
    done = threading.Event()
    with pytest.raises(ValueError, match="this one"), beside(done.set):
        raise ValueError("this one")
    assert done.is_set()


def test_a_short_memory_there_is_heard_of_here():
    def work(device):
        if device == "cuda":
            raise MemoryError
        return device

    heard = []
    with (
        on_fallback(heard.append),
        beside(lambda: with_cpu_fallback(work, "cuda", "The search for the brain")) as other,
    ):
        pass
    assert other.result() == "cpu"
    assert "The search for the brain went to the CPU" in heard[0]
