"""Models that stay good: versions, predictions that are written and graded, monitoring, retraining."""
