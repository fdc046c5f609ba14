"""Count concordant minus discordant pairs of elements of two vectors (Kendall's score) in compiled loops.

Both algorithms read a vector as a ranking. `order` lists its elements by ascending value. `starts` is true at
the places of `order` where a group of tied elements begins. Pairs that are tied in either vector count 0.

Short vectors use bit sets. For each element p, one set holds the elements q > p with a greater value, and
another the elements q > p that are not tied with p. Two vectors disagree on the pairs where the first sets
differ. The processor compares 64 pairs at a time, so work grows with the square of the length.

Long vectors are walked through in ascending order of one vector. For each element, those visited before that
are lower in the other vector are counted. Counts are kept at three levels (bits of a word, words, superblocks
of 64 words), so work grows with the length alone. Knight (1966) obtains the same counts by merge sort.
"""

from collections.abc import Callable

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from model_emotion.base.processor import compiled

LONG = 1024
"""Length from which walking is faster than bit sets (46 emotions have 1,035 pairs)."""
TILE = 16
"""Vectors whose bit sets stay in a core's cache while they are compared with the other vectors."""

ONE = np.uint64(1)
ALL = np.uint64(2**64 - 1)
WORD, SUPER = np.uint64(6), np.uint64(12)  # a word holds 2^6 elements, a superblock 2^12
IN_WORD, WORDS = np.uint64(63), np.uint64(63)  # masks: an element's bit in its word, a word in its superblock
LATER_WORDS = np.triu(np.ones((64, 64), dtype=np.int16), 1)
"""[64, 64]: row w is 1 at the words of a superblock that come after word w."""


def _count_bits(context, word):
    """Count the bits that are set in a word, with one instruction of the processor."""

    def code(context, builder, signature, arguments):
        return builder.call(builder.module.declare_intrinsic("llvm.ctpop", [ir.IntType(64)]), arguments)

    return types.uint64(types.uint64), code


_popcount: Callable[[np.uint64], np.uint64] = intrinsic(_count_bits)  # type: ignore[assignment]


@compiled
def ordered_starts(x: np.ndarray, order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (order as int32, starts as bool), each [rows, n], of vectors x [rows, n] and their argsort."""
    rows, n = x.shape
    short, starts = np.empty((rows, n), dtype=np.int32), np.empty((rows, n), dtype=np.bool_)
    for row in range(rows):
        before = np.nan  # differs from every value
        for place in range(n):
            element = np.uint64(order[row, place])
            value = x[row, element]
            short[row, place] = element
            starts[row, place] = value != before
            before = value
    return short, starts


@compiled
def tie_sums(starts: np.ndarray) -> np.ndarray:
    """Return sums [rows, 3] of t(t-1), t(t-1)(t-2) and t(t-1)(2t+5) over groups of t tied elements."""
    rows, n = starts.shape
    sums = np.zeros((rows, 3))
    for row in range(rows):
        first = 0
        for place in range(1, n + 1):
            if place == n or starts[row, place]:
                t = place - first
                if t > 1:
                    pairs = float(t) * (t - 1)
                    sums[row, 0] += pairs
                    sums[row, 1] += pairs * (t - 2)
                    sums[row, 2] += pairs * (2 * t + 5)
                first = place
    return sums


@compiled
def _offsets(n):
    """Return offsets [words + 1]: word w of element p is at offset[w] + p, if it holds elements after p."""
    words = (n + 63) // 64
    offset = np.zeros(words + 1, dtype=np.int64)
    for w in range(words):
        offset[w + 1] = offset[w] + min(n, 64 * w + 64)
    return offset


@compiled
def _fill(row, n):
    """Set the bits of all n elements."""
    for w in range(len(row)):
        row[w] = ALL
    if n & 63:
        row[-1] = (ONE << np.uint64(n & 63)) - ONE


@compiled
def _write_greater(order, starts, offset, greater):
    """Write each element's set of greater elements. The bits of earlier elements are not meaningful."""
    n = len(order)
    row = np.empty(len(offset) - 1, dtype=np.uint64)
    _fill(row, n)
    first = 0
    for place in range(1, n + 1):
        if place == n or starts[place]:
            for at in range(first, place):
                element = np.uint64(order[at])
                row[element >> WORD] &= ~(ONE << (element & IN_WORD))
            for at in range(first, place):
                element = order[at]
                for w in range(element >> 6, len(row)):
                    greater[offset[w] + element] = row[w]
            first = place


@compiled
def _write_untied(order, starts, offset, untied):
    """Write each element's set of later elements that are not tied with it."""
    n = len(order)
    row = np.empty(len(offset) - 1, dtype=np.uint64)
    _fill(row, n)
    first = 0
    for place in range(1, n + 1):
        if place == n or starts[place]:
            for at in range(first, place):
                element = np.uint64(order[at])
                row[element >> WORD] &= ~(ONE << (element & IN_WORD))
            for at in range(first, place):
                element = order[at]
                own = element >> 6
                later = ALL << np.uint64(element & 63) << ONE
                untied[offset[own] + element] = row[own] & later
                for w in range(own + 1, len(row)):
                    untied[offset[w] + element] = row[w]
            for at in range(first, place):
                element = np.uint64(order[at])
                row[element >> WORD] |= ONE << (element & IN_WORD)
            first = place


@compiled
def sets(order: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the bit sets (greater, untied), each uint64 [rows, words], of rankings [rows, n]."""
    rows, n = order.shape
    offset = _offsets(n)
    greater = np.zeros((rows, offset[-1]), dtype=np.uint64)
    untied = np.zeros((rows, offset[-1]), dtype=np.uint64)
    for row in range(rows):
        _write_greater(order[row], starts[row], offset, greater[row])
        _write_untied(order[row], starts[row], offset, untied[row])
    return greater, untied


@compiled
def _differ(x, y, untied):
    """Count the untied pairs on which the sets `greater` of x and y disagree."""
    count = np.uint64(0)
    for i in range(len(x)):
        count += _popcount((x[i] ^ y[i]) & untied[i])
    return np.int64(count)


@compiled
def _differ_and_untied(x, x_untied, y, y_untied):
    """Return (pairs on which x and y disagree, all pairs), both among the pairs that neither vector ties."""
    count, among = np.uint64(0), np.uint64(0)
    for i in range(len(x)):
        both = x_untied[i] & y_untied[i]
        among += _popcount(both)
        count += _popcount((x[i] ^ y[i]) & both)
    return np.int64(count), np.int64(among)


@compiled
def scores_by_sets(
    order: np.ndarray, starts: np.ndarray, tied: np.ndarray, y: tuple[np.ndarray, ...], y_pairs: np.ndarray
) -> np.ndarray:
    """Return int64 scores [rows, m] of rankings [rows, n] with m vectors y, given as `sets`.

    tied [rows]: whether a ranking has ties. y_pairs [m]: number of untied pairs of each vector y.
    """
    y_greater, y_untied = y
    rows, n = order.shape
    m = len(y_greater)
    offset = _offsets(n)
    greater = np.zeros((TILE, offset[-1]), dtype=np.uint64)
    untied = np.zeros((TILE, offset[-1]), dtype=np.uint64)
    score = np.empty((rows, m), dtype=np.int64)
    for begin in range(0, rows, TILE):
        end = min(begin + TILE, rows)
        for row in range(begin, end):
            _write_greater(order[row], starts[row], offset, greater[row - begin])
            if tied[row]:
                _write_untied(order[row], starts[row], offset, untied[row - begin])
        for column in range(m):
            of_y, untied_y = y_greater[column], y_untied[column]
            for row in range(begin, end):
                x = greater[row - begin]
                if tied[row]:
                    differ, among = _differ_and_untied(x, untied[row - begin], of_y, untied_y)
                    score[row, column] = among - 2 * differ
                else:
                    score[row, column] = y_pairs[column] - 2 * _differ(x, of_y, untied_y)
    return score


@compiled
def places(order: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (place, first, last), each [rows, n], of the elements of rankings [rows, n].

    place: an element's place in the order. first, last: its group of ties is at the places first to last - 1.
    """
    rows, n = order.shape
    place, first, last = np.empty_like(order), np.empty_like(order), np.empty_like(order)
    for row in range(rows):
        begin = 0
        for at in range(1, n + 1):
            if at == n or starts[row, at]:
                for of_group in range(begin, at):
                    element = order[row, of_group]
                    place[row, element] = of_group
                    first[row, element] = begin
                    last[row, element] = at
                begin = at
    return place, first, last


@compiled
def _below(limit, bits, in_block, in_supers):
    """Count the visited places below `limit`."""
    word, block = np.uint64(limit) >> WORD, np.uint64(limit) >> SUPER
    within = _popcount(bits[word] & ((ONE << (np.uint64(limit) & IN_WORD)) - ONE))
    return np.int64(in_supers[block]) + np.int64(in_block[block, word & WORDS]) + np.int64(within)


@compiled
def _visit(place, bits, in_block, in_supers):
    """Record a place as visited."""
    word, block = np.uint64(place) >> WORD, np.uint64(place) >> SUPER
    bits[word] |= ONE << (np.uint64(place) & IN_WORD)
    row = word & WORDS
    for w in range(64):
        in_block[block, np.uint64(w)] += LATER_WORDS[row, np.uint64(w)]
    for later in range(np.int64(block) + 1, len(in_supers)):
        in_supers[later] += 1


@compiled
def _walk(x, y, bits, in_block, in_supers):
    """Count (concordant, discordant) pairs of a ranking with the `places` of y; if it is untied, (…, 0)."""
    (order, starts, tied), (place, first, last) = x, y
    bits[:] = np.uint64(0)
    in_block[:] = 0
    in_supers[:] = 0
    concordant, discordant, begin, n = 0, 0, 0, len(order)
    if not tied:
        for at in range(n):
            element = np.uint64(order[at])
            concordant += _below(first[element], bits, in_block, in_supers)
            _visit(place[element], bits, in_block, in_supers)
        return concordant, discordant
    for at in range(1, n + 1):
        if at == n or starts[at]:
            for of_group in range(begin, at):
                element = np.uint64(order[of_group])
                concordant += _below(first[element], bits, in_block, in_supers)
                discordant += begin - _below(last[element], bits, in_block, in_supers)
            for of_group in range(begin, at):
                _visit(place[np.uint64(order[of_group])], bits, in_block, in_supers)
            begin = at
    return concordant, discordant


@compiled
def scores_by_walking(
    order: np.ndarray, starts: np.ndarray, tied: np.ndarray, y: tuple[np.ndarray, ...], y_pairs: np.ndarray
) -> np.ndarray:
    """Return the same as `scores_by_sets` for m vectors y, given as `places`."""
    place, first, last = y
    rows, n = order.shape
    m = len(place)
    bits = np.empty(n // 64 + 1, dtype=np.uint64)
    in_block = np.empty((n // 4096 + 1, 64), dtype=np.int16)
    in_supers = np.empty(n // 4096 + 1, dtype=np.int64)
    score = np.empty((rows, m), dtype=np.int64)
    for row in range(rows):
        for column in range(m):
            x, of_y = (order[row], starts[row], tied[row]), (place[column], first[column], last[column])
            concordant, discordant = _walk(x, of_y, bits, in_block, in_supers)
            if not tied[row]:
                discordant = y_pairs[column] - concordant
            score[row, column] = concordant - discordant
    return score
