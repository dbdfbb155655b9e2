"""Simulated e-commerce traffic: past dates straight into the archive, live traffic over HTTP.

`history.write_day` writes the archive objects of a past date and, beside them, the truth about it (`truth.expected`);
`pump` sends the Coveo data set or generated traffic to a collector. See docs/simulation.md.
"""
