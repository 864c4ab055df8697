"""Predictions grade themselves: their query says what to count, once their windows have closed."""

from foretell.lifecycle.grading.grade import grade, grades_of, last_grade
from foretell.lifecycle.grading.record import Grade, Grades, Waiting

__all__ = ["Grade", "Grades", "Waiting", "grade", "grades_of", "last_grade"]
