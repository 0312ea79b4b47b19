"""Make a graph safe in float16: scales by powers of two keep every sum, square and exponent within its range."""
