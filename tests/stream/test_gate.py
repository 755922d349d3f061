"""The gate that holds ingest back."""

import threading

from qflib.stream.ingest.lag import Follower, Gate


def test_leaving_it_does_not_wait_for_a_look_that_gets_no_answer() -> None:
    looking, answer, left = threading.Event(), threading.Event(), threading.Event()

    def look() -> dict[str, int]:
        looking.set()
        answer.wait(30)
        return {"a": 0}

    def work() -> None:
        with Gate([Follower("a", (), 1)], look):
            looking.wait(10)
        left.set()

    threading.Thread(target=work, daemon=True).start()
    assert left.wait(10)
    answer.set()
