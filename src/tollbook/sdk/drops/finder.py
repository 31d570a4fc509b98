"""Finds objects that need work: by news, by listing on from the last key, and by listing all."""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

from tollbook.errors import Rejected
from tollbook.sdk.drops.manifest import MANIFEST_BYTES_MAX, Promise, read_manifest
from tollbook.sdk.drops.place import MANIFEST_SUFFIX, DropObject, DropPlace, is_manifest
from tollbook.sdk.drops.register import Judged, Register
from tollbook.sdk.drops.rule import DropRule, is_to_take, lane_of
from tollbook.values.clock import Clock

PAGE_OBJECTS: Final = 1_000
PENDING_MAX: Final = 10_000


class Finder:
    """What waits in a place, and the manifests that speak of it."""

    def __init__(self, place: DropPlace, register: Register, clock: Clock, rule: DropRule) -> None:
        self._place = place
        self._register = register
        self._clock = clock
        self._rule = rule
        self._pending: OrderedDict[str, DropObject] = OrderedDict()
        self._manifests: dict[str, DropObject] = {}
        self._promises: dict[str, Promise] = {}
        self._read: dict[str, str] = {}
        self._held: set[str] = set()
        self._last_key = ""
        self._is_partial = False
        self._look_at = self._list_all_at = clock.monotonic()

    @property
    def pending(self) -> Iterable[DropObject]:
        """The objects that were found and wait."""
        return self._pending.values()

    def next(self) -> DropObject | None:
        """Return the next object that needs work and forget that it waits."""
        return self._pending.popitem(last=False)[1] if self._pending else None

    def put_back(self, found: DropObject) -> None:
        """Let an object wait again, before all others."""
        self._pending[lane_of(found)] = found
        self._pending.move_to_end(lane_of(found), last=False)

    def look(self, wait_seconds: float) -> None:
        """Look for objects, by listing when it is time and by news, waiting for the latter."""
        now = self._clock.monotonic()
        if not self._is_partial and now < self._look_at:
            self._wait(min(wait_seconds, self._look_at - now))
            return
        is_all = not self._is_partial and (not self._place.can_continue or now >= self._list_all_at)
        self._list("" if is_all else self._continue_after())
        if not self._is_partial:
            self._look_at = now + self._rule.poll_seconds
            if is_all:
                self._list_all_at = now + self._rule.relist_seconds

    def _wait(self, seconds: float) -> None:
        if not self._place.announces:
            self._clock.wait(seconds)
            return
        self._sift(self._place.news(seconds))
        self._place.forget_news()

    def promise(self, found: DropObject) -> Promise | None:
        """Return what is said of an object; Rejected with `capture.manifest_invalid` if unreadable."""
        manifest = self._manifests.get(found.key + MANIFEST_SUFFIX)
        if manifest is None:
            return self._promises.get(found.key)
        return self._read_manifest(manifest)[found.key]

    def said_by(self, found: DropObject) -> str:
        """Return the name and version of the manifest that speaks of an object, or nothing."""
        manifest = self._manifests.get(found.key + MANIFEST_SUFFIX)
        if manifest is not None:
            return lane_of(manifest)
        promise = self._promises.get(found.key)
        return promise.said_by if promise else ""

    def hold(self, found: DropObject) -> None:
        """Look at an object again in every listing: its manifest is missing."""
        self._held.add(found.key)

    def forget(self, found: DropObject) -> None:
        """Forget what was said of an object that is done."""
        self._manifests.pop(found.key + MANIFEST_SUFFIX, None)
        self._promises.pop(found.key, None)
        self._held.discard(found.key)

    def _continue_after(self) -> str:
        # A prefix of a key sorts before it, so a listing after it begins with what is held.
        return min([self._last_key, *(key[:-1] for key in self._held)])

    def _list(self, after: str) -> None:
        page: list[DropObject] = []
        names: set[str] = set()
        self._is_partial = False
        for found in self._place.list_after(after):
            if is_manifest(found.key):
                self._take_note(found, names)
            elif self._rule.wants(found.key):
                page.append(found)
                names.add(found.key)
            self._last_key = found.key
            if len(page) >= PAGE_OBJECTS:
                self._sift(page)
                page = []
                if len(self._pending) >= PENDING_MAX:
                    self._is_partial = True
                    return
        self._sift(page)

    def _sift(self, page: Iterable[DropObject]) -> None:
        wanted = [one for one in page if self._rule.wants(one.key)]
        if not wanted:
            return
        seen = self._register.seen([one.key for one in wanted])
        for found in wanted:
            known = list(seen.get(found.key, ()))
            said_by = self.said_by(found)
            if is_to_take(found, known, said_by=said_by, rule=self._rule):
                self._pending.setdefault(lane_of(found), found)
            elif any(one.version == found.version and one.state == "held" for one in known):
                self._held.add(found.key)

    def _take_note(self, manifest: DropObject, names: set[str]) -> None:
        """Remember a manifest; one that may speak of several objects is read at once."""
        spoken_of = manifest.key.removesuffix(MANIFEST_SUFFIX)
        if spoken_of in names:
            self._manifests[manifest.key] = manifest
            return
        if self._read.get(manifest.key) == manifest.version:
            return
        try:
            promises = self._read_manifest(manifest)
        except Rejected as failure:
            self._register.stop(manifest, Judged(self._place.identity), "refused", failure)
        else:
            self._promises |= promises
            earlier = self._register.seen([manifest.key]).get(manifest.key, ())
            if any(one.state == "refused" for one in earlier):
                self._register.begin(manifest, Judged(self._place.identity))
                self._register.finish(manifest)
        self._read[manifest.key] = manifest.version

    def _read_manifest(self, manifest: DropObject) -> dict[str, Promise]:
        if manifest.size > MANIFEST_BYTES_MAX:
            raise Rejected(
                "capture.manifest_invalid",
                f"The manifest {manifest.key} is larger than {MANIFEST_BYTES_MAX} bytes: correct "
                "it. Nothing of what it speaks of is taken.",
            )
        with self._place.open(manifest) as file:
            return read_manifest(manifest.key, file.read(), said_by=lane_of(manifest))
