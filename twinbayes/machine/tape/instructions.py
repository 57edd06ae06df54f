"""The instruction set of tapes.

The player of tapes is compiled with these numbers in it.
"""

from __future__ import annotations

from typing import Final

# Operations.
UNARY: Final = 0  # out[i] = f(a[i]), n elements
BINARY: Final = 1  # out[i] = f(a[i p], b[i q]); p, q are 1, or 0 for one number for all
SELECT: Final = 2  # out[i] = b[i] if a[i] else p[i]
GATHER: Final = 3  # out[i] = memory[integers[p + i]], n elements
SCATTER_ADD: Final = 4  # out[integers[p + i]] += a[i], n elements
REDUCE_ROWS: Final = 5  # out[r] = f over columns of a (n rows, p columns)
REDUCE_COLUMNS: Final = 6  # out[c] = f over rows of a (p rows, n columns)
CUMULATE: Final = 7  # running f along the columns of a (n rows, p columns)
MATMUL: Final = 8  # out (n, q) = a (n, p) @ b (p, q)
CALL: Final = 9  # native function at address b, see `player.play`; n words at integers[p]
REQUIRE: Final = 10  # stop unless every one of n elements of a is true

# Functions of reductions and running reductions.
SUM, PRODUCT, LARGEST, SMALLEST = 0, 1, 2, 3

FAILED: Final = 1  # what playing returns where a `REQUIRE` does not hold; else 0
HEAD_SIZE: Final = 10  # words by which native callers find a tape, see `player.evaluate`

UNARY_FUNCTIONS: Final = (
    "Neg", "Exp", "Log", "Log1p", "Expm1", "Sqr", "Sqrt", "Reciprocal", "Abs", "Sign", "Sigmoid",
    "Softplus", "Tanh", "Erf", "Erfc", "GammaLn", "Psi", "Log1mexp", "Invert", "IsNan", "IsInf",
    "Truncate", "Truth", "ArcTan", "Erfcx",
)  # fmt: skip
"""PyTensor's scalar operations of one number, and casts to integers and truth values, by number."""
BINARY_FUNCTIONS: Final = (
    "Add", "Sub", "Mul", "TrueDiv", "Pow", "Maximum", "Minimum", "EQ", "NEQ", "GT",
    "GE", "LT", "LE", "AND", "OR",
)  # fmt: skip
"""PyTensor's scalar operations of two numbers, by number."""
(
    NEG, EXP, LOG, LOG1P, EXPM1, SQR, SQRT, RECIPROCAL, ABS, SIGN, SIGMOID,
    SOFTPLUS, TANH, ERF, ERFC, GAMMALN, PSI, LOG1MEXP, INVERT, ISNAN, ISINF,
    TRUNCATE, TRUTH, ARCTAN, ERFCX,
) = range(25)  # fmt: skip
(
    ADD, SUB, MUL, DIV, POW, MAXIMUM, MINIMUM, EQ, NEQ, GT, GE, LT, LE, AND, OR,
) = range(15)  # fmt: skip
