"""Relational plans that carry time, and the proof that they read the past only."""
