"""What the database is: tables, columns, links and times, as found or as a person corrected them."""
