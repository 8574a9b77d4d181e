"""How many records an instance has in hand."""

from osteon.bus.window import Window


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def committed_each(
    window: Window, clock: Clock, every_s: float, n_records: int, n_times: int, commit_s: float = 0.01
) -> int:
    for _ in range(n_times):
        clock.now_s += every_s
        window.committed(n_records, commit_s)
    return window.size


def test_a_stage_whose_records_take_long_has_few_in_hand() -> None:
    clock = Clock()

    assert committed_each(Window(32, 500, clock), clock, 0.4, 2, 20) == 32


def test_a_fast_stage_has_as_many_in_hand_as_it_works_in_a_tenth_of_a_second() -> None:
    clock = Clock()

    assert committed_each(Window(32, 500, clock), clock, 0.02, 40, 20) == 200


def test_where_commits_take_long_a_stage_has_more_in_hand_so_that_they_become_fewer() -> None:
    clock = Clock()

    assert committed_each(Window(32, 500, clock), clock, 0.25, 50, 20, commit_s=0.2) == 160


def test_no_stage_has_more_in_hand_than_one_transaction_takes() -> None:
    clock = Clock()

    assert committed_each(Window(32, 500, clock), clock, 0.02, 400, 20) == 500


def test_a_stage_that_was_fast_and_is_idle_has_few_in_hand_again() -> None:
    clock = Clock()
    window = Window(32, 500, clock)
    committed_each(window, clock, 0.02, 100, 20)

    assert committed_each(window, clock, 10.0, 1, 1) == 32


def test_a_stage_whose_work_becomes_slow_takes_fewer_before_its_next_commit() -> None:
    clock = Clock()
    window = Window(32, 500, clock)
    committed_each(window, clock, 0.02, 100, 20)
    assert window.size == 500

    clock.now_s += 10.0  # and still nothing of what it has in hand is done

    assert window.size == 32


def test_between_two_commits_that_take_long_a_stage_keeps_its_pace() -> None:
    clock = Clock()
    window = Window(32, 500, clock)
    committed_each(window, clock, 0.25, 50, 20, commit_s=0.2)

    clock.now_s += 0.25

    assert window.size == 160


def test_one_commit_that_hung_is_no_pace() -> None:
    clock = Clock()
    window = Window(32, 500, clock)
    committed_each(window, clock, 0.02, 100, 20)

    assert committed_each(window, clock, 60.0, 400, 1, commit_s=60.0) == 32
