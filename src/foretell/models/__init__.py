"""Learners: baselines, linear models, trees, and what blends and calibrates them."""
