"""What a database's history shows: found in its early part, confirmed in its later part."""
