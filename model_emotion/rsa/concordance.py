"""Kendall's score of two vectors, concordant minus discordant pairs, as compiled loops over integers.

Both algorithms read a vector as a ranking: `order`, its elements by ascending value, and `starts`, which is
true at the places of `order` where a group of tied elements begins. Ties in either vector add nothing to the
score.

Short vectors: sets of bits. Each element p has the set of later elements q > p that are greater, and the set
of those that are not tied with it. Two vectors disagree on the pairs where the first sets differ. The
processor counts 64 pairs at a time. Time grows with the square of the length.

Long vectors: a walk through one vector in ascending order. For each element it counts how many earlier
elements are lower in the other vector. Counts are kept at three levels (bits of a word, words, superblocks of
64 words), so time grows only with the length. Knight (1966) counts the same by merge sort.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import extending
from numba.core import types

from model_emotion.base.processor import compiled

intrinsic: Callable[..., Any] = extending.intrinsic

LONG = 1024
"""Length from which a walk is faster than sets of bits; 46 emotions have 1,035 pairs."""
TILE = 16
"""Vectors that are compared with all others together: their sets of bits fit into a core's cache."""

ONE = np.uint64(1)
ALL = np.uint64(2**64 - 1)
WORD, SUPER = np.uint64(6), np.uint64(12)  # a word holds 2^6 elements, a superblock 2^12
IN_WORD, WORDS = np.uint64(63), np.uint64(63)  # an element's place in its word; a word's in its superblock
LATER_WORDS = np.triu(np.ones((64, 64), dtype=np.int16), 1)
"""Row w is 1 at the words of a superblock after word w."""


@intrinsic
def _popcount(context, word):
    """Return the number of bits that are set in a word."""

    def code(context, builder, signature, arguments):
        return builder.call(builder.module.declare_intrinsic("llvm.ctpop", [ir.IntType(64)]), arguments)

    return types.uint64(types.uint64), code


@compiled
def _offsets(n):
    """Return where the words of each column begin.

    Word w of element p is at offset[w] + p, for all p that have later elements in that word.
    """
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
    """Write the set of greater elements of each element; bits of earlier elements are undefined."""
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
    """Write the set of later elements of each element that are not tied with it."""
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
    """Return the sets (greater, untied) of rankings [rows, n], each [rows, words]."""
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
    """Return the number of untied pairs on which the sets `greater` of x and y differ."""
    count = np.uint64(0)
    for i in range(len(x)):
        count += _popcount((x[i] ^ y[i]) & untied[i])
    return np.int64(count)


@compiled
def _differ_and_untied(x, x_untied, y, y_untied):
    """Return how many pairs that are tied in neither vector x and y differ on, and how many there are."""
    count, among = np.uint64(0), np.uint64(0)
    for i in range(len(x)):
        both = x_untied[i] & y_untied[i]
        among += _popcount(both)
        count += _popcount((x[i] ^ y[i]) & both)
    return np.int64(count), np.int64(among)


@compiled
def scores_by_sets(
    order: np.ndarray,
    starts: np.ndarray,
    tied: np.ndarray,
    y_greater: np.ndarray,
    y_untied: np.ndarray,
    y_pairs: np.ndarray,
) -> np.ndarray:
    """Return the scores [rows, m] of rankings [rows, n] with m vectors, given as sets [m, words].

    tied: bool [rows], which rankings have ties. y_pairs: [m] untied pairs of each vector.
    """
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
            y, y_mask = y_greater[column], y_untied[column]
            for row in range(begin, end):
                x = greater[row - begin]
                if tied[row]:
                    differ, among = _differ_and_untied(x, untied[row - begin], y, y_mask)
                    score[row, column] = among - 2 * differ
                else:
                    score[row, column] = y_pairs[column] - 2 * _differ(x, y, y_mask)
    return score


@compiled
def places(order: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return each element's place in the order, and where its group of ties begins and ends, each [rows, n].

    order, starts: rankings [rows, n].
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
    """Return the number of places below `limit` that have been visited."""
    word, block = np.uint64(limit) >> WORD, np.uint64(limit) >> SUPER
    within = _popcount(bits[word] & ((ONE << (np.uint64(limit) & IN_WORD)) - ONE))
    return np.int64(in_supers[block]) + np.int64(in_block[block, word & WORDS]) + np.int64(within)


@compiled
def _meet(place, bits, in_block, in_supers):
    """Mark a place as visited."""
    word, block = np.uint64(place) >> WORD, np.uint64(place) >> SUPER
    bits[word] |= ONE << (np.uint64(place) & IN_WORD)
    row = word & WORDS
    for w in range(64):
        in_block[block, np.uint64(w)] += LATER_WORDS[row, np.uint64(w)]
    for later in range(np.int64(block) + 1, len(in_supers)):
        in_supers[later] += 1


@compiled
def _walk(order, starts, tied, place, first, last, bits, in_block, in_supers):
    """Return the concordant pairs and, if x has ties, the discordant ones, else 0. y is given as `places`."""
    bits[:] = np.uint64(0)
    in_block[:] = 0
    in_supers[:] = 0
    concordant, discordant, begin, n = 0, 0, 0, len(order)
    if not tied:
        for at in range(n):
            element = np.uint64(order[at])
            concordant += _below(first[element], bits, in_block, in_supers)
            _meet(place[element], bits, in_block, in_supers)
        return concordant, discordant
    for at in range(1, n + 1):
        if at == n or starts[at]:
            for of_group in range(begin, at):
                element = np.uint64(order[of_group])
                concordant += _below(first[element], bits, in_block, in_supers)
                discordant += begin - _below(last[element], bits, in_block, in_supers)
            for of_group in range(begin, at):
                _meet(place[np.uint64(order[of_group])], bits, in_block, in_supers)
            begin = at
    return concordant, discordant


@compiled
def scores_by_walking(
    order: np.ndarray,
    starts: np.ndarray,
    tied: np.ndarray,
    place: np.ndarray,
    first: np.ndarray,
    last: np.ndarray,
    y_pairs: np.ndarray,
) -> np.ndarray:
    """Return the scores [rows, m] of rankings [rows, n] with m vectors, given as `places` [m, n].

    tied: bool [rows], which rankings have ties. y_pairs: [m] untied pairs of each vector.
    """
    rows, n = order.shape
    m = len(place)
    bits = np.empty(n // 64 + 1, dtype=np.uint64)
    in_block = np.empty((n // 4096 + 1, 64), dtype=np.int16)
    in_supers = np.empty(n // 4096 + 1, dtype=np.int64)
    score = np.empty((rows, m), dtype=np.int64)
    for row in range(rows):
        for column in range(m):
            x = order[row], starts[row], tied[row]
            y = place[column], first[column], last[column]
            concordant, discordant = _walk(*x, *y, bits, in_block, in_supers)
            if not tied[row]:
                discordant = y_pairs[column] - concordant
            score[row, column] = concordant - discordant
    return score
