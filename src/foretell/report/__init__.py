"""What is found and predicted, laid out for people: in a terminal and in a notebook."""
