"""`TrainingJobEarlyStoppingType` Auto: the median rule of the guide, "Stop Training Jobs Early".

Each value of the objective metric that a training job writes counts as an epoch.
"""

from statistics import mean, median

AT_LEAST = 3  # earlier training jobs that have come as far; AWS does not say how many it wants


def is_behind(curve: list[float], others: list[list[float]], maximize: bool) -> bool:
    """True when the last value of `curve` is worse than the median, over the other training jobs, of the mean
    of their values up to the same epoch."""
    epoch = len(curve)
    averages = [mean(other[:epoch]) for other in others if len(other) >= epoch > 0]
    if len(averages) < AT_LEAST:
        return False
    return curve[-1] < median(averages) if maximize else curve[-1] > median(averages)
