"""A live database becomes a proposed schema, with the evidence for each guess."""
