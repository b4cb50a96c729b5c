"""A measurement says where it was made and who else was there."""

import json

import machine


def test_instruction_sets_are_whole_flags() -> None:
    """`avx512_bf16` is not `avx512f`, and what does not matter is left out."""
    cpuinfo = "model name\t: A\nflags\t\t: fpu avx2 avx512_bf16\nflags\t\t: fma\n"

    assert machine.instruction_sets(cpuinfo) == ["avx2", "avx512_bf16"]
    assert machine.instruction_sets("Features\t: asimd\n") == []


def test_steal_is_a_share_of_all_time() -> None:
    """Of ten ticks two were stolen; no time at all is no division by zero."""
    before, after = [100, 0, 0, 0, 0, 0, 0, 10], [105, 0, 0, 3, 0, 0, 0, 12]

    assert machine.steal_percent(before, after) == 20
    assert machine.steal_percent(before, before) == 0


def test_noise_is_known_after_the_work() -> None:
    """Load before and after, and steal, as JSON can hold them."""
    with machine.noise() as found:
        pass

    kept = json.loads(json.dumps(found))
    assert len(kept["load_before"]) == len(kept["load_after"]) == 3
    assert 0 <= kept["steal_percent"] <= 100


def test_facts_have_what_a_reader_asks_for() -> None:
    """Processor, cores, threads, spins, and the versions of the rivals, absent or not."""
    facts = json.loads(json.dumps(machine.facts()))

    assert facts["processor"]
    assert facts["cores"] >= 1
    assert facts["threads"] >= 1
    assert facts["GOMP_SPINCOUNT"]
    assert {"torch", "jax", "scikit-learn"} <= facts["versions"].keys()
