"""A source whose lanes are the objects of a place, each taken once and judged before its rows."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import IO, Final

from tollbook.errors import Failure, Rejected
from tollbook.observe.log import logger
from tollbook.sdk.drops.finder import Finder
from tollbook.sdk.drops.lane import ObjectLane
from tollbook.sdk.drops.manifest import Promise, check_bytes
from tollbook.sdk.drops.place import DropObject, DropPlace
from tollbook.sdk.drops.proof import check_contents
from tollbook.sdk.drops.register import Judged, Register
from tollbook.sdk.drops.rule import DropRule, lane_of, replaced, same_content
from tollbook.sdk.drops.unpack import sha256_of
from tollbook.sdk.source import LANE_DONE, Backlog, Chunk, Positions, SourceCapabilities
from tollbook.values.clock import Clock

OBJECT_GONE: Final = "capture.object_gone"

_LOG: Final = logger("drops")


class DropSource:
    """Objects of one place as a source; one object is read at a time."""

    def __init__(self, place: DropPlace, rule: DropRule, clock: Clock) -> None:
        self._place = place
        self._rule = rule
        self._clock = clock
        self._register: Register | None = None
        self._finder: Finder | None = None
        self._positions: Positions = lambda _: {}
        # Lanes with rows to give, the current one first, and lanes given to their end.
        self._lanes: deque[ObjectLane] = deque()
        self._ended: dict[str, ObjectLane] = {}

    @property
    def capabilities(self) -> SourceCapabilities:
        """Objects are read in order and can be read again."""
        return SourceCapabilities("positions", is_ordered=True, can_rewind=True)

    def use_register(self, register: Register) -> None:
        """Take the register of this source; it is needed before the source is opened."""
        self._register = register

    def open(self, positions: Positions) -> None:
        """Begin to look for objects; positions are asked for when an object's turn comes."""
        assert self._register is not None, "a source of objects needs its register"
        self._positions = positions
        self._finder = Finder(self._place, self._register, self._clock, self._rule)

    def read(self, *, records_max: int, wait_seconds: float) -> Sequence[Chunk]:
        """Return the next rows of the current object, or of the next one that needs work."""
        if not self._lanes and not self._next_lane():
            self._opened.look(wait_seconds)
            self._next_lane()
        while self._lanes:
            lane = self._lanes[0]
            try:
                chunk = lane.take(records_max)
            except Rejected as failure:
                self._lanes.popleft().close()
                self._stop(lane.found, lane.judged, failure)
                self._next_lane()
                continue
            if chunk.is_end:
                self._ended[lane.name] = self._lanes.popleft()
            return [chunk]
        return []

    def hold(self, chunks: Sequence[Chunk]) -> Sequence[Chunk]:
        """Return all chunks: objects are not taken away from a reader."""
        return chunks

    def settle(self, chunks: Sequence[Chunk]) -> None:
        """Finish the objects whose last row is stored."""
        for chunk in chunks:
            if chunk.is_end and (lane := self._ended.pop(chunk.lane, None)):
                lane.close()
                self._finish(lane.found)

    def answered(
        self, transaction: object, chunks: Sequence[Chunk], counts: Mapping[str, int]
    ) -> None:
        """Add the answers to what the register counts of the object."""
        assert len(chunks) == 1, "one object is read at a time"
        self._known.count(transaction, chunks[0].lane, rows=chunks[0].next, counts=counts)

    def rewind(self, chunk: Chunk, position: int) -> None:
        """Give the rows of an object again from a row on; another reader may be ahead or done."""
        lane = self._ended.pop(chunk.lane, None) or next(
            (one for one in self._lanes if one.name == chunk.lane), None
        )
        if lane is None:
            return
        if position == LANE_DONE:
            if lane in self._lanes:
                self._lanes.remove(lane)
            lane.close()
            return
        lane.seek(position)
        if lane not in self._lanes:
            self._lanes.appendleft(lane)

    def backlog(self) -> Backlog:
        """Tell the age of the oldest object that waits; how many rows it has is not known."""
        waiting = [one.modified_at for one in self._opened.pending]
        waiting += [lane.found.modified_at for lane in self._lanes]
        if not waiting:
            return Backlog(0, 0.0)
        age = (self._clock.now() - min(waiting)).total_seconds()
        return Backlog(None, max(age, 0.0))

    def close(self) -> None:
        """Close objects and the place."""
        for lane in [*self._lanes, *self._ended.values()]:
            lane.close()
        self._lanes.clear()
        self._ended.clear()
        self._place.close()

    @property
    def _opened(self) -> Finder:
        assert self._finder is not None, "the source is open"
        return self._finder

    @property
    def _known(self) -> Register:
        assert self._register is not None, "the source is open"
        return self._register

    def _next_lane(self) -> bool:
        """Open the next object whose rows are to be given; False when none waits."""
        while (found := self._opened.next()) is not None:
            try:
                lane = self._judge(found)
            except Rejected:
                continue
            except Failure:
                self._opened.put_back(found)
                raise
            if lane is not None:
                self._lanes.append(lane)
                return True
        return False

    def _judge(self, found: DropObject) -> ObjectLane | None:
        """Check an object against all that is said of it; None when there is nothing to do."""
        judged = Judged(self._place.identity, said_by=self._opened.said_by(found))
        try:
            promise = self._promise(found)
            file = self._place.open(found)
        except Rejected as failure:
            self._stop(found, judged, failure)
            raise
        try:
            up_to = promise.complete_up_to if promise else None
            judged = replace(judged, sha256=sha256_of(file), complete_up_to=up_to)
            lane = self._admit(found, file, judged, promise)
        except Rejected as failure:
            file.close()
            self._stop(found, judged, failure)
            raise
        except BaseException:
            file.close()
            raise
        if lane is None:
            file.close()
            self._finish(found)
        return lane

    def _promise(self, found: DropObject) -> Promise | None:
        promise = self._opened.promise(found)
        if promise is None and self._rule.require_manifest:
            raise Rejected(
                "capture.manifest_missing",
                "Nothing says that it is complete: it waits for its manifest.",
            )
        return promise

    def _admit(
        self, found: DropObject, file: IO[bytes], judged: Judged, promise: Promise | None
    ) -> ObjectLane | None:
        seen = list(self._known.seen([found.key]).get(found.key, ()))
        others = [one for one in seen if one.version != found.version]
        if (same := same_content(others, judged.sha256)) is not None:
            notice = f"has the content of version {same.version}, which was taken"
            self._known.begin(found, replace(judged, notice=notice))
            return None
        earlier = replaced(found, others)
        if earlier is not None:
            if self._rule.on_change == "refuse":
                raise Rejected(
                    "capture.object_changed",
                    f"Its content is not that of version {earlier.version}, which was taken under "
                    "this name: it is refused, as the source's `on_change` says.",
                )
            judged = replace(judged, notice=f"replaces version {earlier.version}")
            _LOG.warning("object_replaced", object=found.key, before=earlier.version)
        self._check(found, file, judged, promise)
        position = self._positions([lane_of(found)]).get(lane_of(found), 0)
        self._known.begin(found, judged)
        if position == LANE_DONE:
            return None
        metadata = self._metadata(found, judged)
        lane = ObjectLane(found, file, self._rule.files, judged=judged, metadata=metadata)
        lane.seek(position)
        return lane

    def _check(
        self, found: DropObject, file: IO[bytes], judged: Judged, promise: Promise | None
    ) -> None:
        """Compare an object with its manifest and its trailer before any row is given."""
        if promise is not None:
            check_bytes(promise, sha256=judged.sha256, size=found.size)
        check_contents(file, found.key, self._rule.files, promise)

    def _metadata(self, found: DropObject, judged: Judged) -> dict[str, str] | None:
        if not self._rule.has_mapping:
            return None
        return {
            "place": self._place.identity,
            "object": found.key,
            "version": found.version,
            "sha256": judged.sha256,
            "size": str(found.size),
            "modified_at": found.modified_at.isoformat().replace("+00:00", "Z"),
        }

    def _finish(self, found: DropObject) -> None:
        self._known.finish(found)
        self._opened.forget(found)
        self._place.mark_done(found)

    def _stop(self, found: DropObject, judged: Judged, failure: Rejected) -> None:
        if failure.code == OBJECT_GONE:
            _LOG.info("object_gone", object=found.key)
            return
        if failure.code == "capture.manifest_missing":
            self._opened.hold(found)
            self._known.stop(found, judged, "held", failure)
        elif failure.code == "capture.object_damaged":
            self._known.stop(found, judged, "damaged", failure)
        else:
            self._known.stop(found, judged, "refused", failure)
