"""What a server says about itself: metrics, and the rows of the service data sources."""
