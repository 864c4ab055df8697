"""Learners, and how they become one calibrated model. Model libraries are imported when training starts."""
