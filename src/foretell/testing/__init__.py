"""Generated databases and conformance suites, for plugin writers and our own tests."""
