"""The saved model, and scoring with it."""
