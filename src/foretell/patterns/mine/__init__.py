"""Miners: each looks for one kind of statement in the early part of history."""
