"""The settings in the form that judging a line needs: sets, windows and unix times, built once per change."""

from __future__ import annotations

from collections.abc import Collection

from ops.simulator import clock, sentences, verdicts
from ops.simulator.options import Options


class Rules:
    """Immutable; a changed option makes a new one."""

    def __init__(self, options: Options, opted_out: Collection[str] = ()) -> None:
        """`opted_out` are the numbers that sent BAJA since the start, beside those of the options."""
        self.options = options
        self.window = clock.Window(options.window)
        self.mix = verdicts.Mix.of(options.mix, options.seed)
        self.dup_seconds = options.dup_hours * 3600
        self.contract_ends = clock.end_of(options.contract_expires) if options.contract_expires else None
        self._barred = {
            **dict.fromkeys((number.encode() for number in options.no_call), sentences.NO_CALL),
            **dict.fromkeys((number.encode() for number in (*options.baja, *opted_out)), sentences.OPTED_OUT),
        }
        self._invalid_prefixes = tuple(prefix.encode() for prefix in options.invalid_prefix)
        self._slow_prefixes = tuple(prefix.encode() for prefix in options.slow_prefix)
        self._slow_suffixes = tuple(suffix.encode() for suffix in options.slow_suffix)
        self.slow_carrier = bool(self._slow_prefixes or self._slow_suffixes)
        # Whether content alone decides, so that a plain batch needs no look at its lines.
        self.content_only = not (self.mix or self._barred or self._invalid_prefixes)

    def expired(self, at: float) -> str | None:
        """The contract's sentence once its last day is over."""
        day = self.options.contract_expires
        if day is None or self.contract_ends is None or at < self.contract_ends:
            return None
        return sentences.expired(day)

    def is_slow(self, rest: bytes) -> bool:
        """Whether a line goes to a number of the slow carrier."""
        destino = rest.partition(b"\t")[0]
        return destino.startswith(self._slow_prefixes) or destino.endswith(self._slow_suffixes)

    def refuses_content(self, rest: bytes, *, plain: bool) -> str | None:
        """The sentence that a line's own content earns it, or None."""
        destino, _, texto = rest.partition(b"\t")
        refusal = None if plain else verdicts.judge(destino, texto, self.options.country)
        if refusal is None and self._invalid_prefixes and destino.startswith(self._invalid_prefixes):
            refusal = sentences.NUMBER_PREFIX
        return refusal or self._barred.get(destino)
