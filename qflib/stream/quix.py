"""What the stages take from Quix Streams; imported here alone, in silence.

Its dependencies warn of each other's versions at import, by a filter of their own that no option overrides: a line on
stderr that a worker's log would begin with.
"""

import warnings
from collections import deque
from typing import Any

import structlog
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

with warnings.catch_warnings(record=True):
    import quixstreams
    from quixstreams import message_context
    from quixstreams.models.topics import TopicAdmin
    from quixstreams.processing.context import ProcessingContext
    from quixstreams.sinks import BaseSink


_log = structlog.get_logger(__name__)
_ANSWER_S = (2.0, 4.0, 8.0, 16.0, 30.0)  # how long an answer is awaited at the first question, the second, ...
_NO_ANSWER = (KafkaError._TIMED_OUT, KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN)
_former: deque[AdminClient] = deque(maxlen=8)  # one dropped with an answer under way takes the process with it


class PatientAdmin(TopicAdmin):
    """Asks again, by another client, where no answer comes.

    A client that has looked at the cluster while it had no controller, as in the moment after a broker that stood still
    goes on, looks for none again: each of its questions lasts until its time is up.
    """

    @property
    def admin_client(self) -> AdminClient:
        """One client for all questions: Quix Streams makes another while none is queued in it, for then it is false."""
        if self._inner_admin is None:
            self._inner_admin = AdminClient(self._config)
            self._inner_admin.poll(0)  # where tokens are given: the first one
        return self._inner_admin

    def inspect_topics(self, topic_names: list[str], timeout: float = _ANSWER_S[-1]) -> dict[str, Any]:
        """What topics are set to; waits for the broker as long as it takes.

        Raises
        ------
        KafkaException
            If the broker refuses.
        """
        asked = 0
        while True:
            try:
                return super().inspect_topics(topic_names, timeout=min(timeout, _ANSWER_S[min(asked, 4)]))
            except KafkaException as e:
                if not (e.args[0].retriable() or e.args[0].code() in _NO_ANSWER):
                    raise
                _log.warning("waits for the broker", topics=topic_names, reason=e.args[0].str())
            asked += 1
            _former.append(self.admin_client)
            self._inner_admin = None


class Application(quixstreams.Application):
    """One without stores, nor the folder for them: it would lie where the process stands, which may be read-only."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._state_manager._state_dir = None

    def _get_topic_manager(self) -> Any:
        manager = super()._get_topic_manager()
        manager._admin = PatientAdmin(self._config.broker_address, extra_config=self._config.producer_extra_config)
        return manager


__all__ = ["Application", "BaseSink", "ProcessingContext", "message_context"]
