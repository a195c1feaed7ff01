"""The composition root: the parts of a server, their routes, and the serving of both."""
