"""The benchmark: Stonechat against named references, as ratios from one run."""
