"""Whether a fit's next compiled call takes all its threads, or one: no bit of the result depends on it."""

# After so many seconds with all threads, or with one, and so many times the length of the last call, the other is tried
# for one call; twice as late each time it was no faster, up to so many seconds or calls. Trying one thread costs 20 ms
# where two are twice as fast, so short fits do not. Trying all soon is worth it: most often a processor is lost for
# milliseconds (784-10-10 at B = 32, rounds of 10 epochs of 5 to 6 ms: some took 9 for 0.4 s before).
_FIRST, _CALLS = {"all": 1.0, "one": 0.03}, {"all": 8, "one": 4}
_LONGEST, _MOST_CALLS, _MOST_TIMES = {"all": 8.0, "one": 3.0}, 64, 256
_FASTER = 0.95  # share of the time that is worth a change
_NEWEST = 0.25  # weight of the last call in the mean of the calls' times


class Pace:
    """Takes the faster of two ways to make calls, as their times tell.

    Two threads are slower than one beside another busy process, or where a host has them share one core: with
    784-10-10 at B = 32 15 ms an epoch instead of 10, and 6 on cores of their own.

    Parameters
    ----------
    n_threads : int
    """

    def __init__(self, n_threads: int):
        self._can_choose = n_threads > 1
        self._taken, self._trying = "all", False
        self._times, self._left = 1, _FIRST["all"]
        self._rate, self._stalls = 0.0, 0

    @property
    def alone(self) -> bool:
        """Whether the next call takes one thread."""
        return (self._taken == "one") != self._trying

    def took(self, n_samples: int, seconds: float, stalled: bool = False) -> None:
        """Tell of a call for so many samples; ``stalled`` says that one thread went on alone, after long waits.

        Two such calls in a row mean that another process keeps a processor busy, one alone may be chance.
        """
        if not self._can_choose:
            return
        rate, self._stalls = seconds / n_samples, self._stalls + 1 if stalled else 0
        if stalled and (self._trying or self._stalls > 1):
            self._settle("one", self._trying, self._rate if self._trying else 0.0, seconds)
        elif self._trying:
            faster = rate < _FASTER * self._rate
            self._settle(self._other if faster else self._taken, not faster, rate if faster else self._rate, seconds)
        else:
            self._rate = _NEWEST * rate + (1 - _NEWEST) * self._rate if self._rate else rate
            self._left -= seconds
            self._trying = self._left <= 0

    @property
    def _other(self) -> str:
        return "all" if self._taken == "one" else "one"

    def _settle(self, taken: str, again: bool, rate: float, seconds: float) -> None:
        """Take a way until the other is tried; ``again`` if that was just tried in vain."""
        self._times = min(2 * self._times, _MOST_TIMES) if again else 1
        self._taken, self._trying, self._rate = taken, False, rate
        longest = max(_LONGEST[taken], _MOST_CALLS * seconds)
        self._left = min(self._times * max(_FIRST[taken], _CALLS[taken] * seconds), longest)
