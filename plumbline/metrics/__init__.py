"""What is measured of scores: areas, errors and their intervals, for every task."""
