"""A Gaussian process over a few points, and what it expects to gain from others.

Formulas: Rasmussen and Williams, "Gaussian Processes for Machine Learning" (2006), algorithm 2.1 and equation
4.17 (Matérn 5/2); expected improvement as in Jones, Schonlau and Welch (1998).
"""

import math

import numpy as np

LENGTHS = (0.1, 0.2, 0.4, 0.8, 1.6)  # of the unit cube, tried one by one
NOISES = (1e-4, 1e-2, 1e-1)  # variance of the noise, for values of variance 1


def _matern(a: np.ndarray, b: np.ndarray, length: float) -> np.ndarray:
    distance = np.sqrt(((a[:, None, :] - b[None, :, :]) ** 2).sum(-1)) * math.sqrt(5) / length
    return (1 + distance + distance**2 / 3) * np.exp(-distance)


class GaussianProcess:
    """Fitted to `values` (n,) at `points` (n, d); length scale and noise by the marginal likelihood."""

    def __init__(self, points: np.ndarray, values: np.ndarray):
        self._points = points
        self._mean = float(values.mean())
        self._scale = float(values.std()) or 1.0
        y = (values - self._mean) / self._scale
        best = -math.inf
        for length in LENGTHS:
            kernel = _matern(points, points, length)
            for noise in NOISES:
                lower = np.linalg.cholesky(kernel + noise * np.eye(len(y)))
                alpha = np.linalg.solve(lower.T, np.linalg.solve(lower, y))
                likelihood = -0.5 * y @ alpha - np.log(np.diag(lower)).sum()
                if likelihood > best:
                    best, self._length, self._lower, self._alpha = likelihood, length, lower, alpha

    def predict(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation at `points` (m, d), each (m,)."""
        cross = _matern(points, self._points, self._length)
        mean = cross @ self._alpha
        spread = np.linalg.solve(self._lower, cross.T)
        variance = np.maximum(1.0 - (spread**2).sum(0), 1e-12)
        return mean * self._scale + self._mean, np.sqrt(variance) * self._scale

    def expected_improvement(self, points: np.ndarray, best: float) -> np.ndarray:
        """How much more than `best` (the greatest so far) each point is expected to give, (m,)."""
        mean, deviation = self.predict(points)
        z = (mean - best) / deviation
        density = np.exp(-0.5 * z**2) / math.sqrt(2 * math.pi)
        below = np.array([0.5 * math.erfc(-value / math.sqrt(2)) for value in z])
        return (mean - best) * below + deviation * density
