"""Which file is which: places and files of the same fingerprint. I/O only through the files given.

Two files begin with the same line when one is a copy of the other (copytruncate, gzip at work, a
backup), or by chance. They are told apart by what stands before the place where reading goes on.
"""

from collections.abc import Callable, Iterable, Mapping

from shipper.read.followed import Followed
from shipper.read.position import CHECK, Position


class KnownPositions:
    """All places by key, and which of them a file holds now."""

    def __init__(self, places: Mapping[str, Position]) -> None:
        self.places = dict(places)
        self._began_with = dict(places)
        self._cut_off: dict[str, int] = {}  # places whose file was cut: bytes that were not read by then
        self._recovered = 0

    def claim(self, one: Followed, files: Iterable[Followed], *, quiet: bool) -> None:
        """Say who an identified file is: one that goes on from a place, or a new log. A copy of a file
        that is being followed stays without a key and waits; `quiet`: it did not change for a while.

        Raises:
            OSError: it cannot be read.
        """
        assert one.file is not None
        holders = {other.key: other for other in files if other.key}
        mine = [key for key, place in self.places.items() if place.fingerprint == one.file.fingerprint]
        mine.sort(key=lambda key: (self.places[key].inode != one.inode, key))
        unclear = False
        for key in mine:
            holder, place = holders.get(key), self.places[key]
            if holder is None:
                if one.matches(place.offset, place.check):
                    self._take(one, key, place)
                    return
                unclear |= one.size < place.offset and not quiet and not one.rotated
            elif _copies(one, holder):
                if _outlives(one, holder):
                    place = self.places[key] = holder.place()
                    holder.start_over()
                    self._take(one, key, place)
                return
        if not unclear:
            one.key = self._new_key(one.file.fingerprint)
            self.places[one.key] = one.place()

    def _take(self, one: Followed, key: str, place: Position) -> None:
        one.key = key
        one.place_was_known = True
        one.go_to(place.offset)
        self._recovered += self._cut_off.pop(key, 0)

    def _new_key(self, fingerprint: str) -> str:
        number, key = 1, fingerprint
        while key in self.places:
            number += 1
            key = f"{fingerprint}.{number}"
        return key

    def leave(self, one: Followed, lost: int) -> None:
        """A file is no longer what it was, or closed: its place is free for whoever has its bytes."""
        if one.key:
            self.places[one.key] = one.place()
            if lost:
                self._cut_off[one.key] = lost

    def take_recovered(self) -> int:
        """Bytes that seemed lost and were found in a copy, since the last call."""
        recovered, self._recovered = self._recovered, 0
        return recovered

    def is_at(self, one: Followed, key: str) -> bool:
        """True if an identified file holds what stands before the place of a key."""
        place = self.places[key]
        return one.file is not None and one.file.fingerprint == place.fingerprint and one.matches(place.offset, place.check)

    def find(self, key: str, paths: Iterable[str], opened: Callable[[str, str], Followed]) -> Followed | None:
        """The file of a key, opened once more to read its past; it is at its last path, or at one of these."""
        place = self.places[key]
        for path in [place.path, *paths]:
            try:
                one = opened(path, place.source)
            except OSError:
                continue
            one.final = True
            try:
                if one.identify() and self.is_at(one, key):
                    one.key = key
                    return one
            except OSError:
                pass
            one.close()
        return None

    def began_with(self, source: str) -> list[tuple[str, Position]]:
        """The places of a source at the start, in the order in which its files were written."""
        own = [(key, place) for key, place in self._began_with.items() if place.source == source]
        return sorted(own, key=lambda item: (item[1].time, item[1].path))


def _copies(one: Followed, holder: Followed) -> bool:
    """True if `one` holds what was read of `holder`, or as much of it as has been copied by now."""
    end = holder.offset if one.content.packed else min(holder.offset, one.size)
    begin = max(0, end - CHECK)
    mine = one.content.at(begin, end - begin)
    if len(mine) < end - begin and one.content.complete and not one.content.trouble:
        return False
    return mine == holder.content.at(begin, len(mine))


def _outlives(one: Followed, holder: Followed) -> bool:
    """True if the copy is to go on in place of `holder`, which is gone, or at its end and shorter."""
    if holder.gone:
        return one.content.packed or one.size >= holder.size
    return holder.at_end and not one.content.packed and not holder.content.packed and one.size > holder.size
